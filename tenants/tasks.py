"""Celery shells."""

from celery import shared_task

from tenants import idempotency


@shared_task(name="tenants.purge_idempotency_records", ignore_result=True)
def purge_idempotency_records() -> None:
    idempotency.purge_expired()
