"""Celery's beat for machines whose clock may be set back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler

JITTER = timedelta(seconds=1)


class Scheduler(PersistentScheduler):
    """Runs on when the clock goes back.

    Celery keeps when each task last ran by the wall clock, also over restarts: with a clock set
    back by an hour nothing would be swept for an hour.
    """

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run what is due and return after how many seconds to look again."""
        self._forget_the_future()
        wait: float = super().tick(*args, **kwargs)
        return wait

    def _forget_the_future(self) -> None:
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at and entry.last_run_at > now + JITTER:
                entry.last_run_at = now
                self._heap = None
