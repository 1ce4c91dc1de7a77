"""The time, as an argument that tests can replace."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django.db import connection


class Clock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever grow, for deadlines."""
        return time.monotonic()


class DatabaseClock(Clock):
    """The database's time, which all machines share: leases need no synchronised clocks."""

    def now(self) -> datetime:
        """Return the server's time; SQLite has none but this machine's."""
        if connection.vendor != "mysql":
            return super().now()
        with connection.cursor() as cursor:
            cursor.execute("SELECT UTC_TIMESTAMP(6)")
            told: datetime = cursor.fetchone()[0]
        return told.replace(tzinfo=UTC)
