"""What webhooks do when messages have news."""

from __future__ import annotations

from collections.abc import Iterable

from django.dispatch import receiver

from logs.models import EmailEvent
from logs.signals import email_events
from webhooks import services


@receiver(email_events)
def tell(events: Iterable[EmailEvent], **kwargs: object) -> None:
    services.publish_email_events(events)
