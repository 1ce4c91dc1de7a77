"""Take a mail apart in time and memory bounded by its size, or say which bound it breaks.

Not Python's parser: the modern one can be kept busy for minutes by a kilobyte, and both end in
RecursionError or LookupError on hostile mail. This one scans the raw bytes once per level of
nesting, keeps offsets instead of copies and decodes only what it is asked for.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from inbox import words
from inbox.kinds import QuarantineReason

MAX_HEADER_BYTES = 256 * 1024
MAX_FIELD_BYTES = 64 * 1024
MAX_FIELDS = 1000
MAX_PARTS = 500
MAX_DEPTH = 20
# What is nested is scanned once at each level: a large mail may not go as deep as a small one.
MAX_SCANNED_BYTES = 200 * 1024 * 1024
LONGEST_BOUNDARY = 200

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FIELD_NAME = re.compile(rb"[!-9;-~]{1,100}")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


class Unsafe(Exception):
    """The mail breaks a bound and must not be taken apart."""

    def __init__(self, reason: QuarantineReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Headers:
    """Header fields in their order, found by name in any case."""

    fields: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Headers:
        """Return the fields of a JSON object: a value is a string or a list of them."""
        pairs: list[tuple[str, str]] = []
        for name, value in given.items():
            each = value if isinstance(value, list) else [value]
            pairs += [(name, str(one)[:MAX_FIELD_BYTES]) for one in each[:MAX_FIELDS]]
        return cls(tuple(pairs[:MAX_FIELDS]))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.fields:
            found.setdefault(name.lower(), []).append(value)
        return found

    def get(self, name: str) -> str:
        """Return the first value, as it stands there; empty where there is none."""
        values = self._by_name.get(name.lower())
        return values[0] if values else ""

    def all(self, name: str) -> list[str]:
        return self._by_name.get(name.lower(), [])

    def names(self) -> set[str]:
        """The names that occur, in lower case."""
        return set(self._by_name)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._by_name


@dataclass(frozen=True)
class Part:
    """A mail or a part of one; its body lies at ``start:end`` of ``raw``."""

    raw: bytes = field(repr=False)
    headers: Headers
    start: int
    end: int
    content_type: str
    parameters: dict[str, str]
    parts: tuple[Part, ...] = ()

    @cached_property
    def disposition(self) -> tuple[str, dict[str, str]]:
        return words.parameters(self.headers.get("Content-Disposition"))

    @property
    def filename(self) -> str:
        """The name as given, decoded; empty where there is none."""
        name = self.disposition[1].get("filename") or self.parameters.get("name", "")
        return words.header_text(name)

    @property
    def encoding(self) -> str:
        return self.headers.get("Content-Transfer-Encoding").strip().lower()

    @property
    def size_bytes(self) -> int:
        """The size after decoding, without decoding."""
        size = self.end - self.start
        if self.encoding != "base64":
            return size
        breaks = self.raw.count(b"\n", self.start, self.end)
        breaks += self.raw.count(b"\r", self.start, self.end)
        padding = self.raw.count(b"=", max(self.start, self.end - 4), self.end)
        return max((size - breaks) * 3 // 4 - padding, 0)

    def text(self, *, most: int) -> str:
        """Return the first ``most`` bytes of the body as text."""
        return words.decoded(self._data(most), self.parameters.get("charset", ""))

    def head(self, *, most: int) -> Headers:
        """Return the body read as header fields, as in ``text/rfc822-headers``."""
        return headers_of(self.text(most=most))

    def _data(self, most: int) -> bytes:
        """Decode no more than can be asked for: four encoded bytes make at least one."""
        data = self.raw[self.start : min(self.end, self.start + 4 * most)]
        if self.encoding == "base64":
            data = _NOT_BASE64.sub(b"", data)
            data = a2b_base64(data[: len(data) - (len(data) % 4 == 1)] + b"==")
        elif self.encoding == "quoted-printable":
            data = a2b_qp(data)
        return data[:most]

    def walk(self) -> Iterator[Part]:
        """Yield this part and all within it, in their order."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def own_leaves(self) -> Iterator[Part]:
        """Yield the leaves of this mail, but not those of mails attached to it."""
        if self.content_type.startswith("multipart/") and self.parts:
            for part in self.parts:
                yield from part.own_leaves()
        else:
            yield self


def take_apart(raw: bytes) -> Part:
    """Return the mail's structure.

    Raises:
        Unsafe: it breaks a bound; the reason says which.
    """
    mail = _Splitter(raw).part(0, len(raw), depth=0)
    if not mail.headers.fields:
        raise Unsafe(QuarantineReason.NO_HEADER)
    if mail.content_type == "message/partial":
        raise Unsafe(QuarantineReason.FRAGMENT)
    return mail


def headers_of(text: str) -> Headers:
    """Return the header fields that ``text`` begins with.

    Raises:
        Unsafe: there are too many, or one is too long.
    """
    data = text.encode("utf-8", "replace")[:MAX_HEADER_BYTES]
    return _headers(data, 0, len(data))[0]


def header_fields(raw: bytes) -> tuple[tuple[str, str], ...]:
    """Return the header fields of the mail that ``raw`` begins, in their order.

    Raises:
        Unsafe: there are too many, or one is too long.
    """
    return _headers(raw, 0, len(raw))[0].fields


class _Splitter:
    """Counts what splitting one mail costs."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.count = 0
        self.scanned = 0

    def part(self, start: int, end: int, *, depth: int, default: str = "text/plain") -> Part:
        self.count += 1
        if self.count > MAX_PARTS:
            raise Unsafe(QuarantineReason.TOO_MANY_PARTS)
        if depth > MAX_DEPTH:
            raise Unsafe(QuarantineReason.NESTED_TOO_DEEP)
        headers, body = _headers(self.raw, start, end)
        content_type, parameters = words.parameters(headers.get("Content-Type"))
        content_type = content_type if "/" in content_type else default
        parts: tuple[Part, ...] = ()
        if content_type.startswith("multipart/"):
            inner = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
            boundary = parameters.get("boundary", "")
            parts = tuple(
                self.part(*span, depth=depth + 1, default=inner)
                for span in self.spans(boundary, body, end)
            )
            content_type = content_type if parts else "text/plain"
        elif content_type in ("message/rfc822", "message/global") and _is_plain(headers):
            parts = (self.part(body, end, depth=depth + 1),)
        return Part(self.raw, headers, body, end, content_type, parameters, parts)

    def spans(self, boundary: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield where each part between the delimiter lines begins and ends."""
        if not boundary or len(boundary) > LONGEST_BOUNDARY:
            return
        self.scanned += end - start
        if self.scanned > MAX_SCANNED_BYTES:
            raise Unsafe(QuarantineReason.NESTED_TOO_DEEP)
        marker = b"\n--" + boundary.encode("utf-8", "replace")
        opened: int | None = None
        at = self.raw.find(marker, max(start - 1, 0), end)
        while at >= 0:
            after = at + len(marker)
            is_last = self.raw.startswith(b"--", after)
            line_end = self.raw.find(b"\n", after, end)
            line_end = end if line_end < 0 else line_end
            if self.raw[after + 2 * is_last : line_end].strip():  # a longer word
                at = self.raw.find(marker, line_end, end)
                continue
            if opened is not None:
                yield opened, max(at - (self.raw[at - 1 : at] == b"\r"), opened)
            if is_last:
                return
            opened = min(line_end + 1, end)
            at = self.raw.find(marker, line_end, end)
        if opened is not None:
            yield opened, end


def _is_plain(headers: Headers) -> bool:
    return headers.get("Content-Transfer-Encoding").strip().lower() in _PLAIN_ENCODINGS


def _headers(raw: bytes, start: int, end: int) -> tuple[Headers, int]:
    """Return the header fields from ``start`` on, and where the body begins."""
    for blank in (b"\n", b"\r\n"):
        if raw.startswith(blank, start) and start + len(blank) <= end:
            return Headers(), start + len(blank)
    stop = _BLANK_LINE.search(raw, start, min(end, start + MAX_HEADER_BYTES))
    if stop is None and end - start > MAX_HEADER_BYTES:
        raise Unsafe(QuarantineReason.HEADER_TOO_LONG)
    head = raw[start : stop.start() if stop else end]
    return Headers(tuple(_fields(head))), stop.end() if stop else end


def _fields(head: bytes) -> Iterator[tuple[str, str]]:
    """Yield name and unfolded value; a line that is no field is left out."""
    gathered: list[list[bytes]] = []
    for line in head.replace(b"\r\n", b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            if gathered:
                gathered[-1].append(line)
            continue
        name, colon, value = line.partition(b":")
        is_field = bool(colon) and _FIELD_NAME.fullmatch(name.rstrip(b" \t"))
        gathered.append([name.rstrip(b" \t"), value] if is_field else [b""])
    if len(gathered) > MAX_FIELDS:
        raise Unsafe(QuarantineReason.HEADER_TOO_LONG)
    for name, *lines in gathered:
        value = b"".join(lines)
        if len(value) > MAX_FIELD_BYTES:
            raise Unsafe(QuarantineReason.HEADER_TOO_LONG)
        if name:
            yield name.decode("ascii"), words.decoded(value, "").replace("\n", " ").strip()
