"""When an address that keeps bouncing, though it may exist, is left in peace for a while.

Three days on which mail to it came back within thirty, and nothing in between that says it works,
rest it for thirty days. Days, not messages: a full mailbox may bounce a dozen in one evening.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from common.addresses import Address, normalized
from delivery.models import Suppression, SuppressionReason
from logs.models import EmailEvent, EmailLog, EmailStatus, EventType
from tenants.models import Mode, Tenant

WINDOW = timedelta(days=30)
REST = timedelta(days=30)
BAD_DAYS = 3
LOOKED_AT = 300
"""Messages to the address that are looked at, the newest first."""
REPORTED_WITHIN = timedelta(days=5)
"""Servers give up, and say so, within this time (RFC 5321 section 4.5.4.1)."""

# Enhanced codes (RFC 3463) that are about the message, its sender or us: none of them says
# anything about the mailbox, and a provider that blocks us must not rest all of its users.
_NOT_ABOUT_MAILBOX = re.compile(r"[245]\.(2\.3|[3567]\.\d{1,3})")
_MAILBOX_OR_ROUTE = re.compile(r"[45]\.[24]\.\d{1,3}")


def rest_if_needed(email: EmailLog, *, recipient: str, at: datetime) -> bool:
    """Suppress the recipient of a soft bounce for a while if it is one too many.

    Call it inside the transaction that stored the bounce. Only messages addressed to the
    recipient count, not copies.
    """
    if len(_bad_days(recipient, tenant=email.tenant, at=at)) < BAD_DAYS:
        return False
    _, is_new = Suppression.objects.enter(
        normalized(Address(recipient)),
        tenant=email.tenant,
        topic="",
        reason=SuppressionReason.SOFT_BOUNCES,
        source=email,
        expires_at=at + REST,
    )
    return is_new


def is_about_mailbox(data: Mapping[str, Any]) -> bool:
    """Tell whether a bounce's event says that its mailbox did not take mail for now.

    A later report says ``bounce_type`` itself; a refusal at SMTP time has to name the mailbox,
    or the way to it, by its enhanced code.
    """
    code = str(data.get("status_code") or data.get("enhanced_code") or "")
    if _NOT_ABOUT_MAILBOX.fullmatch(code):
        return False
    if "smtp_code" in data:
        return _MAILBOX_OR_ROUTE.fullmatch(code) is not None
    return data.get("bounce_type") == "soft"


def _bad_days(recipient: str, *, tenant: Tenant, at: datetime) -> set[object]:
    """Return the days (UTC) of the soft bounces since the last sign of life."""
    bounced = list(_bounced(recipient, tenant=tenant, at=at))
    events = EmailEvent.objects.filter(email__in=bounced, type=EventType.BOUNCED)
    return {
        day.date()
        for day, data in events.values_list("at", "data")
        if day > at - WINDOW
        and data.get("recipient", recipient) == recipient
        and is_about_mailbox(data)
    }


def _bounced(recipient: str, *, tenant: Tenant, at: datetime) -> Iterator[int]:
    rows = EmailLog.objects.for_tenant(tenant).filter(to_address=recipient).order_by("-id")
    names = "queued_at", "mode", "status", "sent_at", "opens_count", "clicks_count"
    for email in rows.only(*names)[:LOOKED_AT]:
        if email.queued_at <= at - WINDOW - REPORTED_WITHIN:
            return
        if email.mode != Mode.LIVE:
            continue
        if _is_sign_of_life(email, at=at):
            return
        if email.status == EmailStatus.BOUNCED:
            yield email.pk


def _is_sign_of_life(email: EmailLog, *, at: datetime) -> bool:
    """Tell whether the message arrived: reported, read by a person, or never heard of again."""
    if email.status == EmailStatus.SENT:
        is_quiet = email.sent_at is not None and email.sent_at < at - REPORTED_WITHIN
        return is_quiet or bool(email.opens_count or email.clicks_count)
    return email.status == EmailStatus.DELIVERED
