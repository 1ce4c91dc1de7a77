"""Celery shells."""

from __future__ import annotations

import math
import time

from celery import shared_task

from delivery import counting, jobs
from logs.models import Priority

PILE_SECONDS = {"sweep": 1.0, "count_hits": 0.5}
_ran_at: dict[str, float] = {}


@shared_task(name="delivery.drain_account", ignore_result=True)
def drain_account(account_id: int, priority: int = Priority.NORMAL) -> None:
    """Send what is due on the account."""
    jobs.drain_account(account_id, priority=priority)


@shared_task(name="delivery.sweep", ignore_result=True)
def sweep() -> None:
    """Take back expired leases and ring for every account with due messages."""
    if not _is_of_a_pile("sweep"):
        jobs.sweep()


@shared_task(name="delivery.count_hits", ignore_result=True)
def count_hits() -> None:
    """Count the opens and clicks that came in."""
    if not _is_of_a_pile("count_hits"):
        counting.count_hits()


def _is_of_a_pile(name: str) -> bool:
    """Tell whether the same has just run here: runs that piled up without a worker are one."""
    now = time.monotonic()
    if now - _ran_at.get(name, -math.inf) <= PILE_SECONDS[name]:
        return True
    _ran_at[name] = now
    return False
