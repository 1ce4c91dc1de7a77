"""Celery shells."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from inbox import jobs


@shared_task(name="inbox.read_mailboxes", ignore_result=True)
def read_mailboxes() -> None:
    """Read the mailboxes that are due."""
    jobs.read_due_mailboxes()


@shared_task(name="inbox.apply_reports", ignore_result=True)
def apply_reports() -> None:
    """Apply the reports that could not be applied when they came."""
    jobs.apply_waiting(at=timezone.now())
