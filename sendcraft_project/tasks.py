"""Celery shells."""

from __future__ import annotations

from celery import shared_task

from common.clock import DatabaseClock
from sendcraft_project import retention


@shared_task(name="sendcraft.remove_expired", ignore_result=True)
def remove_expired() -> None:
    """Remove what tenants keep no longer."""
    retention.remove_expired(at=DatabaseClock().now())
