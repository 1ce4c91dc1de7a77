"""Celery shells of what belongs to the whole project."""

from __future__ import annotations

from celery import shared_task

from common.clock import DatabaseClock
from sendcraft_project import retention
from sendcraft_project.signin import jobs


@shared_task(name="sendcraft_project.mail_reset_link", ignore_result=True)
def mail_reset_link(user_id: int, language: str) -> None:
    """Send the person a link to set a new password."""
    jobs.mail_reset_link(user_id, language=language)


@shared_task(name="sendcraft_project.remove_expired", ignore_result=True)
def remove_expired() -> None:
    """Remove what tenants keep no longer."""
    retention.remove_expired(at=DatabaseClock().now())
