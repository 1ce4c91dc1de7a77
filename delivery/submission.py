"""What callers ask to be sent, checked once: addresses, headers, files and options."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from common.addresses import Address, normalized, parse_address
from common.errors import Refused
from common.headers import check_headers
from common.text import check_text
from delivery.mime_parts import check_content_id, check_content_type, check_file_name
from logs.models import Priority

MOST_COPIES = 50
MOST_FILES = 100
MOST_TAGS = 20
METADATA_BYTES = 16 * 1024
SUBJECT_LENGTH = 998
FURTHEST = timedelta(days=366)
TAG = re.compile(r"[^\x00-\x1f\x7f,]{1,50}")


@dataclass(frozen=True)
class File:
    """An attachment, decoded."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Options:
    """What ``send`` and ``send-bulk`` have in common."""

    reply_to: tuple[Address, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    files: tuple[File, ...] = ()
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    send_at: datetime | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True)
class Message:
    """One message to one recipient, with copies on its envelope."""

    to: Address
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    template: str | int | None = None
    from_account: str | int | None = None
    subject: str = ""
    html: str = ""
    text: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class BulkRecipient:
    """One entry of a recipient list; ``address`` is still as the caller wrote it."""

    index: int
    address: str
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bulk:
    """One template to many recipients, each with its own message."""

    template: str | int
    recipients: tuple[BulkRecipient, ...]
    from_account: str | int | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    options: Options = field(default_factory=Options)


def read_message(data: Mapping[str, Any], *, now: datetime) -> Message:
    """Return the message that the validated fields of ``send`` ask for.

    Raises:
        Refused: with the field's name.
    """
    to = parse_address(data["to_address"], attr="to_address")
    if name := data.get("to_name"):
        to = Address(to.addr_spec, check_text(name, "to_name"))
    message = Message(
        to=to,
        cc=addresses(data.get("cc", ()), attr="cc"),
        bcc=addresses(data.get("bcc", ()), attr="bcc"),
        template=data.get("template_id"),
        from_account=data.get("from_account"),
        subject=check_text(data.get("subject", ""), "subject"),
        html=data.get("html", ""),
        text=data.get("text", ""),
        variables=data.get("variables", {}),
        options=read_options(data, now=now),
    )
    refuse_repeated_recipients(message)
    refuse_half_a_message(message)
    return message


def read_bulk(data: Mapping[str, Any], *, now: datetime) -> Bulk:
    """Return the batch that the validated fields of ``send-bulk`` ask for."""
    return Bulk(
        template=data["template_id"],
        from_account=data.get("from_account"),
        recipients=tuple(data["recipient_list"]),
        variables=data.get("variables_global", {}),
        options=read_options(data, now=now),
    )


def read_options(data: Mapping[str, Any], *, now: datetime) -> Options:
    send_at = data.get("send_at")
    if send_at is not None and send_at > now + FURTHEST:
        raise Refused("send_at is more than a year away.", attr="send_at")
    return Options(
        reply_to=addresses(data.get("reply_to", ()), attr="reply_to"),
        headers=check_headers(data.get("headers", {}), attr="headers"),
        files=files(data.get("attachments", ())),
        tags=tags(data.get("tags", ())),
        metadata=metadata(data.get("metadata", {})),
        send_at=send_at,
        track_opens=data.get("track_opens"),
        track_clicks=data.get("track_clicks"),
        priority=Priority[data.get("priority", "normal").upper()],
    )


def addresses(texts: Sequence[str], *, attr: str) -> tuple[Address, ...]:
    if len(texts) > MOST_COPIES:
        raise Refused(f"At most {MOST_COPIES} addresses are allowed here.", attr=attr)
    return tuple(parse_address(text, attr=f"{attr}.{i}") for i, text in enumerate(texts))


def files(items: Sequence[Mapping[str, Any]]) -> tuple[File, ...]:
    if len(items) > MOST_FILES:
        raise Refused(f"At most {MOST_FILES} attachments are allowed.", attr="attachments")
    return tuple(read_file(item, attr=f"attachments.{i}") for i, item in enumerate(items))


def read_file(item: Mapping[str, Any], *, attr: str) -> File:
    content_id = item.get("content_id") or ""
    return File(
        filename=check_file_name(item["filename"], attr=f"{attr}.filename"),
        content_type=check_content_type(item["content_type"], attr=f"{attr}.content_type"),
        content=from_base64(item["content"], attr=f"{attr}.content"),
        content_id=check_content_id(content_id, attr=f"{attr}.content_id") if content_id else "",
    )


def from_base64(text: str, *, attr: str) -> bytes:
    """Return the bytes; line breaks are tolerated, anything else outside the alphabet is not."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("This is not base64 (RFC 4648).", attr=attr) from error


def tags(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) > MOST_TAGS:
        raise Refused(f"At most {MOST_TAGS} tags are allowed.", attr="tags")
    for i, text in enumerate(texts):
        if not TAG.fullmatch(text):
            raise Refused("A tag has 1 to 50 characters and no comma.", attr=f"tags.{i}")
    return tuple(dict.fromkeys(texts))


def metadata(data: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(data)) > METADATA_BYTES:
        raise Refused("The metadata is larger than 16 KB.", attr="metadata")
    return data


def refuse_repeated_recipients(message: Message) -> None:
    seen = {normalized(message.to)}
    for attr, copies in (("cc", message.cc), ("bcc", message.bcc)):
        for i, copy in enumerate(copies):
            if normalized(copy) in seen:
                raise Refused(
                    "This address is a recipient already.", code="duplicate", attr=f"{attr}.{i}"
                )
            seen.add(normalized(copy))


def refuse_half_a_message(message: Message) -> None:
    if message.template is not None:
        for attr in ("subject", "html", "text"):
            if getattr(message, attr):
                raise Refused("The template says this; send it without a template.", attr=attr)
        return
    if not message.subject.strip():
        raise Refused("A subject or a template is needed.", code="required", attr="subject")
    if len(message.subject) > SUBJECT_LENGTH:
        raise Refused(f"A subject has at most {SUBJECT_LENGTH} characters.", attr="subject")
    if not message.html.strip() and not message.text.strip():
        raise Refused("html or text or both are needed.", code="required", attr="html")
