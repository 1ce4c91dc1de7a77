"""A whole message (RFC 5322, MIME) as bytes, the same bytes at every attempt."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from uuid import UUID

from common.addresses import Address
from common.errors import Refused
from common.headers import (
    check_header_name,
    check_header_value,
    encode_address_list,
    encode_unstructured,
)
from delivery.mime_parts import OutgoingAttachment, Part, file_part, multipart, text_part

_MESSAGE_ID = re.compile(r"<[A-Za-z0-9._+-]{1,100}@[A-Za-z0-9.-]{1,253}>")
_HTTP_URL = re.compile(r"https?://[!-;=?-~]{1,900}")


@dataclass(frozen=True)
class Outgoing:
    """Everything a message shows; Bcc is the envelope's business and has no place here."""

    from_: Address
    to: tuple[Address, ...]
    subject: str
    message_id: str
    date: datetime
    html: str = ""
    text: str = ""
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[OutgoingAttachment, ...] = ()
    list_unsubscribe: str | None = None

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the header holds an address that is not ASCII (RFC 6531)."""
        shown = (self.from_, *self.to, *self.cc, *self.reply_to)
        return any(address.needs_smtputf8 for address in shown)


def make_message_id(tracking_id: UUID | str, *, domain: str) -> str:
    """Return the Message-ID of a message, the same at every attempt."""
    return f"<{tracking_id}@{domain}>"


def build(message: Outgoing) -> bytes:
    """Return the message with CRLF line ends, in ASCII unless ``needs_smtputf8``.

    Raises:
        Refused: a field holds what would change the header; nothing is repaired silently.
    """
    body = _body(message)
    header = _address_headers(message) + _identity_headers(message) + _own_headers(message)
    end = b"" if body.body.endswith(b"\r\n") else b"\r\n"
    return b"".join([*header, b"MIME-Version: 1.0\r\n", body.header, b"\r\n", body.body, end])


def _address_headers(message: Outgoing) -> list[bytes]:
    lists = (
        ("From", (message.from_,)),
        ("To", message.to),
        ("Cc", message.cc),
        ("Reply-To", message.reply_to),
    )
    return [encode_address_list(name, addresses) for name, addresses in lists if addresses]


def _identity_headers(message: Outgoing) -> list[bytes]:
    if not _MESSAGE_ID.fullmatch(message.message_id):
        raise Refused("This is not a Message-ID.", attr="message_id")
    if message.date.tzinfo is None:
        raise ValueError("the date needs a time zone")
    return [
        encode_unstructured("Subject", message.subject),
        f"Date: {format_datetime(message.date)}\r\n".encode(),
        f"Message-ID: {message.message_id}\r\n".encode(),
    ]


def _own_headers(message: Outgoing) -> list[bytes]:
    """Return the unsubscribe headers (RFC 8058) and those the caller asked for."""
    lines = []
    if url := message.list_unsubscribe:
        if not _HTTP_URL.fullmatch(url) or "=?" in url:
            raise Refused("This is not an http or https URL.", attr="list_unsubscribe")
        lines.append(f"List-Unsubscribe: <{url}>\r\n".encode())
        lines.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    for name, value in message.headers:
        check_header_name(name, attr="headers")
        lines.append(encode_unstructured(name, check_header_value(value, attr=f"headers.{name}")))
    return lines


def _body(message: Outgoing) -> Part:
    """Return mixed(alternative(text, related(html, images)), files), each only where needed."""
    inline = [file for file in message.attachments if file.content_id and message.html]
    files = [file for file in message.attachments if file not in inline]
    body = _readable(message, inline)
    if not files:
        return body
    parts = [body, *(file_part(file, inline=False) for file in files)]
    return multipart("mixed", parts, boundary=_boundary(message, "mixed"))


def _readable(message: Outgoing, inline: list[OutgoingAttachment]) -> Part:
    if not message.html:
        return text_part("plain", message.text)
    html = text_part("html", message.html)
    if inline:
        images = [file_part(file, inline=True) for file in inline]
        boundary = _boundary(message, "related")
        html = multipart('related; type="text/html"', [html, *images], boundary=boundary)
    if not message.text:
        return html
    parts = [text_part("plain", message.text), html]
    return multipart("alternative", parts, boundary=_boundary(message, "alternative"))


def _boundary(message: Outgoing, level: str) -> str:
    return f"=_{hashlib.sha256(f'{level} {message.message_id}'.encode()).hexdigest()[:32]}"
