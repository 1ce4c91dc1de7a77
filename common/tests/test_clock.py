"""The clock tells aware time and never runs backwards."""

from datetime import timedelta

from common.clock import Clock


def test_the_time_is_aware_and_in_utc():
    now = Clock().now()

    assert now.utcoffset() == timedelta(0)


def test_the_monotonic_clock_does_not_run_backwards():
    clock = Clock()

    readings = [clock.monotonic() for _ in range(100)]

    assert readings == sorted(readings)
