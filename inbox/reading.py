"""A mail as it is shown and judged: its fields, its texts and the names of what is attached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath

from inbox import mime, plain, words
from inbox.mime import Headers, Part

MAX_TEXT_BYTES = 512 * 1024
MAX_SUBJECT = 1000
MAX_ATTACHMENTS = 100

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


@dataclass(frozen=True)
class AttachedFile:
    """A file of a mail, by the name, type and size it claims."""

    filename: str
    content_type: str
    size_bytes: int


@dataclass(frozen=True)
class Mail:
    """A mail taken apart; empty strings where it says nothing.

    ``text`` is the plain text, or where there is none the words of the HTML; ``reply_text`` is
    that without quotes and signature.
    """

    root: Part
    subject: str
    from_address: str
    from_name: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    return_path: str | None
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    date: datetime | None
    language: str
    text: str
    reply_text: str
    html: str
    html_text: str
    attachments: tuple[AttachedFile, ...]

    @property
    def headers(self) -> Headers:
        return self.root.headers

    @property
    def answered_ids(self) -> tuple[str, ...]:
        """The messages this one answers, the nearest first."""
        nearest_first = (self.in_reply_to, *reversed(self.references))
        return tuple(dict.fromkeys(one for one in nearest_first if one))


def read(raw: bytes) -> Mail:
    """Return what ``raw`` says.

    Raises:
        Unsafe: it breaks a bound of :mod:`inbox.mime`.
    """
    root = mime.take_apart(raw)
    headers = root.headers
    leaves = list(root.own_leaves())
    html = _texts(leaves, "text/html")
    html_text = plain.text_of_html(html)
    text = _texts(leaves, "text/plain").strip() or html_text
    senders = words.address_list(headers.get("From"))
    from_address, from_name = senders[0] if senders else ("", "")
    return Mail(
        root=root,
        subject=words.header_text(headers.get("Subject"))[:MAX_SUBJECT],
        from_address=from_address,
        from_name=from_name,
        to=_addresses(headers, "To"),
        cc=_addresses(headers, "Cc"),
        return_path=return_path(headers),
        message_id=next(iter(words.message_ids(headers.get("Message-ID"))), ""),
        in_reply_to=next(iter(words.message_ids(headers.get("In-Reply-To"))), ""),
        references=words.message_ids(headers.get("References")),
        date=_date(headers.get("Date")),
        language=_language(headers.get("Content-Language")),
        text=text,
        reply_text=plain.reply_of(text),
        html=html,
        html_text=html_text,
        attachments=tuple(_attached(leaf) for leaf in leaves if _is_attached(leaf))[
            :MAX_ATTACHMENTS
        ],
    )


def return_path(headers: Headers) -> str | None:
    """Return the envelope's sender as the last server noted it: empty for ``<>``, None: unknown."""
    if "Return-Path" not in headers:
        return None
    found = words.address_list(headers.get("Return-Path"))
    return found[0][0] if found else ""


def _addresses(headers: Headers, name: str) -> tuple[str, ...]:
    found = words.address_list(",".join(headers.all(name))[: mime.MAX_FIELD_BYTES])
    return tuple(dict.fromkeys(address for address, _name in found))


def _texts(leaves: list[Part], content_type: str) -> str:
    """Return the texts of one type that are no attachments, one after the other."""
    room, texts = MAX_TEXT_BYTES, []
    for leaf in leaves:
        if leaf.content_type == content_type and not _is_attached(leaf) and room > 0:
            text = leaf.text(most=room)
            room -= len(text)
            texts.append(text)
    return "\n".join(texts)


def _is_attached(leaf: Part) -> bool:
    if leaf.disposition[0] == "attachment" or leaf.filename:
        return True
    return leaf.content_type not in ("text/plain", "text/html")


def _attached(leaf: Part) -> AttachedFile:
    name = PurePosixPath(leaf.filename.replace("\\", "/")).name
    return AttachedFile(
        filename=name[-255:],
        content_type=words.one_line(leaf.content_type)[:127],
        size_bytes=leaf.size_bytes,
    )


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value[:100])
        at = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if 1970 <= at.year < 9999 else None


def _language(value: str) -> str:
    found = _LANGUAGE.match(value.strip())
    return found[0] if found else ""
