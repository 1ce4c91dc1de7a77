"""Celery shells."""

from __future__ import annotations

from celery import shared_task

from delivery import jobs
from logs.models import Priority


@shared_task(name="delivery.drain_account", ignore_result=True)
def drain_account(account_id: int, priority: int = Priority.NORMAL) -> None:
    """Send what is due on the account."""
    jobs.drain_account(account_id, priority=priority)


@shared_task(name="delivery.sweep", ignore_result=True)
def sweep() -> None:
    """Take back expired leases and ring for every account with due messages."""
    jobs.sweep()
