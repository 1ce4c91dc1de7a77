"""Recurring tasks recur, whatever is done to the machine's clock."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import Celery

from sendcraft_project.beat import Scheduler
from sendcraft_project.celery import app as product
from tests.servers.waiting import until

EVERY = 0.05


@pytest.fixture
def app():
    made = Celery("beat", broker="memory://", set_as_current=False)
    made.conf.beat_schedule = {"sweep": {"task": "tests.sweep", "schedule": EVERY}}
    yield made
    made.close()


def rung(app: Celery) -> int:
    with app.connection_for_read() as connection:
        return connection.default_channel.queue_purge("celery")


def test_a_task_recurs_though_the_clock_is_set_back(app, tmp_path, monkeypatch):
    scheduler = Scheduler(app, schedule_filename=str(tmp_path / "beat-schedule"))
    now = app.now

    def rung_by_a_tick() -> int:
        scheduler.tick()
        return rung(app)

    assert rung_by_a_tick() == 1
    monkeypatch.setattr(app, "now", lambda: now() - timedelta(hours=1))
    until(rung_by_a_tick, timeout=30, what="the task once more")
    scheduler.close()

    assert (tmp_path / "beat-schedule").exists()


def test_a_new_beat_does_not_wait_for_what_an_earlier_one_believed_the_time_to_be(
    app, tmp_path, monkeypatch
):
    file, now = str(tmp_path / "beat-schedule"), app.now
    monkeypatch.setattr(app, "now", lambda: now() + timedelta(hours=1))
    earlier = Scheduler(app, schedule_filename=file)
    earlier.tick()
    earlier.close()
    monkeypatch.undo()

    Scheduler(app, schedule_filename=file).tick()

    assert rung(app) == 2


def test_beat_is_the_products_and_none_of_its_tasks_expires():
    assert product.conf.beat_scheduler == "sendcraft_project.beat:Scheduler"
    assert not [
        name
        for name, entry in product.conf.beat_schedule.items()
        if "expires" in entry.get("options", {})
    ]
