"""Hits on their way to the database: none is lost but by force."""

from __future__ import annotations

import os
import signal
from uuid import UUID

import pytest
from django.db import connection

from common.ids import uuid7
from delivery import hits as module
from delivery import spill
from delivery.hits import Collector
from logs.models import EventType, TrackingHit
from logs.tests.builders import NOON
from tests.servers.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path / "hits"


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.forget()


@pytest.fixture
def away(monkeypatch):
    """The table is gone, as a database that fails; called, it is back."""
    with connection.schema_editor() as editor:
        editor.delete_model(TrackingHit)

    def back() -> None:
        if TrackingHit._meta.db_table not in connection.introspection.table_names():
            with connection.schema_editor() as editor:
                editor.create_model(TrackingHit)

    yield back
    back()


def a_hit(**fields) -> TrackingHit:
    given = {"tracking_id": uuid7(), "kind": EventType.CLICKED, "at": NOON, **fields}
    return TrackingHit(url="https://x.test/ção\u2028", user_agent="a", ip_address="::1", **given)


def stored() -> list[UUID]:
    return list(TrackingHit.objects.order_by("pk").values_list("pk", flat=True))


def test_a_hit_is_stored_soon(collector):
    hit = a_hit()

    collector.put(hit)

    assert until(stored, timeout=10, what="the hit") == [hit.pk]
    found = TrackingHit.objects.get()
    assert (found.tracking_id, found.url, found.ip_address) == (hit.tracking_id, hit.url, "::1")


def test_hits_wait_in_memory_while_the_database_is_away(collector, away):
    hits = [a_hit() for _ in range(3)]
    collector._thread = object()  # none of its own: the test stores

    for hit in hits:
        collector.put(hit)
    assert not collector.flush()
    away()

    assert collector.flush()
    assert stored() == [hit.pk for hit in hits]
    assert not spill.is_any()


def test_the_oldest_of_too_many_go_into_files_and_come_back(collector, away, monkeypatch):
    monkeypatch.setattr(module, "MOST", 10)
    monkeypatch.setattr(module, "SPILLED_AT_ONCE", 5)
    collector._thread = object()
    hits = [a_hit() for _ in range(30)]

    for hit in hits:
        collector.put(hit)

    assert len(collector._waiting) <= 10
    assert not collector.flush()
    away()
    assert collector.flush()
    spill.read_in()
    assert stored() == [hit.pk for hit in hits]
    assert not spill.is_any()


def test_a_process_that_ends_leaves_its_hits_in_a_file_for_the_next(collector, away, folder):
    hit = a_hit()
    collector._thread = object()
    collector.put(hit)

    collector.close()

    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    away()
    spill.read_in()
    assert stored() == [hit.pk]
    assert list(folder.iterdir()) == []


def test_hits_that_are_stored_already_are_not_stored_twice(collector):
    hit = a_hit()
    spill.write([hit])
    TrackingHit.objects.bulk_create([hit])

    spill.read_in()

    assert stored() == [hit.pk]


def test_a_file_that_is_no_file_of_hits_stops_nothing(folder):
    spill.write([a_hit()])
    (folder / "0.hits").write_text('{"half')

    spill.read_in()

    assert len(stored()) == 1
    assert [path.name for path in folder.iterdir()] == ["0.bad"]


def test_files_are_bounded(monkeypatch, folder):
    spill.write([a_hit()])
    monkeypatch.setattr(spill, "MOST_BYTES", 10)

    spill.write([a_hit()])

    assert len(list(folder.iterdir())) == 1


def test_a_child_has_nothing_of_its_parents_hits(collector):
    collector._thread = object()
    collector.put(a_hit())

    child = os.fork()
    if not child:
        collector.forget()
        is_empty = not collector._waiting and collector._thread is None
        os.kill(os.getpid(), signal.SIGKILL if is_empty else signal.SIGTERM)
    _, status = os.waitpid(child, 0)

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert collector.flush()
    assert len(stored()) == 1
