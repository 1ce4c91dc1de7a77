"""Celery shells."""

from celery import shared_task

from common.clock import DatabaseClock
from tenants import background, idempotency, invitations


@shared_task(name="tenants.purge_idempotency_records", ignore_result=True)
def purge_idempotency_records() -> None:
    idempotency.purge_expired()


@shared_task(name=background.TASK, ignore_result=True)
def work_off_jobs() -> None:
    """Give one background job its turn."""
    background.work_off()


@shared_task(name="tenants.ring_for_jobs", ignore_result=True)
def ring_for_jobs() -> None:
    """Ring where a background job waits or lost its worker."""
    background.ring_if_waiting(at=DatabaseClock().now())


@shared_task(name="tenants.purge_jobs", ignore_result=True)
def purge_jobs() -> None:
    """Delete background jobs, and their files, that nobody looks at any more."""
    background.purge(at=DatabaseClock().now())


@shared_task(name=invitations.TASK, ignore_result=True)
def mail_invitations() -> None:
    """Mail what is not mailed yet, soon after it was made or once the mail server is back."""
    invitations.mail_waiting(at=DatabaseClock().now())
