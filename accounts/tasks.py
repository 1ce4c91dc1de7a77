"""Celery shells."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from accounts import jobs


@shared_task(name="accounts.tell_of_pauses", ignore_result=True)
def tell_of_pauses() -> None:
    """Tell owners of accounts that were paused since the last time."""
    jobs.tell_of_pauses(at=timezone.now())
