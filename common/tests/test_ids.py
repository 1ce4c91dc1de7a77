"""Ids are unique, sort by time and look like version 7."""

import time
import uuid

from common.ids import uuid7


def test_an_id_carries_its_version_its_variant_and_its_millisecond():
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000

    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= after


def test_ids_made_one_after_the_other_sort_in_that_order():
    made = []
    for _ in range(50):
        made.append(uuid7())
        instant = time.time_ns()
        while time.time_ns() < instant + 1000:
            pass

    assert made == sorted(made)


def test_ids_of_one_instant_differ(monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_768_473_000_123_456_789)

    made = {uuid7() for _ in range(1000)}

    assert len(made) == 1000
    assert {str(one)[:18] for one in made} == {str(uuid7())[:18]}
