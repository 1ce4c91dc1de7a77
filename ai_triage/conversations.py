"""The conversation of a mail: what its answer refers to, and whether one went out already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ai_triage.models import TriageResult, TriageResultQuerySet
from ai_triage.texts import bare_subject
from common.addresses import parse_address
from common.errors import Refused
from domains.models import Domain
from inbox import automatic
from inbox.kinds import Kind
from inbox.mime import Headers
from inbox.models import InboundEmail, InboundEmailQuerySet
from inbox.services import is_own
from inbox.words import address_list
from logs.models import EmailLog, EmailStatus

MOST_LOOKED_AT = 50
# A header holds 2,000 characters; encoded words would not be read as ids.
LONGEST_REFERENCES = 1900
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,248}>")
_NEVER_SENT = [EmailStatus.CANCELLED, EmailStatus.FAILED, EmailStatus.BOUNCED]


@dataclass(frozen=True)
class Answered:
    """An answer of ours to the conversation; ``email`` None: one that went past us."""

    key: str
    at: datetime
    email: EmailLog | None = None


# Whom an answer goes to, and what it refers to


def sender_of(result: TriageResult) -> tuple[str, str]:
    """Return the address that an answer goes to, and the name: From, and nobody else.

    Only where nobody reads what is sent to From (a contact form's mail, from ``no-reply@`` or an
    account of ours) is it Reply-To. Otherwise that is left aside: anybody can write one, and our
    answer may tell what only the sender may know.
    """
    named = address_list(header(result.headers, "Reply-To"))
    if named and not _is_read(result.from_address):
        return named[0]
    return result.from_address, result.from_name


def _is_read(address: str) -> bool:
    why = automatic.why_never(
        Headers(()), kind=Kind.HUMAN, subject="", senders=[address], is_own=is_own({address})
    )
    return why is None


def threading_headers(result: TriageResult) -> dict[str, str]:
    """Return In-Reply-To and References (RFC 5322 section 3.6.4); none without a Message-ID."""
    message_id, references = _named(result)
    if message_id is None:
        return {}
    ids = [*dict.fromkeys(one for one in references if one != message_id), message_id]
    return {"In-Reply-To": message_id, "References": " ".join(_bounded(ids))}


def _named(result: TriageResult) -> tuple[str | None, list[str]]:
    """Return the mail's own id and those it refers to, only such as are fit to be written."""
    if result.inbound is not None:
        mail = result.inbound
        own, named, parent = mail.message_id, " ".join(mail.references), mail.in_reply_to
    else:
        own, named, parent = (
            header(result.headers, name) for name in ("Message-ID", "References", "In-Reply-To")
        )
    ids = _ids(own)
    return (ids[0] if ids else None), (_ids(named) or _ids(parent)[:1])


def header(headers: Mapping[str, object], name: str) -> str:
    """Return a header of a mail as it was handed in; its name in any letter case."""
    found = (value for key, value in headers.items() if key.lower() == name.lower())
    value = next(found, "")
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _ids(text: str) -> list[str]:
    return [one for one in _MESSAGE_ID.findall(text[:200_000]) if "=?" not in one]


def _bounded(ids: list[str]) -> list[str]:
    """Keep the first, which names the conversation, and the last ones that there is room for."""
    first, *others = ids
    room, kept = LONGEST_REFERENCES - len(first), []
    for one in reversed(others):
        room -= len(one) + 1
        if room < 0:
            break
        kept.append(one)
    return [first, *reversed(kept)]


def addressed(result: TriageResult) -> Iterator[str]:
    """Yield whom the mail names as its recipients, in lower case and without ``+tag``."""
    mail = result.inbound
    for text in [result.to_address, *([*mail.to_addresses, *mail.cc_addresses] if mail else [])]:
        try:
            address = parse_address(text, attr="to")
        except Refused:
            continue
        yield address.addr_spec.lower()
        yield f"{address.local_part.partition('+')[0]}@{address.domain}".lower()


# Whether one went out already


def others(result: TriageResult) -> TriageResultQuerySet:
    """Return the conversation's other mails."""
    rows = TriageResult.objects.for_tenant(result.tenant).filter(mode=result.mode)
    if not result.thread_id:
        return rows.none()
    return rows.filter(thread_id=result.thread_id).exclude(pk=result.pk)


def latest_answer(result: TriageResult) -> Answered | None:
    """Return the last answer of ours to the conversation since this mail came, or None."""
    found = [*_answers_to_others(result), *_messages(result), *_by_colleagues(result)]
    return max(found, key=lambda one: one.at, default=None)


def _answers_to_others(result: TriageResult) -> Iterator[Answered]:
    rows = others(result).filter(responded_at__gte=result.received_at)
    for other in rows.select_related("response").order_by("-responded_at")[:1]:
        if other.responded_at is not None:
            key = str(other.response.tracking_id) if other.response else f"triage {other.pk}"
            yield Answered(key=key, at=other.responded_at, email=other.response)


def _messages(result: TriageResult) -> Iterator[Answered]:
    """Yield our messages to the sender that name the conversation or bear its subject."""
    address, _name = sender_of(result)
    rows = EmailLog.objects.for_tenant(result.tenant).filter(
        to_address__in={address, address.lower()},
        mode=result.mode,
        queued_at__gte=result.received_at,
    )
    rows = rows.exclude(status__in=_NEVER_SENT).exclude(pk=result.response_id or 0)
    ids, subject = _ids_of_conversation(result), bare_subject(result.subject)
    for email in rows.select_related("content").order_by("-pk")[:MOST_LOOKED_AT]:
        is_named = not ids.isdisjoint(_ids_named_by(email.content.headers))
        if is_named or (subject and bare_subject(email.subject) == subject):
            yield Answered(key=str(email.tracking_id), at=email.queued_at, email=email)


def _ids_of_conversation(result: TriageResult) -> set[str]:
    own, _references = _named(result)
    ids = {own} if own else set()
    if result.inbound is None:
        return ids
    rows = _inbound_of(result, result.inbound).order_by("-pk")[:MOST_LOOKED_AT]
    return ids | {one for one in rows.values_list("message_id", flat=True) if one}


def _ids_named_by(headers: Iterable[Iterable[str]]) -> set[str]:
    named = {str(name).lower(): str(value) for name, value in headers}
    return {*_ids(named.get("in-reply-to", "")), *_ids(named.get("references", ""))}


def _by_colleagues(result: TriageResult) -> Iterator[Answered]:
    """Yield mails that people of the tenant wrote in the conversation past us."""
    if result.inbound is None:
        return
    domains = set(Domain.objects.filter(tenant=result.tenant).values_list("name", flat=True))
    rows = _inbound_of(result, result.inbound).filter(pk__gt=result.inbound.pk).order_by("-pk")
    for mail in rows.only("public_id", "from_address", "received_at")[:MOST_LOOKED_AT]:
        if mail.from_address.rpartition("@")[2].lower() in domains:
            yield Answered(key=f"inbound {mail.public_id}", at=mail.received_at)


def _inbound_of(result: TriageResult, mail: InboundEmail) -> InboundEmailQuerySet:
    rows = InboundEmail.objects.for_tenant(result.tenant).filter(mode=result.mode)
    return rows.filter(thread_key=mail.thread_key) if mail.thread_key else rows.none()
