"""Reports about mail that was sent before: delivery status (RFC 3464) and abuse (RFC 5965).

What mail servers say in prose instead is read in :mod:`inbox.prose`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inbox import mime, words
from inbox.kinds import BounceType, Kind
from inbox.mime import Headers, Part
from inbox.reading import Mail

MAX_STATUS_BYTES = 256 * 1024
MAX_RECIPIENTS = 1000
MAX_REASON = 500

STATUS_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_BLANK_LINES = re.compile(r"\n[ \t]*\n")
_UNTYPED = re.compile(r"\s*(?:[a-z0-9-]{1,30}\s*;)?\s*", re.IGNORECASE)
_GENERIC = re.compile(r"[45]\.0\.0|[45]\.1\.0|[45]\.5\.0")
# Enhanced codes (RFC 3463) of addresses that no mail will reach: bad ones and switched-off ones.
_HARD_CODES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.1"})
_FULL = re.compile(r"\bfull\b|quota|exceed\w{0,4} (its |the )?(storage|size)", re.IGNORECASE)
_PASSING = re.compile(
    r"\bfull\b|quota|storage|too (large|big|long)|size (limit|exceed)|\bspam|\bblock|black.?list"
    r"|denied|polic|reputation|gr[ae]y.?list|temporar|try (again|later)|timed? ?out|\brate\b"
    r"|too many|unsolicited|virus|\bloop|not accepting (mail|messages)|does not accept mail from"
    r"|not (been )?collected|spf\b|dkim|dmarc|unable to connect|connection refused",
    re.IGNORECASE,
)
_ADDRESS = (
    r"(user|recipient|addressee|mail ?box|(e-?mail )?address|account|domain|host|person"
    r"|local part|userid)"
)
_NO_SUCH_ADDRESS = re.compile(
    rf"\b{_ADDRESS}( name)?( is| was| has been)?( currently)? (unknown|invalid|unavailable|inactive"
    r"|disabled|deactivated|discontinued|terminated|closed|rejected|not (found|known|valid|listed"
    r"|recogni[sz]ed|exist\w*|available))"
    rf"|\b(unknown|invalid|no such|nonexistent|non-existent|inactive|disabled|bad) "
    rf"((local|destination|final|delivery|virtual|smtp|recipient) ){{0,2}}{_ADDRESS}"
    r"|does(n't| not) exist|do(es)?(n't| not) have an? .{0,60}account|no mailbox (here )?by that"
    r"|could(n't| ?not) (be found|find (any host|the (user|recipient|address|domain)))"
    r"|wasn't found|no matches to|(recipient )?name is not recogni"
    r"|not (listed|found) in .{0,30}director|is not .{0,20}e-?mail users?|not e-?mail user"
    r"|(is )?not an? (valid|known|existing) (user|mailbox|recipient|address|account)"
    r"|no longer (available|valid|in use|active|works|at this|employed)|not our customer"
    r"|host or domain name not found|unrouteable address|no valid (recipients|hosts)|no such person"
    r"|does not have a final e-?mail delivery point|did not exactly match|(is|was) closed"
    r"|n'existe pas|n[ãa]o existe|no existe|existiert nicht|\binconnue?\b|desconhecid[ao]"
    r"|desconocid[ao]|unbekannt|non esiste|sconosciut[ao]|не найден|не существует|invalid mailbox"
    r"|見つかりません|存在しません|リストにありません|不存在",
    re.IGNORECASE,
)
_REFUSED_RECIPIENT = re.compile(r"recipient address rejected: access denied", re.IGNORECASE)
_COMPLAINT_SUBJECT = re.compile(r"complaint about message from [0-9a-f.:]{3,45}", re.IGNORECASE)
_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "opt-out", "other", "miscategorized", ""})
_ACTIONS = {
    "failed": Kind.BOUNCE,
    "delayed": Kind.DELAYED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.DELIVERED,
    "expanded": Kind.DELIVERED,
}
_GRAVEST_FIRST = (Kind.BOUNCE, Kind.DELAYED, Kind.DELIVERED)


@dataclass(frozen=True)
class Affected:
    """A recipient of the earlier message, by every address it is called; what became of it.

    ``addresses`` is empty where the report does not say who; ``reason`` are the words of the
    server that refused.
    """

    addresses: tuple[str, ...]
    status_code: str = ""
    bounce_type: BounceType | None = None
    kind: Kind = Kind.BOUNCE
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What a report says, and the Message-IDs by which it may name the earlier message.

    ``kind`` is the gravest thing it says; ``affected`` has all, the gravest first.
    """

    kind: Kind
    affected: tuple[Affected, ...] = ()
    message_ids: tuple[str, ...] = ()

    @property
    def is_complaint(self) -> bool:
        return self.kind is Kind.COMPLAINT


def read_report(mail: Mail) -> Report | None:
    """Return the report that ``mail`` is by its MIME structure, or None."""
    for part in mail.root.walk():
        if part.content_type in ("message/delivery-status", "message/global-delivery-status"):
            return _delivery_report(mail, part)
        if part.content_type == "message/feedback-report":
            return _feedback_report(mail, part)
        if part is not mail.root and part.content_type == "message/rfc822":
            break  # what is attached to a mail does not say what the mail is
    return _complaint_of_microsoft(mail)


def read_attached_report(mail: Mail) -> Report | None:
    """Return the report in a mail that ``mail`` carries: a gateway may wrap it in its own words."""
    for part in mail.root.walk():
        if part.content_type == "message/delivery-status":
            return _delivery_report(mail, part)
    return None


def is_report(root: Part) -> bool:
    """Tell whether the mail says of itself that it reports on another: also read receipts."""
    return root.content_type == "multipart/report" or any(
        part.content_type in ("message/disposition-notification", "message/feedback-report")
        for part in root.parts
    )


def returned_ids(mail: Mail) -> tuple[str, ...]:
    """Return the Message-IDs of the messages that ``mail`` gives back or answers."""
    found: list[str] = []
    for head in _returned_heads(mail.root):
        found += words.message_ids(head.get("Message-ID"))
    return tuple(dict.fromkeys([*found, *mail.answered_ids]))[: words.MAX_IDS]


def bounce_type(status_code: str, text: str) -> BounceType:
    """Return whether a failure is the address' fault for good, in case of doubt that it is not."""
    if status_code.startswith("4"):
        return BounceType.SOFT
    if status_code == "5.4.1" and _REFUSED_RECIPIENT.search(text):  # how Exchange Online says it
        return BounceType.HARD
    if status_code in _HARD_CODES and not _FULL.search(text):
        return BounceType.HARD
    if _NO_SUCH_ADDRESS.search(text) and not _PASSING.search(text):
        return BounceType.HARD
    return BounceType.SOFT


def is_specific(status_code: str) -> bool:
    """Tell whether the code says more than that it failed."""
    return bool(status_code) and not _GENERIC.fullmatch(status_code)


def telling_part(text: str) -> re.Match[str] | None:
    """Return where ``text`` says in words why it failed."""
    found = (pattern.search(text) for pattern in (_NO_SUCH_ADDRESS, _FULL, _PASSING))
    return next(filter(None, found), None)


def code_in(status: str, text: str) -> str:
    """Return the enhanced code of ``status``, or a more telling one of its class in ``text``."""
    stated = STATUS_CODE.search(status)
    if stated and not _GENERIC.fullmatch(stated[1]):
        return stated[1]
    for found in STATUS_CODE.findall(text):
        if not _GENERIC.fullmatch(found) and (not stated or found[0] == stated[1][0]):
            code: str = found
            return code
    return stated[1] if stated else ""


def reason_in(diagnosis: str) -> str:
    """Return a Diagnostic-Code's text, without its type and on one line."""
    return words.one_line(_UNTYPED.sub("", diagnosis, count=1))[:MAX_REASON]


def _returned_heads(root: Part) -> Iterator[Headers]:
    for part in root.parts:
        if part.content_type in ("text/rfc822-headers", "message/global-headers"):
            yield part.head(most=mime.MAX_HEADER_BYTES)
        elif part.content_type in ("message/rfc822", "message/global"):
            yield from (inner.headers for inner in part.parts)
        else:
            yield from _returned_heads(part)


def _delivery_report(mail: Mail, part: Part) -> Report:
    affected: list[Affected] = []
    for group in _groups(part)[: MAX_RECIPIENTS + 1]:
        addresses = _addresses(group, "Original-Recipient", "Final-Recipient")
        status, diagnosis = group.get("Status"), group.get("Diagnostic-Code")
        if not addresses and not status:
            continue
        code = code_in(status, diagnosis)
        kind = _ACTIONS.get(group.get("Action").strip().lower()) or _kind_by_code(code)
        how = bounce_type(code, diagnosis) if kind is Kind.BOUNCE else None
        affected.append(Affected(addresses, code, how, kind, reason_in(diagnosis)))
    affected.sort(key=lambda one: _GRAVEST_FIRST.index(one.kind))
    kind = affected[0].kind if affected else Kind.BOUNCE
    return Report(kind, tuple(affected), returned_ids(mail))


def _groups(part: Part) -> list[Headers]:
    """Return the fields of the report and then of each recipient; a blank line parts them."""
    if part.parts:  # some parsers and servers make the groups parts
        return [inner.headers for inner in part.parts]
    text = part.text(most=MAX_STATUS_BYTES)
    try:
        return [mime.headers_of(group) for group in _BLANK_LINES.split(text.strip())]
    except mime.Unsafe:
        return []


def _kind_by_code(code: str) -> Kind:
    return {"2": Kind.DELIVERED, "4": Kind.DELAYED}.get(code[:1], Kind.BOUNCE)


def _feedback_report(mail: Mail, part: Part) -> Report | None:
    """Return a complaint; None for reports of other types, such as failed authentication."""
    groups = _groups(part)
    fields = groups[0] if groups else Headers()
    if fields.get("Feedback-Type").strip().lower() not in _COMPLAINTS:
        return None
    addresses = _addresses(fields, "Original-Rcpt-To", "Removal-Recipient")
    for head in () if addresses else _returned_heads(mail.root):
        addresses = tuple(address for address, _name in words.address_list(head.get("To")))
    affected = (Affected(addresses, kind=Kind.COMPLAINT),) if addresses else ()
    return Report(Kind.COMPLAINT, affected, returned_ids(mail))


def envelope_senders(mail: Mail) -> list[str]:
    """Return what ``mail`` says of the envelope sender of the messages that it gives back."""
    found = []
    for head in _returned_heads(mail.root):
        found += [*head.all("Return-Path"), *head.all("X-Original-Return-Path")]
    for part in mail.root.walk():
        if part.content_type == "message/feedback-report":
            found += [value for group in _groups(part) for value in group.all("Original-Mail-From")]
    return found


def _complaint_of_microsoft(mail: Mail) -> Report | None:
    """Return a complaint in the form of Outlook.com's programme, which is not RFC 5965."""
    if not _COMPLAINT_SUBJECT.match(mail.subject):
        return None
    for head in _returned_heads(mail.root):
        if addresses := _addresses(head, "X-HmXmrOriginalRecipient"):
            affected = (Affected(addresses, kind=Kind.COMPLAINT),)
            return Report(Kind.COMPLAINT, affected, returned_ids(mail))
    return None


def _addresses(fields: Headers, *names: str) -> tuple[str, ...]:
    """Return the addresses in fields such as ``rfc822; ana@example.com``."""
    found: list[str] = []
    for name in names:
        for value in fields.all(name)[:MAX_RECIPIENTS]:
            listed = words.address_list(_UNTYPED.sub("", value, count=1))
            found += [address for address, _name in listed[:1]]
    return tuple(dict.fromkeys(found))
