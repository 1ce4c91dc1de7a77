"""Where a message's ``status`` changes, each time together with its history.

What other servers report later is in :mod:`logs.afterwards`; nothing else assigns a status.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from common.errors import Conflict, OutcomeUnknown, Refused
from common.instances import bare
from logs.inserting import insert_events
from logs.marks import mark
from logs.models import EmailContent, EmailEvent, EmailLog, EmailStatus, EventType
from logs.signals import email_events, emails_due
from logs.updating import lock_held, update_each

BATCH = 500
FURTHEST = timedelta(days=366)
CLOCK_SKEW = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=4)

_STATUS = {
    EventType.SENT: EmailStatus.SENT,
    EventType.DEFERRED: EmailStatus.QUEUED,
    EventType.BOUNCED: EmailStatus.BOUNCED,
    EventType.FAILED: EmailStatus.FAILED,
}
_UNHELD: dict[str, Any] = {"lease_token": "", "leased_until": None, "in_data": False}


@dataclass(frozen=True)
class Outcome:
    """What a worker's attempt came to: ``kind`` is SENT, DEFERRED, BOUNCED or FAILED.

    ``email`` is the row as it was claimed; its ``attempt`` is the fence. ``began_at`` None: the
    message failed before anything was tried, so its history shows no ``sending``. ``until`` is
    for DEFERRED alone. ``data`` goes into the event: ``transcript`` (lines), ``smtp_code``,
    ``enhanced_code``, ``reason``, ``recipients``.
    """

    email: EmailLog
    kind: EventType
    at: datetime
    began_at: datetime | None = None
    until: datetime | None = None
    error_code: str = ""
    error_message: str = ""
    smtp_response: str = ""
    recipient_outcomes: Mapping[str, Any] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in _STATUS or (self.kind == EventType.DEFERRED) != bool(self.until):
            raise ValueError("an outcome is sent, deferred until a time, bounced or failed")

    @cached_property
    def changes(self) -> dict[str, Any]:
        """The row's new values, the same if they are stored again after a broken transaction."""
        changes = {
            "status": _STATUS[self.kind],
            "next_attempt_at": self.until,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "smtp_response": self.smtp_response or self.email.smtp_response,
            "updated_at": self.at,
            **_UNHELD,
        }
        if self.kind == EventType.DEFERRED:
            changes["retry_count"] = self.email.retry_count + 1
        else:
            changes["sent_at" if self.kind == EventType.SENT else "failed_at"] = self.at
        if self.recipient_outcomes is not None:
            changes["recipient_outcomes"] = dict(self.recipient_outcomes)
        return changes

    def events(self) -> Iterator[EmailEvent]:
        if self.began_at is not None:
            yield event_of(
                self.email,
                EventType.SENDING,
                at=self.began_at,
                data={"attempt": self.email.attempt},
            )
        yield event_of(self.email, self.kind, at=self.at, data=self.data)


# What a worker found out


@transaction.atomic(savepoint=False)
def record(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Store the outcomes with their events and return those whose attempt still held its row.

    An outcome of an attempt that was taken back changes nothing and is left out.
    """
    held = _held(outcome.email for outcome in outcomes)
    stored = [each for each in outcomes if (each.email.pk, each.email.attempt) in held]
    update_each({outcome.email.pk: outcome.changes for outcome in stored})
    for outcome in stored:
        _follow(outcome.email, outcome.changes)
    write(event for outcome in stored for event in outcome.events())
    return stored


@transaction.atomic
def release(emails: Iterable[EmailLog], *, at: datetime) -> int:
    """Put claimed messages back whose delivery never began; no retry is counted."""
    held = [pk for pk, _ in _held(emails)]
    return EmailLog.objects.filter(pk__in=held).update(
        status=EmailStatus.QUEUED, updated_at=at, **_UNHELD
    )


@transaction.atomic
def note_data(emails: Sequence[EmailLog]) -> list[EmailLog]:
    """Store that the messages' data may go from now on; the others were taken back: hands off.

    Noted ahead, so ``emails`` themselves still say whether theirs has really begun.
    """
    held = _held(emails)
    EmailLog.objects.filter(pk__in=[pk for pk, _ in held]).update(in_data=True)
    return [email for email in emails if (email.pk, email.attempt) in held]


# What nobody found out


def take_back_expired(*, at: datetime) -> list[int]:
    """Free messages whose lease ended before ``at``; returns the accounts that may go on.

    Takes up to 500 at a time until none is left. A message whose data had not begun is due at
    once. Otherwise nobody knows whether it was taken (RFC 1047): it goes again under the same
    Message-ID, at once and then after doubling waits; or it fails, where its tenant wants
    nothing twice or its time is over.
    """
    accounts: set[int] = set()
    while True:
        with transaction.atomic():
            batch = _expired(at=at)
            _take_back(batch, at=at)
        accounts.update(email.account_id for email in batch)
        if len(batch) < BATCH:
            return sorted(accounts)


def _expired(*, at: datetime) -> list[EmailLog]:
    """Lock and return expired rows; those that a worker is recording right now are left out.

    In the order of their index: in that of the keys, SQLite would walk the whole table.
    """
    rows = EmailLog.objects.filter(status=EmailStatus.SENDING, leased_until__lt=at)
    rows = rows.without_variables().prefetch_related("tenant").order_by("leased_until")
    return list(rows.select_for_update(skip_locked=True)[:BATCH])


def _take_back(batch: Sequence[EmailLog], *, at: datetime) -> None:
    EmailLog.objects.filter(pk__in=[email.pk for email in batch if not email.in_data]).update(
        status=EmailStatus.QUEUED, next_attempt_at=at, updated_at=at, **_UNHELD
    )
    record([_unknown(email, at=at) for email in batch if email.in_data])


def _unknown(email: EmailLog, *, at: datetime) -> Outcome:
    """What is recorded for an attempt that vanished after its data had begun."""
    wait = min(timedelta(seconds=2 ** min(email.retry_count, 20) - 1), LONGEST_WAIT)
    over = email.tenant.never_twice or at + wait >= email.age_limit
    return Outcome(
        email=email,
        kind=EventType.FAILED if over else EventType.DEFERRED,
        at=at,
        until=None if over else at + wait,
        error_code=OutcomeUnknown.code,
        error_message="The connection was lost after the message's data had begun to go out.",
        data={"reason": OutcomeUnknown.code, "attempt": email.attempt},
    )


# What a person wants


@transaction.atomic
def cancel(email: EmailLog, *, at: datetime, by: str = "") -> None:
    """Take the message out of the queue for good; ``by`` is the username of who wants it.

    Raises:
        Conflict: it is not queued (any more).
    """
    _change_or_conflict(
        email,
        [EmailStatus.QUEUED],
        status=EmailStatus.CANCELLED,
        next_attempt_at=None,
        updated_at=at,
    )
    write([event_of(email, EventType.CANCELLED, at=at, data=_signed(by))])


def reschedule(email: EmailLog, *, send_at: datetime, at: datetime) -> None:
    """Let the queued message go at ``send_at``, now or up to a year ahead.

    Raises:
        Refused: ``send_at`` is over, or further away.
        Conflict: it is not queued (any more).
    """
    if send_at < at - CLOCK_SKEW:
        raise Refused("send_at is in the past.", attr="send_at")
    if send_at > at + FURTHEST:
        raise Refused("send_at is more than a year away.", attr="send_at")
    _change_or_conflict(
        email,
        [EmailStatus.QUEUED],
        send_at=send_at,
        tried_since=send_at,
        next_attempt_at=send_at,
        updated_at=at,
    )


@transaction.atomic
def retry(email: EmailLog, *, at: datetime, by: str = "") -> None:
    """Make a queued or failed message due now, under the same Message-ID.

    The time to give up begins anew; Message-ID and Date stay. Its history tells ``by`` whom, a
    username, and for when it was scheduled until now.

    Raises:
        Conflict: it is neither queued nor failed, or its content was removed (``gone``).
    """
    _refuse_removed(email)
    told = _signed(by) | _scheduled(email, at=at)
    _change_or_conflict(
        email,
        [EmailStatus.QUEUED, EmailStatus.FAILED],
        status=EmailStatus.QUEUED,
        send_at=min(email.send_at, at) if email.send_at else None,
        tried_since=at,
        next_attempt_at=at,
        failed_at=None,
        error_code="",
        error_message="",
        updated_at=at,
    )
    if told:
        write([event_of(email, EventType.QUEUED, at=at, data=told)])
    else:
        mark([email])
    account_id = email.account_id
    transaction.on_commit(lambda: emails_due.send(EmailLog, account_ids=[account_id]), robust=True)


def _signed(by: str) -> dict[str, str]:
    return {"by": by} if by else {}


def _scheduled(email: EmailLog, *, at: datetime) -> dict[str, str]:
    """Return for when the message waited, where that time is still to come."""
    if email.send_at is None or email.send_at <= at:
        return {}
    return {"send_at": email.send_at.isoformat()}


# How


def event_of(
    email: EmailLog, kind: EventType, *, at: datetime, data: Mapping[str, Any] | None = None
) -> EmailEvent:
    """Return an event of ``email``, not stored yet."""
    event = bare(EmailEvent)
    event._state.fields_cache["email"] = email
    event.__dict__.update(
        id=None,
        tenant_id=email.tenant_id,
        email_id=email.pk,
        type=kind,
        at=at,
        data=dict(data or {}),
    )
    return event


def _held(emails: Iterable[EmailLog]) -> set[tuple[int, int]]:
    """Lock the rows that these attempts still hold and return key and attempt of each."""
    return lock_held({(email.pk, email.attempt) for email in emails})


def _follow(email: EmailLog, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        setattr(email, name, value)


def _change(email: EmailLog, rows: QuerySet[EmailLog], **changes: Any) -> bool:
    """Update the row if it is still among ``rows``, and ``email`` with it."""
    if not rows.update(**changes):
        return False
    _follow(email, changes)
    return True


def _change_or_conflict(email: EmailLog, allowed: Sequence[EmailStatus], **changes: Any) -> None:
    rows = EmailLog.objects.filter(pk=email.pk, status__in=allowed)
    if _change(email, rows, **changes):
        return
    status = EmailLog.objects.values_list("status", flat=True).get(pk=email.pk)
    raise Conflict(f"The message is {status}; this needs {' or '.join(allowed)}.")


def _refuse_removed(email: EmailLog) -> None:
    """Hold the content until the commit, so that nobody removes it from a message that waits."""
    kept = EmailContent.objects.select_for_update().filter(pk=email.content_id, removed_at=None)
    if email.is_erased or not kept.values_list("pk", flat=True).first():
        raise Conflict("The content of this message was removed.", code="gone")


def write(events: Iterable[EmailEvent]) -> None:
    """Store events and announce them; call it in the transaction of what they tell."""
    stored = list(events)
    if not stored:
        return
    insert_events(stored)
    email_events.send(EmailLog, events=stored)
