"""One message's SMTP commands and body, in a form that can't be read as anything else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import idna

from common.errors import PermanentError

MAX_ADDRESS = 320
_LOCAL = r"""[^\s<>()\[\]:;,\\"@]+"""
_QUOTED = r'"(?:[^"\\]|\\[\x20-\x7e])*"'
_DOMAIN = r"[^\s<>()\[\]:;,\\\"@]+|\[[0-9A-Za-z.:]+\]"
_ADDRESS = re.compile(rf"({_LOCAL}|{_QUOTED})@({_DOMAIN})")
_XTEXT_LITERAL = re.compile(r"[!-~]*")


@dataclass(frozen=True)
class Envelope:
    """What to send, from whom and to whom; ``mail_from`` may be empty (the null sender).

    ``before_data`` is called just before the first byte of the body goes: from then on a lost
    connection leaves the outcome unknown. ``envelope_id`` comes back in delivery reports from
    servers that offer DSN (RFC 3461); with ``wants_reports`` they report success and delay as well
    as failure, each with the recipient as we named it.
    """

    mail_from: str
    recipients: tuple[str, ...]
    data: bytes = field(repr=False)
    before_data: Callable[[], None] | None = field(default=None, repr=False, compare=False)
    envelope_id: str = ""
    wants_reports: bool = False


@dataclass(frozen=True)
class Commands:
    """An envelope in a server's terms: lines with their ends, and the body with CRLF only."""

    mail: bytes
    rcpts: tuple[bytes, ...]
    recipients: tuple[str, ...]
    body: bytes = field(repr=False)


def prepare(envelope: Envelope, *, capabilities: Mapping[str, str]) -> Commands:
    """Return the commands for a server with these capabilities.

    Raises:
        ValueError: an address or the envelope id could be read as more than itself.
        PermanentError: the server can't take this message.
    """
    recipients = tuple(dict.fromkeys(envelope.recipients))
    if not recipients:
        raise ValueError("an envelope needs a recipient")
    sender = encode_address(envelope.mail_from) if envelope.mail_from else b""
    paths = [encode_address(recipient) for recipient in recipients]
    body = with_crlf(envelope.data)
    options = _mail_options(
        body,
        capabilities=capabilities,
        international=not all(path.isascii() for path in (sender, *paths)),
        envelope_id=envelope.envelope_id,
    )
    wants_reports = envelope.wants_reports and "DSN" in capabilities
    notify = _notify if wants_reports else _no_options
    return Commands(
        mail=b"MAIL FROM:<" + sender + b">" + options + b"\r\n",
        rcpts=tuple(b"RCPT TO:<" + path + b">" + notify(path) + b"\r\n" for path in paths),
        recipients=recipients,
        body=body,
    )


def encode_address(address: str) -> bytes:
    """Return an address as it goes into MAIL or RCPT, its domain in ASCII (IDNA).

    Raises:
        ValueError: it is not exactly one address.
    """
    found = _ADDRESS.fullmatch(address)
    if not found or not address.isprintable() or len(address) > MAX_ADDRESS:
        raise ValueError("not one e-mail address")
    local, domain = found.groups()
    if not domain.isascii():
        try:
            domain = idna.encode(domain.lower()).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise ValueError("not one e-mail address") from None
    return f"{local}@{domain}".encode()


def _mail_options(
    body: bytes, *, capabilities: Mapping[str, str], international: bool, envelope_id: str
) -> bytes:
    options = b""
    if "SIZE" in capabilities:
        options += _size(body, limit=capabilities["SIZE"])
    if not body.isascii():
        _require("8BITMIME", capabilities, code="eight_bit_unsupported")
        options += b" BODY=8BITMIME"
    if international:
        _require("SMTPUTF8", capabilities, code="smtputf8_unsupported")
        options += b" SMTPUTF8"
    if envelope_id and "DSN" in capabilities:
        options += b" RET=HDRS ENVID=" + _xtext(envelope_id)
    return options


def _notify(path: bytes) -> bytes:
    """RFC 3461 sections 4.1 and 4.2; an international address can't be named so."""
    options = b" NOTIFY=SUCCESS,FAILURE,DELAY"
    address = path.decode()
    is_plain = _XTEXT_LITERAL.fullmatch(address)
    return options + (b" ORCPT=rfc822;" + _as_xtext(address) if is_plain else b"")


def _no_options(path: bytes) -> bytes:
    return b""


def _size(body: bytes, *, limit: str) -> bytes:
    if limit.isdecimal() and len(limit) < 20 and 0 < int(limit) < len(body):
        raise PermanentError("The message is larger than the server takes.", code="too_large")
    return b" SIZE=%d" % len(body)


def _require(capability: str, capabilities: Mapping[str, str], *, code: str) -> None:
    if capability not in capabilities:
        raise PermanentError(f"The server does not offer {capability}.", code=code)


def _xtext(text: str) -> bytes:
    """RFC 3461 section 4."""
    if not _XTEXT_LITERAL.fullmatch(text) or len(text) > 100:
        raise ValueError("an envelope id is at most 100 printable ASCII characters")
    return _as_xtext(text)


def _as_xtext(text: str) -> bytes:
    return re.sub(r"[+=]", lambda char: f"+{ord(char[0]):02X}", text).encode("ascii")


def with_crlf(data: bytes) -> bytes:
    """Return ``data`` with CRLF as its only line end, and one at its end.

    A bare CR or LF is a line end to some servers and not to others: with a dot between two of
    them, one message becomes two (SMTP smuggling).
    """
    crlf = data.count(b"\r\n")
    if data.count(b"\n") != crlf or data.count(b"\r") != crlf:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def dot_stuffed(body: bytes) -> bytes:
    """Return a body with CRLF line ends as it follows DATA, before the final dot."""
    start = b"." if body.startswith(b".") else b""
    return start + body.replace(b"\r\n.", b"\r\n..")
