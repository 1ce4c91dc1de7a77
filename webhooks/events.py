"""What webhooks tell of: the types, and each event as the JSON that receivers get."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from logs.models import EmailEvent, EmailLog, EventType

OF_EMAILS: Mapping[str, str] = {
    EventType.SENT: "email.sent",
    EventType.DELIVERED: "email.delivered",
    EventType.DEFERRED: "email.deferred",
    EventType.BOUNCED: "email.bounced",
    EventType.FAILED: "email.failed",
    EventType.COMPLAINED: "email.complained",
    EventType.OPENED: "email.opened",
    EventType.CLICKED: "email.clicked",
    EventType.UNSUBSCRIBED: "email.unsubscribed",
}
TRIAGE_COMPLETED, TRIAGE_FAILED = "triage.completed", "triage.failed"
TYPES = (*OF_EMAILS.values(), TRIAGE_COMPLETED, TRIAGE_FAILED)
ALL_TYPES = "*"
TEST_TYPE = "webhook.test"

COLUMNS = (
    "tracking_id",
    "batch_id",
    "template_id",
    "from_address",
    "to_address",
    "subject",
    "status",
    "error_code",
    "error_message",
    "tags",
    "metadata",
    "mode",
)
"""What is told of a message; never what it says."""
DETAILS = (
    "recipient",
    "reason",
    "smtp_code",
    "enhanced_code",
    "bounce_type",
    "url",
    "user_agent",
    "ip_address",
    "country",
    "machine",
    "topic",
)
"""What is told of the event itself, where it is known; a transcript is for people alone."""


@dataclass(frozen=True)
class Event:
    """Something to tell a tenant's receivers; ``tracking_id`` where it is about a message."""

    tenant_id: int
    type: str
    at: datetime
    data: Mapping[str, Any]
    tracking_id: UUID | None = None

    @property
    def payload(self) -> str:
        """The body as it is sent and signed; in ASCII, so that nothing on the way changes it."""
        body = {"type": self.type, "timestamp": instant(self.at), "data": self.data}
        return json.dumps(body, separators=(",", ":"))


def event_of(event: EmailEvent, email: EmailLog, *, template: str | None) -> Event:
    """Return the step of a message's history as receivers are told of it."""
    known = {name: getattr(email, name) for name in COLUMNS}
    data = known | {
        "tracking_id": str(email.tracking_id),
        "batch_id": str(email.batch_id) if email.batch_id else None,
        "template_id": template,
        "error_code": email.error_code or None,
        "error_message": email.error_message or None,
    }
    data |= {name: event.data[name] for name in DETAILS if name in event.data}
    return Event(
        tenant_id=event.tenant_id,
        type=OF_EMAILS[event.type],
        at=event.at,
        data=data,
        tracking_id=email.tracking_id,
    )


def instant(at: datetime) -> str:
    """Return ``at`` in ISO 8601, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
