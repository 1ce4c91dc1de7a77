"""Threaded replies to triaged mail, handed to delivery once for each mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import EmailAccount
from ai_triage import conversations
from ai_triage.conversations import Answered
from ai_triage.models import TriageResult, TriageSettings
from ai_triage.own_words import own_words
from ai_triage.texts import one_line, reply_subject
from common.addresses import Address, parse_address
from common.errors import Conflict, Refused
from common.headers import check_headers
from common.text import check_text
from delivery import services as delivery
from delivery.submission import Message, Options, refuse_half_a_message
from logs.models import EmailLog

LONGEST_BODY = 100_000
LONGEST_QUOTE = 20_000
LONGEST_NAME = 200
# Auto-Submitted is RFC 3834's word to other programs; Exchange listens to its own only.
BY_A_PROGRAM = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"}


class ResponseDetails(TypedDict):
    """What became of an answer; ``tracking_id`` is None once the message was purged."""

    tracking_id: str | None
    status: str | None
    from_address: str | None
    responded_at: datetime
    sent_at: datetime | None
    automatic: bool
    error: str | None


@dataclass(frozen=True)
class Reply:
    """What is to be said; ``account`` None: the one that :func:`account_of` finds."""

    body: str
    subject: str = ""
    account: str | int | None = None


def response_details(result: TriageResult) -> ResponseDetails | None:
    """Return what became of the answer, or None while there is none."""
    if result.responded_at is None:
        return None
    email = result.response
    return {
        "tracking_id": str(email.tracking_id) if email else None,
        "status": email.status if email else None,
        "from_address": email.from_address if email else None,
        "responded_at": result.responded_at,
        "sent_at": email.sent_at if email else None,
        "automatic": result.is_automatic,
        "error": (email.error_message or None) if email else None,
    }


def send(
    result: TriageResult,
    reply: Reply,
    *,
    at: datetime,
    by: str,
    known: str = "",
    send_at: datetime | None = None,
) -> EmailLog:
    """Hand a person's answer to delivery and note who sent it; nothing happens by halves.

    ``known`` is the key of an answer of ours that the person has seen beside this mail. Until
    ``send_at`` (None: now) the answer waits and can be taken back.

    Raises:
        Conflict: this mail, or its conversation, was answered meanwhile.
        Refused: every refusal of ``POST /emails/send``.
    """
    if not reply.body.strip():
        raise Refused("There is no text to send.", code="required", attr="body")
    with transaction.atomic():
        lock_replies(result)
        answered = conversations.latest_answer(result)
        if answered is not None and answered.key != known:
            raise already_answered(answered)
        result.settle(responded_at=at, answer_due_at=None, reviewed_at=at, reviewed_by=by[:150])
        return _submit(result, reply, is_automatic=False, send_at=send_at)


def send_automatically(result: TriageResult, reply: Reply, *, at: datetime) -> EmailLog:
    """Hand an answer that no person has seen to delivery, marked as such; see :func:`send`."""
    with transaction.atomic():
        result.settle(responded_at=at, answer_due_at=None, is_automatic=True)
        return _submit(result, reply, is_automatic=True)


def lock_replies(result: TriageResult) -> TriageSettings:
    """Keep the tenant's other replies waiting until the transaction ends: limits hold exactly."""
    TriageSettings.objects.get_or_create(tenant_id=result.tenant_id)
    return TriageSettings.objects.select_for_update().get(tenant_id=result.tenant_id)


def already_answered(answered: Answered) -> Conflict:
    return Conflict(
        f"The conversation was answered at {answered.at:%Y-%m-%d %H:%M} UTC; nothing was sent.",
        code="already_answered",
    )


def _submit(
    result: TriageResult, reply: Reply, *, is_automatic: bool, send_at: datetime | None = None
) -> EmailLog:
    email = delivery.submit(
        message_of(result, reply, is_automatic=is_automatic, send_at=send_at),
        tenant=result.tenant,
        mode=result.mode,
    )
    TriageResult.objects.filter(pk=result.pk).update(response=email)
    result.response = email
    return email


# What is sent


def message_of(
    result: TriageResult, reply: Reply, *, is_automatic: bool, send_at: datetime | None = None
) -> Message:
    """Return the message: plain text, to the mail's sender and to nobody else.

    An automatic one quotes nothing, or a forged sender could make us carry spam to others; and
    its subject is the mail's, not a model's.
    """
    own = reply_subject(result.subject) if is_automatic else subject_of(result)
    subject = reply.subject.strip() or own
    headers = conversations.threading_headers(result)
    headers |= BY_A_PROGRAM if is_automatic else {}
    body = reply.body.replace("\r\n", "\n").strip()[:LONGEST_BODY]
    message = Message(
        to=recipient_of(result),
        from_account=reply.account or account_of(result),
        subject=check_text(subject, "subject"),
        text=body if is_automatic else f"{body}\n\n{quoted(result)}",
        options=Options(
            headers=check_headers(headers, attr="headers"),
            metadata={"email_id": result.email_id},
            send_at=send_at,
            track_opens=False,
            track_clicks=False,
        ),
    )
    refuse_half_a_message(message)
    return message


def subject_of(result: TriageResult) -> str:
    """Return the subject of an answer that a person sees before it goes."""
    return reply_subject(result.suggested_subject or result.subject)


def recipient_of(result: TriageResult) -> Address:
    """Return whom the answer goes to, see :func:`ai_triage.conversations.sender_of`.

    Raises:
        Refused: the mail names no sender that can be written to.
    """
    address, name = conversations.sender_of(result)
    sender = parse_address(address, attr="to_address")
    return Address(sender.addr_spec, one_line(name)[:LONGEST_NAME].strip())


def account_of(result: TriageResult) -> int | None:
    """Return the settings' account of replies, else the one that the mail was written to.

    None leaves it to the tenant's default.
    """
    settings = TriageSettings.objects.filter(tenant_id=result.tenant_id).first()
    if settings and settings.reply_account_id:
        return settings.reply_account_id
    written_to = list(dict.fromkeys(conversations.addressed(result)))
    found = EmailAccount.objects.for_tenant(result.tenant).filter(
        email_address__in=written_to, is_active=True, domain__is_active=True
    )
    by_address = {account.email_address: account.pk for account in found}
    return next((by_address[one] for one in written_to if one in by_address), None)


def quoted(result: TriageResult) -> str:
    """Return the mail as plain text under an answer, introduced in its own language."""
    at = timezone.localtime(result.received_at, result.tenant.zone)
    name = one_line(result.from_name)[:60]
    who = f"{name} <{result.from_address}>" if name else result.from_address
    with translation.override(language_of(result)):
        opening = _("On %(date)s, %(who)s wrote:") % {"date": f"{at:%Y-%m-%d %H:%M}", "who": who}
    text = result.body.replace("\r\n", "\n").strip()
    if len(text) > LONGEST_QUOTE:
        text = f"{text[:LONGEST_QUOTE]}\n[…]"
    lines = [f"> {line}" if line else ">" for line in text.split("\n")]
    return "\n".join([opening, *lines])


def language_of(result: TriageResult) -> str:
    """Return the catalogue for the mail's language, else for its tenant's."""
    for language in (result.language, result.tenant.language):
        try:
            return translation.get_supported_language_variant(language.lower())
        except LookupError:
            continue
    return "en"


def written(result: TriageResult, email: EmailLog) -> str:
    """Return what a person wrote into the answer, exactly: the text above the quoted mail."""
    return email.content.text.removesuffix(f"\n\n{quoted(result)}")


def sent_text(result: TriageResult) -> str:
    """Return what was answered, without the quoted mail; empty where nothing was."""
    return own_words(result.response.content.text) if result.response else ""
