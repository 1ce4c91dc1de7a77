"""When recurring tasks are rung for: by a clock that nobody sets.

Celery's own scheduler reckons with the machine's time and keeps it in a file. Where that time is
set back, by an hour say, nothing would recur for an hour, over restarts too: mail whose ring was
lost, or that is tried again, would wait as long.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import beat


class Scheduler(beat.Scheduler):
    """Rings for each task at once and then at its interval; what recurs is in the settings."""

    def __init__(self, *args: Any, schedule_filename: str, **kwargs: Any) -> None:
        self._sign_of_life = Path(schedule_filename)
        self._due_at: dict[str, float] = {}
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        self.merge_inplace(self.app.conf.beat_schedule)

    def tick(self, *_: Any) -> float:
        """Ring for what is due; returns the seconds until the next is."""
        for name, entry in self.schedule.items():
            if self._due_at.get(name, 0) <= time.monotonic():
                every: Any = entry.schedule
                self._due_at[name] = time.monotonic() + every.seconds
                self.apply_entry(entry, producer=self.producer)
        return max(min(self._due_at.values()) - time.monotonic(), 0)

    def sync(self) -> None:
        """Show that beat is alive, every three minutes: the containers' health check looks."""
        with suppress(OSError):  # a full disk stops no sweep
            self._sign_of_life.touch()
