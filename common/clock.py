"""The time, as an argument that tests can replace."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever grow, for deadlines."""
        return time.monotonic()
