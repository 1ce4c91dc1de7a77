"""What delivery does when others announce something."""

from __future__ import annotations

from collections.abc import Iterable

from celery.signals import worker_init, worker_shutting_down
from django.dispatch import receiver

from delivery import doorbell, stopping
from logs.signals import emails_due


@receiver(emails_due)
def ring_for_due(account_ids: Iterable[int], **kwargs: object) -> None:
    doorbell.ring_on_commit(account_ids)


@worker_init.connect
def go_on(**kwargs: object) -> None:
    stopping.forget()


@worker_shutting_down.connect
def stop_drains(**kwargs: object) -> None:
    stopping.ask()
