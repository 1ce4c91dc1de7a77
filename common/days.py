"""Days in a time zone: 23 or 25 hours long where clocks change, and always meeting the next."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def bounds(day: date, *, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when the day begins in ``zone`` and when the next one does, in UTC."""
    start, end = (
        datetime.combine(one, time.min, tzinfo=zone).astimezone(UTC)
        for one in (day, day + timedelta(days=1))
    )
    return start, end


def day_of(instant: datetime, *, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()
