"""Which message of ours a mail belongs to, and which conversation."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence

from inbox.models import InboundEmail
from inbox.reading import Mail
from inbox.reports import Affected, Report
from logs.models import EmailLog
from tenants.models import Tenant

MAX_IDS = 50
_OURS = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^<>\s]{1,255}>")


def digest_of(message_id: str) -> str:
    """Return the key under which a Message-ID is found; empty for none."""
    return hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest() if message_id else ""


def message_named(message_ids: Sequence[str], *, tenant: Tenant) -> EmailLog | None:
    """Return the tenant's message whose Message-ID comes first in ``message_ids``."""
    named: dict[uuid.UUID, str] = {}
    for message_id in message_ids[:MAX_IDS]:
        if ours := _OURS.fullmatch(message_id):
            named.setdefault(uuid.UUID(ours[1]), message_id)
    if not named:
        return None
    rows = EmailLog.objects.for_tenant(tenant).filter(tracking_id__in=named)
    found = {row.tracking_id: row for row in rows.select_related("content").without_variables()}
    for tracking_id, message_id in named.items():
        email = found.get(tracking_id)
        if email and email.smtp_message_id == message_id:
            return email
    return None


def reported(report: Report, *, tenant: Tenant) -> tuple[EmailLog | None, Affected | None]:
    """Return the message and the recipient that a report is about.

    Anybody can write a report, so it must name our Message-ID *and* somebody the message went to
    by it. A complaint may leave the recipient out: then the message has only one.
    """
    email = message_named(report.message_ids, tenant=tenant)
    first = report.affected[0] if report.affected else None
    if email is None:
        return None, first
    everyone = [email.to_address, *email.cc_addresses, *email.bcc_addresses]
    recipients = {one.casefold(): one for one in everyone}
    for affected in report.affected:
        for address in affected.addresses:
            if address.casefold() in recipients:
                own = recipients[address.casefold()]
                return email, Affected((own,), affected.status_code, affected.bounce_type)
    if report.is_complaint and first is None and len(recipients) == 1:
        return email, Affected((email.to_address,))
    return None, first


def thread_of(mail: Mail, *, tenant: Tenant, email: EmailLog | None) -> str:
    """Return the key of the mail's conversation.

    That of a mail that it answers, directly or through our message; else one made of the oldest
    message it names, so that two answers to the same one meet.
    """
    named = [*mail.answered_ids]
    if email is not None:
        named += _named_by(email)
    if named:
        digests = [digest_of(one) for one in named[:MAX_IDS]]
        earlier = InboundEmail.objects.for_tenant(tenant).filter(message_id_digest__in=digests)
        if key := earlier.order_by("id").values_list("thread_key", flat=True).first():
            return key
    oldest = next(iter(mail.references), mail.in_reply_to) or mail.message_id
    return digest_of(oldest)[:32] or uuid.uuid4().hex


def _named_by(email: EmailLog) -> list[str]:
    """Return the message ids that a message of ours answers."""
    headers = {str(name).lower(): str(value) for name, value in email.content.headers}
    return f"{headers.get('in-reply-to', '')} {headers.get('references', '')}".split()
