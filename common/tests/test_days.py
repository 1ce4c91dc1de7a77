"""Days of a time zone are whole and meet the next, also where clocks change."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from datetime import timezone as fixed
from zoneinfo import ZoneInfo

import pytest

from common.days import bounds, day_of

LISBON = "Europe/Lisbon"
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        (LISBON, date(2026, 3, 29), 23),
        (LISBON, date(2026, 10, 25), 25),
        (LISBON, date(2026, 7, 1), 24),
        ("Africa/Cairo", date(2026, 4, 24), 23),  # clocks go on at midnight: there is no 00:00
        ("America/Havana", date(2026, 11, 1), 25),  # midnight comes twice
        ("Asia/Kathmandu", date(2026, 3, 29), 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it_and_ends_where_the_next_begins(name, day, hours):
    zone = ZoneInfo(name)
    start, end = bounds(day, zone=zone)

    assert end - start == timedelta(hours=hours)
    assert bounds(day + timedelta(days=1), zone=zone)[0] == end
    assert day_of(start, zone=zone) == day_of(end - MOMENT, zone=zone) == day
    assert day_of(start - MOMENT, zone=zone) == day - timedelta(days=1)
    assert day_of(end, zone=zone) == day + timedelta(days=1)


def test_the_zone_of_the_instant_does_not_matter():
    instant = datetime(2026, 7, 1, 2, tzinfo=fixed(timedelta(hours=9)))

    assert day_of(instant, zone=ZoneInfo(LISBON)) == date(2026, 6, 30)
