"""What figures do when messages change, or what a day is."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver

from logs import figures, marks
from logs.models import EmailEvent
from logs.signals import email_events
from tenants.models import Tenant


@receiver(email_events)
def mark_changed(events: Iterable[EmailEvent], **kwargs: object) -> None:
    marks.mark(event.email for event in events)


@receiver(pre_save, sender=Tenant)
def note_new_zone(instance: Tenant, **kwargs: object) -> None:
    known = Tenant.objects.filter(pk=instance.pk)
    instance._has_new_zone = known.exclude(timezone=instance.timezone).exists()  # type: ignore[attr-defined]


@receiver(post_save, sender=Tenant)
def count_days_of_new_zone(instance: Tenant, **kwargs: object) -> None:
    if instance._has_new_zone:  # type: ignore[attr-defined]
        figures.mark_every_day(instance)
