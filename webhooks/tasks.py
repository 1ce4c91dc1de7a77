"""Celery shells."""

from __future__ import annotations

from celery import shared_task

from common.clock import DatabaseClock
from webhooks import alerts, jobs


@shared_task(name="webhooks.drain", ignore_result=True)
def drain() -> None:
    """Send what is due."""
    jobs.drain()


@shared_task(name="webhooks.sweep", ignore_result=True)
def sweep() -> None:
    """Ring where something is due."""
    jobs.sweep()


@shared_task(name="webhooks.purge", ignore_result=True)
def purge() -> None:
    """Delete the history of long ago."""
    jobs.purge(at=DatabaseClock().now())


@shared_task(name="webhooks.tell_of_switched_off", ignore_result=True)
def tell_of_switched_off() -> None:
    """Tell owners whose webhooks were switched off."""
    alerts.tell_of_switched_off(at=DatabaseClock().now())
