"""A mail as an application hands it in, checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.addresses import Address, parse_address
from common.errors import Refused, RefusedTogether
from common.text import check_text

LONGEST_ID = 255
LONGEST_SUBJECT = 1000
LARGEST_BODY = 6_000_000
"""In bytes of UTF-8; MariaDB takes statements of 16 MB where nobody configured it."""
LONGEST_THREAD = 255
LONGEST_NAME = 255
LONGEST_LABEL = 200
MOST_ATTACHMENTS = 100
MOST_LABELS = 10_000
LARGEST_LABELS = 250_000
"""All of them in bytes, since lists show them."""
MOST_HEADERS = 200
MOST_VALUES = 100
LONGEST_HEADER = 10_000
LONGEST_CUSTOM_FIELDS = 20_000
FIRST_YEAR, LAST_YEAR = 1970, 9998

OWN_PATHS = frozenset(["process", "process-batch", "send", "send-bulk"])
OWN_ENDINGS = ("/status", "/feedback", "/reply")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
_FOLD = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True)
class Incoming:
    """What is stored of a mail that came in."""

    email_id: str
    sender: Address
    to: Address
    subject: str
    body: str
    received_at: datetime
    thread_id: str = ""
    headers: Mapping[str, list[str]] = field(default_factory=dict)
    attachments: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Any]:
        """The mail's columns of a result."""
        return {
            "from_address": self.sender.addr_spec,
            "from_name": self.sender.display_name,
            "to_address": self.to.addr_spec,
            "subject": self.subject,
            "body": self.body,
            "headers": dict(self.headers),
            "thread_id": self.thread_id,
            "received_at": self.received_at,
            "attachments": list(self.attachments),
            "metadata": dict(self.metadata),
            "request_digest": digest_of(
                self.sender.addr_spec, self.to.addr_spec, self.subject, self.body
            ),
        }


def digest_of(*parts: str) -> str:
    """Return what two requests about one ``email_id`` share if they hold the same mail.

    Labels, thread and headers may change between two looks at a mailbox; who wrote what does not.
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def read(fields: Mapping[str, Any], *, now: datetime) -> Incoming:
    """Return the mail of a request's validated ``fields``.

    Raises:
        RefusedTogether: with every field that is refused.
    """
    checking = _Checking(fields)
    mail = {
        "email_id": checking.of(check_email_id, "email_id"),
        "sender": checking.of(parse_address, "from"),
        "to": checking.of(parse_address, "to"),
        "subject": checking.of(_checked_subject, "subject"),
        "body": checking.of(_checked_body, "body"),
        "received_at": checking.of(_checked_time, "received_at", now),
        "thread_id": checking.of(check_line, "thread_id", ""),
        "headers": checking.of(_checked_headers, "headers", {}),
        "attachments": checking.of(_checked_lines, "attachments", []),
        "metadata": checking.of(_checked_metadata, "metadata", {}),
    }
    if checking.refusals:
        raise RefusedTogether(checking.refusals)
    return Incoming(**mail)


def check_email_id(value: str, *, attr: str) -> str:
    """Return an id that can stand in a path, where it leads to this mail and nothing else.

    Raises:
        Refused: it can't.
    """
    check_line(value, attr=attr)
    if value != value.strip() or value.strip("/") != value or set(value.split("/")) & {".", ".."}:
        raise Refused("An id has no space or slash at its ends, and no dot segments.", attr=attr)
    if value in OWN_PATHS or value.endswith(OWN_ENDINGS):
        raise Refused("This id would hide one of the API's own paths.", attr=attr)
    return value


def check_line(value: str, *, attr: str) -> str:
    return check_text(value, attr)


class _Checking:
    """Collects refusals, so that one answer names them all; null is as if left out."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self.refusals: list[Refused] = []

    def of(self, check: Any, name: str, otherwise: Any = None) -> Any:
        given = self._fields.get(name)
        try:
            return check(otherwise if given is None else given, attr=name)
        except RefusedTogether as together:
            self.refusals += together.refusals
        except Refused as refusal:
            self.refusals.append(refusal)
        return None


def _checked_subject(value: str, *, attr: str) -> str:
    if not value.strip():
        raise Refused("The subject is empty.", code="blank", attr=attr)
    return check_text(value, attr)


def _checked_body(value: str, *, attr: str) -> str:
    if not value.strip():
        raise Refused("The body is empty.", code="blank", attr=attr)
    if _bytes(value) > LARGEST_BODY:
        raise Refused("A body has at most 6 MB.", code="too_large", attr=attr)
    if "\0" in value:
        raise Refused("A control character (U+0000) is not allowed here.", attr=attr)
    return value


def _checked_time(value: datetime, *, attr: str) -> datetime:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise Refused(f"The year is from {FIRST_YEAR} to {LAST_YEAR}.", attr=attr)
    return value


def _checked_lines(values: list[str], *, attr: str) -> tuple[str, ...]:
    return tuple(check_text(value, f"{attr}.{number}") for number, value in enumerate(values))


def _checked_headers(headers: Mapping[str, Any], *, attr: str) -> dict[str, list[str]]:
    if len(headers) > MOST_HEADERS:
        raise Refused(f"At most {MOST_HEADERS} headers.", code="max_length", attr=attr)
    return {
        _checked_name(name, attr=attr): _checked_values(value, attr=f"{attr}.{name}")
        for name, value in headers.items()
    }


def _checked_name(name: str, *, attr: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise Refused("This is not a valid header name.", attr=attr)
    return name


def _checked_values(value: Any, *, attr: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_VALUES:
        raise Refused(f"At most {MOST_VALUES} values.", code="max_length", attr=attr)
    return [_checked_value(one, attr=attr) for one in values]


def _checked_value(value: Any, *, attr: str) -> str:
    """A header may come folded as it stood in the mail."""
    if not isinstance(value, str):
        raise Refused("This must be a string or a list of strings.", attr=attr)
    if len(value) > LONGEST_HEADER:
        detail = f"At most {LONGEST_HEADER} characters."
        raise Refused(detail, code="max_length", attr=attr)
    return check_text(_FOLD.sub("", value).replace("\t", " "), attr)


def _checked_metadata(metadata: Mapping[str, Any], *, attr: str) -> dict[str, Any]:
    labels = _checked_lines(metadata.get("labels", []), attr=f"{attr}.labels")
    if sum(map(_bytes, labels)) > LARGEST_LABELS:
        detail = "All labels together have at most 250 kB."
        raise Refused(detail, code="too_large", attr=f"{attr}.labels")
    if len(json.dumps(metadata.get("custom_fields", {}))) > LONGEST_CUSTOM_FIELDS:
        detail = f"At most {LONGEST_CUSTOM_FIELDS} characters of JSON."
        raise Refused(detail, code="max_length", attr=f"{attr}.custom_fields")
    return dict(metadata)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
