"""Celery shells."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from ai_triage import analytics


@shared_task(name="ai_triage.keep_up_analytics", ignore_result=True)
def keep_up_analytics() -> None:
    """Count the days that got results."""
    analytics.keep_up(at=timezone.now())
