"""Celery shells."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from ai_triage import alerts, analytics, jobs
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


@shared_task(name="ai_triage.answer_due", ignore_result=True)
def answer_due() -> None:
    """Answer by rule what no person has to see."""
    jobs.answer_due()


@shared_task(name="ai_triage.go_on", ignore_result=True)
def go_on() -> None:
    """Judge now what waits for a provider that answers again."""
    jobs.go_on()


@shared_task(name="ai_triage.tell_of_cost_limits", ignore_result=True)
def tell_of_cost_limits() -> None:
    """Tell owners whose mail waits because the day's cost limit is reached."""
    alerts.tell_of_cost_limits(at=timezone.now())


@shared_task(name="ai_triage.tell_of_refusal", ignore_result=True)
def tell_of_refusal(provider: str, reason: str) -> None:
    """Tell those who keep its key that a provider refuses us."""
    alerts.tell_of_refusal(provider, reason=reason)
