"""Opens and clicks on their messages: counted apart for people and machines, with their history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from logs.models import EmailEvent, EmailLog, EventType
from logs.transitions import event_of, write
from logs.updating import update_each

COUNTERS = {
    (EventType.OPENED, False): "opens_count",
    (EventType.OPENED, True): "machine_opens_count",
    (EventType.CLICKED, False): "clicks_count",
    (EventType.CLICKED, True): "machine_clicks_count",
}


@dataclass(frozen=True)
class Engagement:
    """One open or click; ``machine_reason`` is None for a person's, ``url`` a click's target."""

    email: EmailLog
    kind: EventType
    at: datetime
    machine_reason: str | None = None
    user_agent: str = ""
    ip_address: str | None = None
    country: str = ""
    url: str = ""

    @property
    def is_machine(self) -> bool:
        return self.machine_reason is not None

    @property
    def data(self) -> dict[str, Any]:
        """What its event says; None for what nobody knows, or may keep."""
        link = {"url": self.url} if self.kind == EventType.CLICKED else {}
        return {
            "user_agent": self.user_agent or None,
            "ip_address": self.ip_address,
            "country": self.country or None,
            "machine": self.is_machine,
            "machine_reason": self.machine_reason,
            **link,
        }


def locked_messages(tracking_ids: Collection[UUID]) -> dict[UUID, EmailLog]:
    """Return the messages that are still there, while nobody else counts on them."""
    rows = EmailLog.objects.without_variables().prefetch_related("tenant")
    rows = rows.filter(tracking_id__in=tracking_ids).order_by("tracking_id").select_for_update()
    return {email.tracking_id: email for email in rows}


@transaction.atomic
def note(engagements: Sequence[Engagement], *, at: datetime) -> None:
    """Count what happened to messages that ``locked_messages`` gave in this transaction.

    A click does not count as an open too: readers may load no images. Status never changes.
    """
    changes: dict[int, dict[str, Any]] = {}
    for each in engagements:
        new = _changes(each)
        for name, value in new.items():
            setattr(each.email, name, value)
        changes.setdefault(each.email.pk, {"updated_at": at}).update(new)
    update_each(changes)
    write(event_of(each.email, each.kind, at=each.at, data=each.data) for each in engagements)


def _changes(engagement: Engagement) -> dict[str, Any]:
    """Return the row's new values; it is known as of now, since it is locked."""
    email, counter = engagement.email, COUNTERS[engagement.kind, engagement.is_machine]
    changes: dict[str, Any] = {counter: getattr(email, counter) + 1}
    if counter != "opens_count":
        return changes
    if email.first_opened_at is None or engagement.at < email.first_opened_at:
        changes |= {
            "first_opened_at": engagement.at,
            "user_agent": engagement.user_agent,
            "ip_address": engagement.ip_address,
            "country": engagement.country,
        }
    if email.last_opened_at is None or engagement.at > email.last_opened_at:
        changes["last_opened_at"] = engagement.at
    return changes


def recent_clicks(emails: Iterable[EmailLog], *, since: datetime) -> list[EmailEvent]:
    """Return clicks on these messages that are in their history already, from ``since`` on."""
    clicks = EmailEvent.objects.filter(email__in=emails, at__gte=since)
    return list(clicks.filter(type=EventType.CLICKED))
