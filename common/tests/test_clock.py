"""The clock tells aware time and never runs backwards."""

from datetime import timedelta

import pytest

from common.clock import Clock, DatabaseClock


def test_the_time_is_aware_and_in_utc():
    now = Clock().now()

    assert now.utcoffset() == timedelta(0)


def test_the_monotonic_clock_does_not_run_backwards():
    clock = Clock()

    readings = [clock.monotonic() for _ in range(100)]

    assert readings == sorted(readings)


@pytest.mark.django_db
def test_the_database_tells_the_same_time_in_utc_to_every_machine():
    told = DatabaseClock().now()

    assert told.utcoffset() == timedelta(0)
    assert abs(told - Clock().now()) < timedelta(minutes=1)
