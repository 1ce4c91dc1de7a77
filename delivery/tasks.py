"""Celery shells."""

from __future__ import annotations

from celery import shared_task

from delivery import jobs


@shared_task(name="delivery.drain_account", ignore_result=True)
def drain_account(account_id: int) -> None:
    """Send what is due on the account."""
    jobs.drain_account(account_id)


@shared_task(name="delivery.sweep", ignore_result=True)
def sweep() -> None:
    """Take back expired leases and ring for every account with due messages."""
    jobs.sweep()
