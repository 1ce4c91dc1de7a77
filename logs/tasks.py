"""Celery shells."""

from __future__ import annotations

from celery import shared_task

from common.clock import DatabaseClock
from logs import figures


@shared_task(name="logs.keep_up_figures", ignore_result=True)
def keep_up_figures() -> None:
    """Count the days whose messages changed."""
    figures.keep_up(at=DatabaseClock().now())
