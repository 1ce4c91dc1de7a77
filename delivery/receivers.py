"""What delivery does when others announce something."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from celery.signals import worker_init, worker_process_shutdown, worker_shutting_down
from django.db import transaction
from django.dispatch import receiver

from accounts.models import EmailAccount
from accounts.signals import connection_works
from delivery import backoff, doorbell, metrics, sessions, stopping
from logs.models import EmailEvent, EventType, Priority
from logs.signals import email_events, emails_due
from tenants.models import Mode


@receiver(connection_works)
def go_on_after_test(account: EmailAccount, **kwargs: object) -> None:
    backoff.end_after_test(account.pk)


@receiver(emails_due)
def ring_for_due(account_ids: Iterable[int], **kwargs: object) -> None:
    """A person asked for it, and waits."""
    for account_id in account_ids:
        doorbell.ring_on_commit(account_id, priority=Priority.HIGH)


@receiver(email_events)
def time_sent(events: Iterable[EmailEvent], **kwargs: object) -> None:
    sent = [
        event.email
        for event in events
        if event.type == EventType.SENT and event.email.mode == Mode.LIVE
    ]
    if sent:
        transaction.on_commit(partial(metrics.observe_sent, sent), robust=True)


@worker_init.connect
def go_on(**kwargs: object) -> None:
    stopping.forget()


@worker_shutting_down.connect
def stop_drains(**kwargs: object) -> None:
    stopping.ask()


@worker_process_shutdown.connect
def hang_up(**kwargs: object) -> None:
    sessions.close_all()
