"""What a line of a suppression list says, however the list was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import BinaryIO
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from common import spreadsheets
from common.addresses import normalized, parse_address
from common.errors import Refused
from common.text import check_text
from delivery.models import SuppressionReason

NAMES = {
    "address": "address",
    "email": "address",
    "e-mail": "address",
    "email address": "address",
    "email_address": "address",
    "reason": "reason",
    "topic": "topic",
    "expires_at": "expires_at",
}
"""What columns are called; others are not read."""

TOPIC_LENGTH = 50
REASONS = frozenset(SuppressionReason.values)
WORDS = {
    "not_utf8": _("This is not UTF-8."),
    "not_csv": _("This line is not CSV: its quotes do not fit."),
    "too_long": _("This line is too long."),
    "no_address": _("This line names no address."),
    "bad_address": _("This is not an e-mail address."),
    "bad_reason": _("There is no such reason."),
    "bad_topic": _("A topic has at most 50 characters and no control characters."),
    "bad_end": _("The end is no date or time (ISO 8601)."),
    "past": _("The end has passed."),
    "exists": _("This address is in the list already."),
}


class BadLine(Exception):
    """The line can't be taken; ``code`` is one of ``WORDS``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Wanted:
    """An entry as a line asks for it; ``address`` is normalized, ``topic`` empty for all mail."""

    address: str
    reason: str
    topic: str = ""
    expires_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.address, self.topic

    def outlasts(self, expires_at: datetime | None) -> bool:
        """Tell whether this entry lasts longer than one that ends at ``expires_at``."""
        if expires_at is None:
            return False
        return self.expires_at is None or self.expires_at > expires_at


@dataclass
class Columns:
    """Where a list's cells are; ``default`` says what holds for lines that do not say it."""

    default: Wanted
    zone: ZoneInfo
    now: datetime
    delimiter: str = ","
    places: Mapping[str, int] = field(default_factory=lambda: {"address": 0})

    def read(self, text: str | None) -> Wanted:
        """Return what the line asks for.

        Raises:
            BadLine: it can't be read.
        """
        if text is None:
            raise BadLine("too_long")
        if "\ufffd" in text:
            raise BadLine("not_utf8")
        cells = spreadsheets.cells_of(text, delimiter=self.delimiter)
        if cells is None:
            raise BadLine("not_csv")
        given = {name: cells[at] for name, at in self.places.items() if at < len(cells)}
        return Wanted(
            address=_address(given.get("address", "")),
            reason=_reason(given.get("reason", "")) or self.default.reason,
            topic=_topic(given.get("topic", "")) or self.default.topic,
            expires_at=self._end(given.get("expires_at", "")) or self.default.expires_at,
        )

    def _end(self, text: str) -> datetime | None:
        """A day's beginning, or a time; in the tenant's zone unless it names its own."""
        if not text:
            return None
        try:
            day = parse_date(text)
            at = datetime.combine(day, time()) if day else parse_datetime(text)
            end = at and (at if at.tzinfo else at.replace(tzinfo=self.zone))
            is_past = end is not None and end <= self.now
        except (ValueError, OverflowError):
            end = None
        if end is None or end.year > 9998:
            raise BadLine("bad_end")
        if is_past:
            raise BadLine("past")
        return end


def numbered(file: BinaryIO, *, columns: Columns) -> Iterator[tuple[int, str | None]]:
    """Yield the lines that ask for something; a header sets ``columns`` and is not one of them."""
    is_first = True
    for number, text in spreadsheets.lines_of(file):
        if text is not None and not text.strip(" ,;\t"):
            continue
        if is_first:
            is_first = False
            if text is not None and _is_header(text, columns=columns):
                continue
        yield number, text


def _is_header(text: str, *, columns: Columns) -> bool:
    """Take the list's first line for what it is: a header, or the first entry already."""
    columns.delimiter = spreadsheets.delimiter_of(text)
    cells = spreadsheets.cells_of(text, delimiter=columns.delimiter) or []
    places: dict[str, int] = {}
    for at, cell in enumerate(cells):
        if name := NAMES.get(cell.lower()):
            places.setdefault(name, at)
    if "address" not in places:
        return False
    columns.places = places
    return True


def _address(text: str) -> str:
    if not text:
        raise BadLine("no_address")
    try:
        return normalized(parse_address(text, attr="address"))
    except Refused as refusal:
        raise BadLine("bad_address") from refusal


def _reason(text: str) -> str:
    reason = text.lower()
    if reason and reason not in REASONS:
        raise BadLine("bad_reason")
    return reason


def _topic(text: str) -> str:
    try:
        check_text(text, "topic")
    except Refused as refusal:
        raise BadLine("bad_topic") from refusal
    if len(text) > TOPIC_LENGTH:
        raise BadLine("bad_topic")
    return text
