from __future__ import annotations

import time
from datetime import timedelta

import pytest
from celery import Celery

from sendcraft_project.beat import Scheduler


@pytest.fixture
def scheduler(tmp_path):
    app = Celery("beat", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = {
        "often": {"task": "often", "schedule": 0.2},
        "seldom": {"task": "seldom", "schedule": 3600.0},
    }
    made = Scheduler(app, schedule_filename=str(tmp_path / "schedule"), max_interval=0.1)
    yield made
    made.close()


def sent_within(scheduler, seconds: float) -> int:
    """How often ``often`` was sent, with the pauses that the scheduler asks for."""
    before, end = scheduler.schedule["often"].total_run_count, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(max(scheduler.tick(), 0))
    return scheduler.schedule["often"].total_run_count - before


def ran_later(scheduler, ahead: timedelta) -> None:
    """Leave what a scheduler leaves whose clock was ahead."""
    for entry in scheduler.schedule.values():
        entry.last_run_at += ahead
    scheduler._heap = None
    scheduler.tick()


def test_a_clock_set_back_by_an_hour_silences_no_task(scheduler):
    assert sent_within(scheduler, 0.5) in (1, 2)
    ran_later(scheduler, timedelta(hours=1))

    assert sent_within(scheduler, 0.7) >= 2
    assert scheduler.schedule["seldom"].total_run_count == 0
