"""Celery shells."""

from __future__ import annotations

from celery import shared_task

from ai_triage import analytics, jobs
from common.clock import DatabaseClock


@shared_task(name="ai_triage.drain", ignore_result=True)
def drain() -> None:
    """Judge the mail whose turn it is."""
    jobs.drain()


@shared_task(name="ai_triage.sweep", ignore_result=True)
def sweep() -> None:
    """Ring where mail waits or lost its worker."""
    jobs.sweep()


@shared_task(name="ai_triage.keep_up_analytics", ignore_result=True)
def keep_up_analytics() -> None:
    """Count the days that got results."""
    analytics.keep_up(at=DatabaseClock().now())
