"""Bounces that mail servers write in prose: qmail, Exim, Exchange, Gmail, Postfix, Sendmail.

A mail is read as one only where it also comes as they do: from nobody, from a mail system's
address or with a header that only they write. A person may quote such a text.
"""

from __future__ import annotations

import re

from inbox import words
from inbox.automatic import local_part, null_return_path
from inbox.kinds import Kind
from inbox.reading import Mail
from inbox.reports import (
    MAX_REASON,
    STATUS_CODE,
    Affected,
    Report,
    bounce_type,
    code_in,
    returned_ids,
)

MOST_TEXT = 64 * 1024
MAX_RECIPIENTS = 100

_SYSTEM = re.compile(
    r"mailer-?daemon|postmaster|mail-?daemon|mailerdaemon|microsoftexchange[0-9a-f]{8,64}"
    r"|mail\.?delivery\.?(system|subsystem)|bounces?",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"(undeliver(able|ed)|failure notice|mail delivery (failed|failure|subsystem|system)"
    r"|delivery (status notification|failure|has failed)|returned mail|mail (could )?not delivered"
    r"|n[ãa]o (foi )?entreg(ue|a)|falha na entrega|no se puede entregar|unzustellbar"
    r"|non remis|[ée]chec de la remise|warning: message|delayed)",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"this is the qmail-send program|this is a permanent error|mail system at host"
    r"|message (that you sent )?could not be delivered|could not be delivered to"
    r"|delivery (to the following recipients? )?(has )?failed|delivery has failed to these"
    r"|your message (to \S{1,320} )?(wasn't|was not|couldn't be|could not be) delivered"
    r"|address not found|unable to deliver (your|the|this)|had permanent fatal errors"
    r"|undeliverable|returned to sender|did not reach the following recipient"
    r"|n[ãa]o (foi poss[íi]vel entregar|p[ôo]de ser entregue)|no se pudo entregar"
    r"|konnte nicht zugestellt werden|n'a pas pu [êe]tre (remis|livr|distribu)",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"(has not yet been|not been) delivered .{0,80}(yet|still|but)|has not yet been delivered"
    r"|will (continue|keep) (to try|trying)|will be retried|still trying|delivery (is )?delayed"
    r"|delivery incomplete|warning message only|transient non-fatal errors|no action is required",
    re.IGNORECASE,
)
_RETURNED_ID = re.compile(r"^[> \t]{0,8}Message-I[Dd]:[ \t]{0,8}(<[^<>\s]{1,996}>)", re.MULTILINE)
_RETURNED_COPY = re.compile(
    r"^[-\s>]{0,20}(below this line is a copy|this is a copy of (the|your) message"
    r"|[-\s]{0,10}(original|returned) message|original message headers|unsent message below)",
    re.IGNORECASE | re.MULTILINE,
)
_LINE_ADDRESS = re.compile(
    r"^[ \t]{0,12}(?:to:[ \t]{0,4})?<?([^\s@<>(),;:\"]{1,64}@[^\s@<>(),;:\"]{1,255}?)>?"
    r"[.:]?[ \t]{0,8}(?:$|[ \t(:])",
    re.IGNORECASE | re.MULTILINE,
)
_ANY_ADDRESS = re.compile(r"[^\s@<>(),;:\"']{1,64}@[A-Za-z0-9.-]{1,255}[A-Za-z0-9]")
_REPLY_CODE = re.compile(r"(?<![\d.])([45])[0-9]{2}[ -]")


def read_prose(mail: Mail) -> Report | None:
    """Return the report that a mail system wrote in words, or None."""
    if not _comes_from_a_system(mail):
        return None
    text = mail.text[:MOST_TEXT]
    copy = _RETURNED_COPY.search(text)
    said = text[: copy.start()] if copy else text
    kind = _kind(f"{mail.subject}\n{said}")
    if kind is None:
        return None
    code = code_in("", said)
    how = bounce_type(code or _basic_code(said), said) if kind is Kind.BOUNCE else None
    reason = _reason(said)
    named = [(one,) for one in _recipients(mail, said)] or [()]
    affected = tuple(Affected(addresses, code, how, kind, reason) for addresses in named)
    ids = (*_RETURNED_ID.findall(text)[: words.MAX_IDS], *returned_ids(mail))
    return Report(kind, affected, tuple(dict.fromkeys(ids)))


def _comes_from_a_system(mail: Mail) -> bool:
    if "X-Failed-Recipients" in mail.headers:
        return True
    is_system = bool(_SYSTEM.fullmatch(local_part(mail.from_address)))
    return is_system or (null_return_path(mail) and bool(_SUBJECT.search(mail.subject)))


def _kind(text: str) -> Kind | None:
    if _DELAYED.search(text):
        return Kind.DELAYED
    return Kind.BOUNCE if _FAILED.search(text) else None


def _basic_code(text: str) -> str:
    """Return the class of an SMTP reply code, as the beginning of an enhanced code."""
    found = _REPLY_CODE.search(text)
    return f"{found[1]}." if found else ""


def _reason(said: str) -> str:
    """Return the first line that holds a status or reply code: most likely the server's words."""
    for pattern in (STATUS_CODE, _REPLY_CODE):
        if found := pattern.search(said):
            start = said.rfind("\n", 0, found.start()) + 1
            end = said.find("\n", found.end())
            return words.one_line(said[start : len(said) if end < 0 else end])[:MAX_REASON]
    return ""


def _recipients(mail: Mail, said: str) -> list[str]:
    """Return the addresses that failed: as a header names them, or as the text lists them."""
    named = words.address_list(", ".join(mail.headers.all("X-Failed-Recipients")))
    listed = [address for address, _name in named]
    listed = listed or _LINE_ADDRESS.findall(said) or _ANY_ADDRESS.findall(said)
    own = {mail.from_address, *mail.to}
    lowered = (words.with_lower_domain(one) for one in listed)
    return list(dict.fromkeys(one for one in lowered if one not in own))[:MAX_RECIPIENTS]
