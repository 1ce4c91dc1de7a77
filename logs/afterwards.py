"""What is told of a message after a server took it: reports, complaints, unsubscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from common.errors import Conflict, OutcomeUnknown
from logs.models import EmailLog, EmailStatus, EventType
from logs.transitions import event_of, write

_TAKEN = frozenset({EmailStatus.SENT, EmailStatus.DELIVERED})
_BEFORE: dict[EventType, frozenset[str]] = {
    EventType.DEFERRED: frozenset({EmailStatus.SENT}),
    EventType.DELIVERED: frozenset({EmailStatus.SENT}),
    EventType.BOUNCED: _TAKEN,
    EventType.COMPLAINED: _TAKEN | {EmailStatus.BOUNCED},
}
_STATUS = {
    EventType.DELIVERED: EmailStatus.DELIVERED,
    EventType.BOUNCED: EmailStatus.BOUNCED,
    EventType.COMPLAINED: EmailStatus.SPAM,
}


@dataclass(frozen=True)
class Report:
    """What a report says of one recipient of a message (RFC 3464, RFC 5965).

    ``kind`` is DELIVERED, DEFERRED (still being tried elsewhere), BOUNCED or COMPLAINED;
    ``recipient`` is an address of the message's envelope, ``reason`` the remote server's words.
    ``data`` goes into the event besides.
    """

    kind: EventType
    recipient: str
    at: datetime
    reason: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in _BEFORE:
            raise ValueError("a report is of delivery, delay, a bounce or a complaint")


@transaction.atomic
def note(email: EmailLog, report: Report) -> bool:
    """Store what a report says and return whether it is news; what is known already is not.

    A report on a copy is history; the status is that of the message's own recipient. A message
    that nobody knew to be taken was, if a later server has it.

    Raises:
        Conflict: the message is being sent at this moment; ask again.
    """
    row = EmailLog.objects.select_for_update().without_variables().get(pk=email.pk)
    if row.status == EmailStatus.SENDING:
        raise Conflict("The message is being sent.")
    is_own = report.recipient == row.to_address
    changes = _own_changes(row, report) if is_own else _copy_changes(row, report)
    if changes is None:
        return False
    changes["updated_at"] = report.at
    EmailLog.objects.filter(pk=row.pk).update(**changes)
    for name, value in changes.items():
        setattr(email, name, value)
    data = {**report.data, "recipient": report.recipient}
    if report.reason:
        data["reason"] = report.reason
    write([event_of(email, report.kind, at=report.at, data=data)])
    return True


def _own_changes(row: EmailLog, report: Report) -> dict[str, Any] | None:
    is_unknown = row.error_code == OutcomeUnknown.code and row.status in (
        EmailStatus.QUEUED,
        EmailStatus.FAILED,
    )
    if row.status not in _BEFORE[report.kind] and not is_unknown:
        return None
    changes: dict[str, Any] = {}
    if report.kind in _STATUS:
        changes["status"] = _STATUS[report.kind]
        changes["next_attempt_at"] = None
    if is_unknown and report.kind in _STATUS:
        changes |= {"sent_at": report.at, "failed_at": None, "error_code": "", "error_message": ""}
    if report.kind == EventType.DELIVERED:
        changes["delivered_at"] = report.at
    if report.kind == EventType.BOUNCED:
        changes |= {
            "failed_at": report.at,
            "error_code": "bounced",
            "error_message": report.reason,
        }
    return changes


def _copy_changes(row: EmailLog, report: Report) -> dict[str, Any] | None:
    """Return the copy's outcome; of a bounced one only a complaint is still news."""
    known = row.recipient_outcomes.get(report.recipient, {})
    last = known.get("status", "")
    is_known = last in (report.kind, EventType.COMPLAINED)
    if is_known or (last == EventType.BOUNCED and report.kind != EventType.COMPLAINED):
        return None
    if report.kind == EventType.DEFERRED:
        return {}
    outcome = {**known, "status": report.kind.value}
    return {"recipient_outcomes": {**row.recipient_outcomes, report.recipient: outcome}}


@transaction.atomic
def note_unsubscribed(email: EmailLog, *, at: datetime, topic: str) -> bool:
    """Store that the recipient unsubscribed through this message; only the first time is news."""
    first = EmailLog.objects.filter(pk=email.pk, unsubscribed_at=None)
    if not first.update(unsubscribed_at=at, updated_at=at):
        return False
    email.unsubscribed_at = at
    write([event_of(email, EventType.UNSUBSCRIBED, at=at, data={"topic": topic})])
    return True
