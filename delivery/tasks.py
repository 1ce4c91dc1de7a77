"""Celery shells."""

from __future__ import annotations

import time

from celery import shared_task

from delivery import jobs
from logs.models import Priority

PILE_SECONDS = 1.0
_swept_at = 0.0


@shared_task(name="delivery.drain_account", ignore_result=True)
def drain_account(account_id: int, priority: int = Priority.NORMAL) -> None:
    """Send what is due on the account."""
    jobs.drain_account(account_id, priority=priority)


@shared_task(name="delivery.sweep", ignore_result=True)
def sweep() -> None:
    """Take back expired leases and ring for every account with due messages.

    Sweeps that piled up while no worker ran are one.
    """
    global _swept_at  # noqa: PLW0603  one per process
    if time.monotonic() - _swept_at > PILE_SECONDS:
        _swept_at = time.monotonic()
        jobs.sweep()
