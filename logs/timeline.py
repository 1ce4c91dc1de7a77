"""A message's history in words: what happened, why, and what the servers said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from common.smtp import in_words
from logs.models import EmailEvent, EmailLog, EmailStatus, EventType
from tenants.models import Mode

Text = str | Promise
INSTANT = "j M Y, H:i:s"

TITLES: dict[str, Text] = {
    EventType.QUEUED: pgettext_lazy("history of a message", "Accepted"),
    EventType.SENDING: pgettext_lazy("history of a message", "Handed to the mail server"),
    EventType.SENT: pgettext_lazy("history of a message", "Taken by the mail server"),
    EventType.DEFERRED: pgettext_lazy("history of a message", "Not taken yet: it is tried again"),
    EventType.DELIVERED: pgettext_lazy("history of a message", "Delivered to the mailbox"),
    EventType.FAILED: pgettext_lazy("history of a message", "Failed for good"),
    EventType.BOUNCED: pgettext_lazy("history of a message", "Refused for good: it bounced"),
    EventType.COMPLAINED: pgettext_lazy("history of a message", "Reported as spam"),
    EventType.OPENED: pgettext_lazy("history of a message", "Opened"),
    EventType.CLICKED: pgettext_lazy("history of a message", "Link followed"),
    EventType.UNSUBSCRIBED: pgettext_lazy("history of a message", "Unsubscribed"),
    EventType.CANCELLED: pgettext_lazy("history of a message", "Cancelled"),
}
TONES: dict[str, str] = {
    EventType.SENT: "good",
    EventType.DELIVERED: "good",
    EventType.DEFERRED: "warning",
    EventType.FAILED: "bad",
    EventType.BOUNCED: "bad",
    EventType.COMPLAINED: "bad",
    EventType.UNSUBSCRIBED: "warning",
    EventType.CANCELLED: "warning",
}
REASONS: dict[str, Text] = {
    "suppressed": gettext_lazy("The recipient must not be mailed."),
    "expired": gettext_lazy("It was tried for five days without success."),
    "outcome_unknown": gettext_lazy(
        "The connection broke while the message went out; nobody knows whether it was taken."
    ),
    "test_mode": gettext_lazy("A test message: it was kept here and went nowhere."),
    "refused_at_mail": gettext_lazy("The server refused the sender."),
    "refused_at_rcpt": gettext_lazy("The server refused the recipient."),
    "refused_at_data": gettext_lazy("The server refused the message before its content."),
    "refused_at_body": gettext_lazy("The server refused the message after reading it."),
    "bounced": gettext_lazy("A server on the way refused it later."),
    "connection_failed": gettext_lazy("The mail server could not be reached."),
    "bad_credentials": gettext_lazy("The mail server refused the account's user name or password."),
    "auth_unavailable": gettext_lazy("The mail server could not check the account's password."),
    "certificate_invalid": gettext_lazy("The mail server's certificate is not valid."),
    "tls_unavailable": gettext_lazy("The mail server offers no encryption."),
    "plaintext_refused": gettext_lazy("The account may not send without encryption."),
    "eight_bit_unsupported": gettext_lazy("The mail server takes no 8-bit messages."),
    "template_error": gettext_lazy("The template could not be rendered."),
    "too_large": gettext_lazy("The message is too large."),
    "internal_error": gettext_lazy("SendCraft could not handle the message; its log says why."),
}
SUPPRESSED: dict[str, Text] = {
    "hard_bounce": gettext_lazy("mail to this address bounced"),
    "soft_bounces": gettext_lazy("mail to this address bounced several times"),
    "complaint": gettext_lazy("the recipient reported mail as spam"),
    "unsubscribed": gettext_lazy("the recipient unsubscribed"),
    "manual": gettext_lazy("somebody entered the address by hand"),
}
MACHINES: dict[str, Text] = {
    "head": gettext_lazy("asked only whether the link works"),
    "prefetch": gettext_lazy("fetched ahead by a program"),
    "gmail_proxy": gettext_lazy("Gmail's image proxy"),
    "yahoo_proxy": gettext_lazy("Yahoo's image proxy"),
    "apple_privacy": gettext_lazy("Apple Mail's privacy protection"),
    "scanner": gettext_lazy("a link scanner"),
    "bot": gettext_lazy("a crawler or link preview"),
    "many_links": gettext_lazy("several links within a second"),
}
BOUNCES: dict[str, Text] = {
    "hard": gettext_lazy("Hard bounce: the address is at fault for good."),
    "soft": gettext_lazy("Soft bounce: later mail may arrive."),
}
LABELS: dict[str, Text] = {
    "attempt": gettext_lazy("Attempt"),
    "smtp_code": gettext_lazy("SMTP code"),
    "enhanced_code": gettext_lazy("Enhanced status code"),
    "status_code": gettext_lazy("Enhanced status code"),
    "recipient": gettext_lazy("Recipient"),
    "via": gettext_lazy("Over the account"),
    "topic": gettext_lazy("Topic"),
    "url": gettext_lazy("Link"),
    "user_agent": gettext_lazy("Program"),
    "ip_address": gettext_lazy("IP address"),
    "country": gettext_lazy("Country"),
}
TOLD = frozenset(
    {
        "reason", "transcript", "machine", "machine_reason", "bounce_type", "suppression_reason",
        "since", "recipients", "left_out", "inbound_id", "by", "send_at",
    }
)  # fmt: skip
"""Data that stands in a step's sentences, replies, dialogue or link."""
ATTEMPTED = frozenset({EventType.SENT, EventType.DEFERRED, EventType.FAILED, EventType.BOUNCED})


@dataclass(frozen=True)
class Step:
    """One entry: ``replies`` are the servers' words by recipient, None for its only one.

    ``source`` is the address of the page of the mail that told of it.
    """

    kind: str
    at: datetime
    title: Text
    tone: str = "plain"
    who: str = ""
    why: tuple[str, ...] = ()
    facts: tuple[tuple[str, object], ...] = ()
    replies: tuple[tuple[str | None, str], ...] = ()
    source: str = ""
    transcript: tuple[str, ...] = field(default=(), repr=False)


def steps(email: EmailLog, events: Sequence[EmailEvent]) -> list[Step]:
    """Return the history of ``events``, the oldest first, after the message's acceptance."""
    accepted = Step(
        kind=EventType.QUEUED,
        at=email.queued_at,
        title=TITLES[EventType.QUEUED],
        why=tuple(_accepted(email, send_at=_first_send_at(email, events))),
    )
    last = max((one.pk for one in events if _is_attempt(one)), default=None)
    return [accepted, *(_step(email, one, is_last=one.pk == last) for one in events)]


def coming(email: EmailLog) -> str:
    """Return what happens to the message next; empty where nothing does."""
    if email.status == EmailStatus.SENDING:
        return _("It is being sent at this moment.")
    if email.status != EmailStatus.QUEUED or email.next_attempt_at is None:
        return ""
    at = {"at": instant(email.next_attempt_at)}
    if email.retry_count:
        return _("It is tried again on %(at)s.") % at
    return _("It goes out on %(at)s, or as soon as the queue allows.") % at


def why_ended(email: EmailLog) -> str:
    """Return in words why the message failed or waits; empty where nothing is known."""
    return str(REASONS.get(email.error_code, ""))


def instant(at: datetime) -> str:
    """Return the time in words, in the zone that is active."""
    return date_format(localtime(at), INSTANT)


def _first_send_at(email: EmailLog, events: Sequence[EmailEvent]) -> datetime | None:
    """Return for when the message was scheduled before somebody wanted it to go out now."""
    times = (event.data.get("send_at") for event in events if event.type == EventType.QUEUED)
    earlier = next(filter(None, times), None)
    return parse_datetime(str(earlier)) if earlier else email.send_at


def _accepted(email: EmailLog, *, send_at: datetime | None) -> Iterator[str]:
    if email.mode == Mode.TEST:
        yield _("In test mode: nobody gets it.")
    if send_at is not None and send_at > email.queued_at:
        yield _("To be sent on %(at)s.") % {"at": instant(send_at)}


def _step(email: EmailLog, event: EmailEvent, *, is_last: bool) -> Step:
    data: Mapping[str, Any] = event.data
    is_machine = bool(data.get("machine"))
    return Step(
        kind=event.type,
        at=event.at,
        title=_title(event),
        tone="plain" if is_machine else TONES.get(event.type, "plain"),
        who=_who(event, is_machine=is_machine),
        why=tuple(_why(event)),
        facts=tuple(
            (str(LABELS.get(name, name)), value)
            for name, value in data.items()
            if name not in TOLD
            and value not in (None, "")
            and (name, value) != ("recipient", email.to_address)
        ),
        replies=tuple(_replies(email, event, is_last=is_last)),
        source=_source(data),
        transcript=tuple(str(line) for line in data.get("transcript") or ()),
    )


def _source(data: Mapping[str, Any]) -> str:
    """Return the page of the mail that told of the event; its app is found by the name alone."""
    public_id = data.get("inbound_id")
    return reverse("admin:inbox_inboundemail_change", args=[public_id]) if public_id else ""


def _is_attempt(event: EmailEvent) -> bool:
    return event.type in ATTEMPTED and "recipient" not in event.data


def _title(event: EmailEvent) -> Text:
    return _WANTED_NOW if event.type == EventType.QUEUED else TITLES.get(event.type, event.type)


_WANTED_NOW = pgettext_lazy("history of a message", "Told to go out now")


def _who(event: EmailEvent, *, is_machine: bool) -> str:
    if by := event.data.get("by"):
        return pgettext("of a person's act", "by %(name)s") % {"name": by}
    if event.type not in (EventType.OPENED, EventType.CLICKED):
        return ""
    return str(_BY_MACHINE if is_machine else _BY_PERSON)


_BY_MACHINE = pgettext_lazy("of an open or click", "by a machine")
_BY_PERSON = pgettext_lazy("of an open or click", "by a person")


def _why(event: EmailEvent) -> Iterator[str]:
    data = event.data
    if data.get("machine_reason"):
        yield _known(MACHINES, data["machine_reason"])
    if data.get("bounce_type"):
        yield _known(BOUNCES, data["bounce_type"])
    if event.type == EventType.DEFERRED and "recipient" in data:
        yield _("A server on the way still tries to deliver it.")
    if data.get("suppression_reason"):
        yield _suppressed(data)
    elif data.get("reason") and not _is_reply(data):
        yield str(REASONS.get(data["reason"]) or in_words(str(data["reason"])))
    for address, word in _mapping(data.get("left_out")).items():
        yield f"{address}: {_suppressed(_mapping(word))}"


def _suppressed(data: Mapping[str, Any]) -> str:
    """Return why, and since when, mail is kept from the recipient."""
    why = {"why": _known(SUPPRESSED, data.get("suppression_reason") or "")}
    text = _("Mail is kept from the recipient: %(why)s.") % why
    since = parse_datetime(str(data.get("since") or "")) if data.get("since") else None
    return f"{text} {_('Since %(at)s.') % {'at': instant(since)}}" if since else text


def _replies(
    email: EmailLog, event: EmailEvent, *, is_last: bool
) -> Iterator[tuple[str | None, str]]:
    """Yield what the servers said; the last attempt's word stands on the message itself."""
    data = event.data
    if several := _mapping(data.get("recipients")):
        yield from ((to, str(reply)) for to, reply in several.items())
        return
    reason = str(data.get("reason") or "")
    if reason and _is_reply(data):
        yield None, in_words(reason)
    elif is_last and email.smtp_response and data.get("smtp_code"):
        yield None, email.smtp_response


def _is_reply(data: Mapping[str, Any]) -> bool:
    """Tell whether the reason is what a server said, and none of our codes."""
    is_heard = bool(data.get("smtp_code")) or "recipient" in data
    return is_heard and data.get("reason") not in REASONS


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _known(words: Mapping[str, Text], code: object) -> str:
    return str(words.get(str(code), code))
