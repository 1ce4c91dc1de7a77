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
from delivery import return_paths, stopping
from delivery.acceptance import prepare
from delivery.models import Suppression, SuppressionQuerySet, SuppressionReason
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
    entry, is_new = Suppression.objects.enter(
        recipient_of(email),
        tenant=email.tenant,
        topic=email.topic,
        reason=SuppressionReason.UNSUBSCRIBED,
        source=email,
    )
    if is_new:
        afterwards.note_unsubscribed(email, at=timezone.now(), topic=email.topic)
    return entry


@transaction.atomic
def apply_report(email: EmailLog, report: Report, *, is_hard: bool = False) -> bool:
    """Store what a report says of one recipient, and keep mail from whom it says must get none.

    Call it for reports that are proven to be about ``email``, and those alone: anybody can
    write one. ``is_hard`` says of a bounce that the address is at fault for good. A test
    message changes, but suppresses nobody.

    Raises:
        Conflict: the message is being sent at this moment; ask again.
    """
    is_news = afterwards.note(email, report)
    reason = _reason_of(report, is_hard=is_hard)
    if is_news and reason and email.mode == Mode.LIVE:
        Suppression.objects.enter(
            normalized(Address(report.recipient)),
            tenant=email.tenant,
            topic="",
            reason=reason,
            source=email,
        )
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
    unsubscriptions_of(email).delete()


def is_unsubscribed(email: EmailLog) -> bool:
    """Tell whether the recipient could take an unsubscription of the topic back."""
    return unsubscriptions_of(email).exists()


def is_suppressed(email: EmailLog) -> bool:
    """Tell whether the recipient gets no more mail on the topic, for whatever reason."""
    key, topics = recipient_of(email), {email.topic} - {""}
    return key in Suppression.objects.covering(
        [key], tenant=email.tenant, topics=topics, at=timezone.now()
    )


def unsubscriptions_of(email: EmailLog) -> SuppressionQuerySet:
    return Suppression.objects.for_tenant(email.tenant).filter(
        address=recipient_of(email),
        topic=email.topic,
        reason=SuppressionReason.UNSUBSCRIBED,
    )


def recipient_of(email: EmailLog) -> str:
    return normalized(parse_address(email.to_address, attr="to_address"))
