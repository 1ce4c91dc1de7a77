"""What the rest of the project may ask of delivery."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from common.addresses import Address, normalized, parse_address
from common.errors import Conflict
from common.text import check_text
from delivery import return_paths, soft_bounces, stopping
from delivery.acceptance import BULK_TOPIC, prepare
from delivery.models import Suppression, SuppressionReason
from delivery.submission import Message
from logs import afterwards
from logs.afterwards import Report
from logs.models import EmailLog, EventType
from tenants.models import Mode, Tenant


def submit(message: Message, *, tenant: Tenant, mode: str) -> EmailLog:
    """Store one message and ring for its delivery after the commit.

    Raises:
        Refused: every refusal of ``POST /emails/send``; nothing is stored then.
    """
    prepared = prepare(message, tenant=tenant, mode=mode)
    with transaction.atomic():
        return prepared.store()


@transaction.atomic
def suppress(
    address: str,
    *,
    tenant: Tenant,
    reason: str = SuppressionReason.MANUAL,
    topic: str = "",
    source: EmailLog | None = None,
    expires_at: datetime | None = None,
) -> Suppression:
    """Return the entry that keeps mail from ``address``; one that lasts as long or longer stays.

    Raises:
        Refused: it is no address, or the topic holds a control character.
        Conflict: staff ask for what is there already.
    """
    key = normalized(parse_address(address, attr="address"))
    entry, is_new = Suppression.objects.enter(
        key,
        tenant=tenant,
        topic=check_text(topic, "topic"),
        reason=reason,
        source=source,
        expires_at=expires_at,
    )
    if not is_new and reason == SuppressionReason.MANUAL:
        raise Conflict("This address is suppressed already.", code="exists")
    return entry


@transaction.atomic
def unsubscribe(email: EmailLog) -> Suppression:
    """Suppress the message's topic for its recipient; again, it changes nothing."""
    topic = left_topic(email)
    entry, is_new = Suppression.objects.enter(
        recipient_of(email),
        tenant=email.tenant,
        topic=topic,
        reason=SuppressionReason.UNSUBSCRIBED,
        source=email,
    )
    if is_new:
        afterwards.note_unsubscribed(email, at=timezone.now(), topic=topic)
    return entry


@transaction.atomic
def apply_report(email: EmailLog, report: Report, *, is_hard: bool = False) -> bool:
    """Store what a report says of one recipient, and keep mail from whom it says must get none.

    Call it for reports that are proven to be about ``email``, and those alone: anybody can
    write one. ``is_hard`` says of a bounce that the address is at fault for good; of others
    several rest it for a while (:mod:`delivery.soft_bounces`). Their ``data`` says ``bounce_type``
    (``hard`` or ``soft``) and, where it is known, ``status_code``. A test message changes, but
    suppresses nobody.

    Raises:
        Conflict: the message is being sent at this moment; ask again.
    """
    is_news = afterwards.note(email, report)
    if not is_news or email.mode != Mode.LIVE:
        return is_news
    if reason := _reason_of(report, is_hard=is_hard):
        Suppression.objects.enter(
            normalized(Address(report.recipient)),
            tenant=email.tenant,
            topic="",
            reason=reason,
            source=email,
        )
    elif report.kind == EventType.BOUNCED and soft_bounces.is_about_mailbox(report.data):
        soft_bounces.rest_if_needed(email, recipient=report.recipient, at=report.at)
    return is_news


def messages_named_in(texts: Iterable[str]) -> list[uuid.UUID]:
    """Return the tracking ids that genuine return paths in ``texts`` name."""
    return return_paths.named_in(texts)


def is_stopping() -> bool:
    """Tell whether this worker was asked to stop, so that long work should come to an end."""
    return stopping.is_asked()


def _reason_of(report: Report, *, is_hard: bool) -> str:
    if report.kind == EventType.COMPLAINED:
        return SuppressionReason.COMPLAINT
    is_bad_address = report.kind == EventType.BOUNCED and is_hard
    return SuppressionReason.HARD_BOUNCE if is_bad_address else ""


def subscribe_again(email: EmailLog) -> None:
    """Take back an unsubscription of the message's topic; other reasons stay in force."""
    Suppression.objects.for_tenant(email.tenant).filter(
        address=recipient_of(email),
        topic=left_topic(email),
        reason=SuppressionReason.UNSUBSCRIBED,
    ).delete()


def suppression_of(email: EmailLog) -> Suppression | None:
    """Return the widest entry that keeps mail on the message's topic from its recipient."""
    key = recipient_of(email)
    found = Suppression.objects.widest(
        [key], tenant=email.tenant, topics=[left_topic(email)], at=timezone.now()
    )
    return found.get(key)


def left_topic(email: EmailLog) -> str:
    """Return what unsubscribing by the message stops: its topic, never all mail."""
    return email.topic or BULK_TOPIC


def recipient_of(email: EmailLog) -> str:
    return normalized(Address(email.to_address))
