"""Mail that programs sent, and mail that no program may answer: two questions (RFC 3834).

What a mail *is* follows from few, sure signs; whether it may be answered automatically from many,
since an answer too many can start a loop and one too few costs nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from inbox.kinds import Kind, NeverReply
from inbox.mime import Headers
from inbox.reading import Mail
from inbox.reports import is_report

MOST_SERVERS = 25

_REPLY_HEADERS_TEXT = (
    "x-autoreply x-autorespond x-autoresponder x-auto-reply x-autoreply-from x-mail-autoreply "
    "x-auto-respond x-vacation x-mdaemon-autoresponder x-apple-action x-away-reply"
)
_REPLY_HEADERS = frozenset(_REPLY_HEADERS_TEXT.split())
_LIST_HEADERS_TEXT = (
    "list-id list-unsubscribe list-unsubscribe-post list-post list-help list-subscribe list-owner "
    "list-archive mailing-list x-mailing-list x-beenthere x-loop feedback-id x-campaign-id"
)
_LIST_HEADERS = frozenset(_LIST_HEADERS_TEXT.split())
_CHALLENGE_HEADERS_TEXT = (
    "x-tmda-confirm-from x-spamarrest-challenge x-boxbe-challenge x-challenge-response "
    "x-asg-challenge"
)
_CHALLENGE_HEADERS = frozenset(_CHALLENGE_HEADERS_TEXT.split())
_CHALLENGERS = re.compile(
    r"\b(boxbe\.com|spamarrest\.com|antispam\.uol\.com\.br|knowspam\.net|mailblocks\.com)$"
)
_PRECEDENCE = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
# Subjects without accents, in lower case. These say it by themselves …
_AUTOMATIC_SUBJECT = re.compile(
    r"(automatic reply|auto[- ]?reply|auto[- ]?response|auto(matic)? responder|out of (the )?office"
    r"|ooo\b|resposta automatica|mensagem automatica|fora do escritorio|fora da empresa"
    r"|ausencia do escritorio|respuesta automatica|mensaje automatico|fuera de (la )?oficina"
    r"|automatische antwort|abwesenheits(notiz|assistent|meldung)|nicht im buro"
    r"|reponse automatique|absen(ce|t|te) du bureau|message d.absence|risposta automatica"
    r"|fuori (sede|ufficio)|automatisch antwoord|afwezigheid)\b"
)
# … and these only where something else says that no person wrote it.
_LIKELY_SUBJECT = re.compile(
    r"(auto:|away\b|on (annual )?leave\b|on vacation\b|vacation\b|holiday\b|thank you for your "
    r"(e-?mail|message)|we (have )?received your|ausen(te|cia)\b|de ferias\b|ferias\b|em ferias\b"
    r"|recebemos (a|o) (sua|seu|vossa)|obrigado pel[ao]|de vacaciones\b|vacaciones\b"
    r"|hemos recibido|abwesend|abwesenheit\b|ausser haus|im urlaub\b|urlaub\b|absen(ce|t|te)\b"
    r"|en conges?\b|conges?\b)"
)
_CHALLENGE_SUBJECT = re.compile(
    r"(please confirm (your|this|the) (e-?mail|message|delivery|address)"
    r"|confirm (your|this) (message|e-?mail|delivery)|confirmation (is )?(required|needed) (for|to)"
    r"|verif(y|ication) (required|requested)|(e-?mail|sender) verification"
    r"|confirma(r|cao) (o|do|de) (envio|mensagem|e-?mail|remetente)|confirme (o|a) (envio|mensagem)"
    r"|solicitud de confirmacion|challenge\b|\S{1,60} is protected by)"
)
_ROBOT = re.compile(
    r"(no|not?|do|don.?t|nao|ne|sem)[-_.]?(not[-_.]?)?(reply|respond|answer|responda|responder"
    r"|resposta|pas[-_.]?repondre)|noreply.*|no-reply.*|donotreply.*|do-not-reply.*"
    r"|mailer[-_.]?daemon|mail[-_.]?daemon|daemon|postmaster|nobody|bounces?([-+_.].*)?"
    r"|listserv|majordomo|mailman|owner-.*|.*-(request|owner|bounces?|admin-bounces)"
    r"|microsoftexchange[0-9a-f]+|automail.*|autoresponder.*|auto-?reply.*|root"
)


def kind_of(headers: Headers, *, subject: str, sender: str) -> Kind:
    """Return whether a mail that is no report is an automatic reply, a challenge or human."""
    plain_subject = _plain(subject)
    if _is_challenge(headers, plain_subject, sender):
        return Kind.CHALLENGE
    return Kind.AUTO_REPLY if _is_reply(headers, plain_subject) else Kind.HUMAN


def why_never(
    headers: Headers,
    *,
    kind: Kind,
    subject: str,
    senders: Iterable[str],
    is_own: bool = False,
    is_addressed: bool = True,
) -> NeverReply | None:
    """Return why no automatic answer may go to a mail, or None where one may.

    ``senders`` are all addresses an answer could reach: From, Return-Path and Reply-To.
    ``is_own``: one of them is an account's; ``is_addressed``: To or Cc names us.
    """
    by_kind = _NEVER_BY_KIND.get(kind)
    if by_kind:
        return by_kind
    found = _by_headers(headers, _plain(subject))
    if found:
        return found
    addresses = [address for address in senders if address]
    if not addresses:
        return NeverReply.NO_SENDER
    if any(_ROBOT.fullmatch(local_part(address).lower()) for address in addresses):
        return NeverReply.ROBOT_SENDER
    if is_own:
        return NeverReply.OWN_ADDRESS
    return None if is_addressed else NeverReply.NOT_ADDRESSED


def mail_kind(mail: Mail) -> Kind:
    """Return :func:`kind_of` a whole mail; a report of a kind we don't act on is automatic."""
    if is_report(mail.root):
        return Kind.AUTO_REPLY
    return kind_of(mail.headers, subject=mail.subject, sender=mail.from_address)


def null_return_path(mail: Mail) -> bool:
    """Tell whether the envelope's sender is known to be empty, as that of reports is."""
    return mail.return_path == ""


def local_part(address: str) -> str:
    return address.rpartition("@")[0]


_NEVER_BY_KIND: dict[Kind, NeverReply] = {
    Kind.QUARANTINED: NeverReply.QUARANTINED,
    Kind.BOUNCE: NeverReply.REPORT,
    Kind.DELAYED: NeverReply.REPORT,
    Kind.DELIVERED: NeverReply.REPORT,
    Kind.COMPLAINT: NeverReply.REPORT,
    Kind.CHALLENGE: NeverReply.CHALLENGE,
}


def _plain(subject: str) -> str:
    """Return a subject in lower case without accents and without leading brackets."""
    bare = unicodedata.normalize("NFKD", subject[:500].casefold())
    letters = "".join(char for char in bare if not unicodedata.combining(char))
    return re.sub(r"^(\[[^\]]{0,40}\]\s{0,4}|\W){1,10}", "", letters.strip())


def _is_challenge(headers: Headers, plain_subject: str, sender: str) -> bool:
    if headers.names() & _CHALLENGE_HEADERS or "tmda" in headers.get("X-Delivery-Agent").lower():
        return True
    if not _CHALLENGE_SUBJECT.match(plain_subject):
        return False
    is_service = bool(_CHALLENGERS.search(sender.rpartition("@")[2]))
    return is_service or _is_by_a_program(headers)


def _is_reply(headers: Headers, plain_subject: str) -> bool:
    if _auto_submitted(headers) or headers.names() & _REPLY_HEADERS:
        return True
    if "auto" in _precedence(headers) or "autoresponder" in headers.get("Delivered-To").lower():
        return True
    if "autoresponder" in headers.get("X-POST-MessageClass").lower():
        return True
    if _AUTOMATIC_SUBJECT.match(plain_subject):
        return True
    return bool(_LIKELY_SUBJECT.match(plain_subject)) and _is_by_a_program(headers)


def _is_by_a_program(headers: Headers) -> bool:
    """Tell whether headers say so; enough to support another sign, not to be one."""
    has_no_sender = headers.get("Return-Path").strip() == "<>"
    return has_no_sender or _suppresses(headers) or bool(_precedence(headers))


def _auto_submitted(headers: Headers) -> bool:
    word = headers.get("Auto-Submitted").partition(";")[0].partition("(")[0].strip().lower()
    return word not in ("", "no")


def _suppresses(headers: Headers) -> bool:
    return headers.get("X-Auto-Response-Suppress").strip().lower() not in ("", "none")


def _precedence(headers: Headers) -> str:
    """Return what marks the mail as bulk or automatic; empty where nothing does."""
    for name in ("Precedence", "X-Precedence"):
        word = headers.get(name).strip().lower()
        if word in _PRECEDENCE:
            return word
    return ""


def _by_headers(headers: Headers, plain_subject: str) -> NeverReply | None:
    content_type = headers.get("Content-Type").lstrip().lower()
    checks = (
        (content_type.startswith("multipart/report"), NeverReply.REPORT),
        (_auto_submitted(headers), NeverReply.AUTO_SUBMITTED),
        (_is_reply(headers, plain_subject), NeverReply.AUTO_RESPONDER),
        (_suppresses(headers), NeverReply.AUTO_RESPONSE_SUPPRESS),
        (bool(_precedence(headers)), NeverReply.PRECEDENCE),
        (bool(headers.names() & _LIST_HEADERS), NeverReply.LIST),
        (headers.get("Return-Path").strip() == "<>", NeverReply.NULL_RETURN_PATH),
        (len(headers.all("Received")) > MOST_SERVERS, NeverReply.LOOP),
    )
    return next((reason for holds, reason in checks if holds), None)
