"""Which message of ours a mail belongs to, and which conversation."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import QuerySet

from delivery.services import messages_named_in
from inbox import reports
from inbox.models import InboundEmail
from inbox.reading import Mail
from inbox.reports import Affected, Report
from logs.models import EmailLog
from tenants.models import Tenant

MAX_IDS = 50
MAX_TEXTS = 60
MAX_TEXT = 2000
MOST_LATEST = 20
REPORTED_WITHIN = timedelta(days=5)  # as long as servers try (RFC 5321 section 4.5.4.1)
_WENT_TO = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Delivered-To",
    "Apparently-To",
    "To",
    "Received",
)
_OURS = re.compile(r"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@[^<>\s]{1,255}>")


@dataclass(frozen=True)
class Match:
    """The message that a report belongs to, whom to show, and what it proves of whom.

    The addresses in ``proven`` are spelt as in the message's envelope.
    """

    email: EmailLog | None
    shown: Affected | None
    proven: tuple[Affected, ...] = ()


def digest_of(message_id: str) -> str:
    """Return the key under which a Message-ID is found; empty for none."""
    return hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest() if message_id else ""


def message_named(message_ids: Sequence[str], *, tenant: Tenant, mode: str) -> EmailLog | None:
    """Return the tenant's message whose Message-ID comes first in ``message_ids``."""
    named: dict[uuid.UUID, str] = {}
    for message_id in message_ids[:MAX_IDS]:
        if ours := _OURS.fullmatch(message_id):
            named.setdefault(uuid.UUID(ours[1]), message_id)
    if not named:
        return None
    rows = _messages(tenant, mode).filter(tracking_id__in=named)
    found = {row.tracking_id: row for row in rows}
    for tracking_id, message_id in named.items():
        email = found.get(tracking_id)
        if email and email.smtp_message_id == message_id:
            return email
    return None


def message_by_token(mail: Mail, *, tenant: Tenant, mode: str) -> EmailLog | None:
    """Return the message whose signed return path the mail came to, or gives back."""
    named = messages_named_in(_return_paths(mail))
    return _messages(tenant, mode).filter(tracking_id__in=named).first() if named else None


def match(report: Report, *, mail: Mail, tenant: Tenant, mode: str, at: datetime) -> Match:
    """Return the message and the recipients that a report is about.

    Anybody can write a report. It proves something where it came to a return path that we signed,
    or names our Message-ID, *and* names somebody whom that message went to. The recipient may be
    left out where the message has only one, of complaints and of what came to a signed path.
    Without proof, the latest message to the recipient is only shown beside the report.
    """
    by_token = message_by_token(mail, tenant=tenant, mode=mode)
    email = by_token or message_named(report.message_ids, tenant=tenant, mode=mode)
    first = report.affected[0] if report.affected else None
    if email is not None:
        proven = _named_recipients(report, email)
        if not proven and (by_token or report.is_complaint):
            proven = _only_recipient(report, email)
        if proven:
            return Match(email, proven[0], tuple(proven))
    if by_token is None and first is not None:
        by_token = _latest_to(first.addresses, tenant=tenant, mode=mode, at=at)
    return Match(by_token, first)


def _named_recipients(report: Report, email: EmailLog) -> list[Affected]:
    """Return what the report says of recipients of ``email``, each once, as we spell it."""
    recipients = {one.casefold(): one for one in _everyone(email)}
    found: dict[str, Affected] = {}
    for affected in report.affected:
        for address in affected.addresses:
            if own := recipients.get(address.casefold()):
                found.setdefault(own, replace(affected, addresses=(own,)))
                break
    return list(found.values())


def _only_recipient(report: Report, email: EmailLog) -> list[Affected]:
    """Return the message's one recipient, where the report names nobody at all."""
    if any(affected.addresses for affected in report.affected) or len(_everyone(email)) != 1:
        return []
    said = report.affected[0] if report.affected else Affected((), kind=report.kind)
    return [replace(said, addresses=(email.to_address,))]


def _everyone(email: EmailLog) -> list[str]:
    return [email.to_address, *email.cc_addresses, *email.bcc_addresses]


def _return_paths(mail: Mail) -> list[str]:
    """Return the fields in which mail servers note where a mail went, or had come from."""
    texts = [value for name in _WENT_TO for value in mail.headers.all(name)]
    texts += reports.envelope_senders(mail)
    return [text[:MAX_TEXT] for text in texts[:MAX_TEXTS]]


def _latest_to(
    addresses: Sequence[str], *, tenant: Tenant, mode: str, at: datetime
) -> EmailLog | None:
    """Return the last of the messages to these addresses that a report at ``at`` may be about."""
    spellings = {spelling for one in addresses for spelling in (one, one.lower())}
    if not spellings:
        return None
    latest = _messages(tenant, mode).filter(to_address__in=spellings).order_by("-id")[:MOST_LATEST]
    since = at - REPORTED_WITHIN
    return next((one for one in latest if one.sent_at and since <= one.sent_at <= at), None)


def _messages(tenant: Tenant, mode: str) -> QuerySet[EmailLog]:
    rows = EmailLog.objects.for_tenant(tenant).filter(mode=mode)
    return rows.select_related("content").without_variables()


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
