"""A clock that tests move by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from common.clock import Clock


class FixedClock(Clock):
    """Stands at ``at`` until it is moved; ``monotonic`` moves along with it."""

    def __init__(self, at: datetime) -> None:
        self._now = at
        self._elapsed = timedelta()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._elapsed += by
