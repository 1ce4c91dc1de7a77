"""Read mail as it came, whatever it holds: hostile mail costs little and raises nothing.

``policy.compat32`` decodes least, so the known bombs stay small; what is left (nesting, unknown
charsets) is caught, since a mail that can't be parsed can still be downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser

MAX_HEADER_BYTES = 64 * 1024
MAX_SUBJECT = 1000
MAX_TEXT = 1_000_000
MAX_PARTS = 200


@dataclass(frozen=True)
class Reading:
    """What a person is shown of a mail; ``html`` is None where it has none."""

    headers: tuple[tuple[str, str], ...] = ()
    text: str = ""
    html: str | None = None
    attachments: tuple[str, ...] = ()
    is_readable: bool = True


def subject_of(raw: bytes) -> str:
    """Return the decoded subject, at most 1,000 characters; empty where it can't be read."""
    try:
        parser = BytesHeaderParser(policy=policy.compat32)
        value = parser.parsebytes(raw[:MAX_HEADER_BYTES]).get("Subject", "")
        return _decoded(str(value)[: 2 * MAX_SUBJECT])[:MAX_SUBJECT]
    except Exception:  # noqa: BLE001  (a hostile mail; the parser has no family of errors)
        return ""


def read(raw: bytes) -> Reading:
    """Return what ``raw`` holds, each part cut to a bounded length."""
    try:
        return _read(BytesParser(policy=policy.compat32).parsebytes(raw))
    except Exception:  # noqa: BLE001  (a hostile mail; the parser has no family of errors)
        return Reading(is_readable=False)


def _read(message: Message) -> Reading:
    parts = list(_parts(message))
    return Reading(
        headers=tuple((name, _printable(str(value))) for name, value in message.items()[:200]),
        text=_first(parts, "text/plain") or "",
        html=_first(parts, "text/html"),
        attachments=tuple(_decoded(name) for part in parts if (name := part.get_filename())),
    )


def _parts(message: Message) -> Iterator[Message]:
    for count, part in enumerate(message.walk()):
        if count >= MAX_PARTS:
            return
        if not part.is_multipart():
            yield part


def _first(parts: list[Message], content_type: str) -> str | None:
    for part in parts:
        if part.get_content_type() == content_type and part.get_filename() is None:
            return _text(part)
    return None


def _text(part: Message) -> str:
    body = part.get_payload(decode=True)
    data = body[:MAX_TEXT] if isinstance(body, bytes) else b""
    try:
        return _printable(data.decode(part.get_content_charset("utf-8"), "replace"))
    except (LookupError, ValueError):  # rot13, idna and the like
        return _printable(data.decode("utf-8", "replace"))


def _decoded(value: str) -> str:
    """Return an encoded-word header in plain words, on one line; as it came if it is broken."""
    try:
        words = decode_header(value)
    except HeaderParseError:
        words = [(value, None)]
    parts = []
    for text, charset in words:
        if isinstance(text, str):
            parts.append(text)
            continue
        try:
            parts.append(text.decode(charset or "utf-8", "replace"))
        except (LookupError, ValueError):
            parts.append(text.decode("utf-8", "replace"))
    return " ".join(_printable("".join(parts)).split())


def _printable(text: str) -> str:
    """Return ``text`` without surrogates and NUL, which databases and pages can't take."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")
