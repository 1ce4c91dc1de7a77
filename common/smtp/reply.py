"""A server's reply (RFC 5321 section 4.2), and its first lines' grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_TEXT = 1000
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?= |$)")


@dataclass(frozen=True)
class Reply:
    """A code and the lines of text that came with it, unprintable characters replaced."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines as one, cut where it gets longer than anybody reads."""
        return " ".join(line for line in self.lines if line)[:MAX_TEXT]

    @property
    def enhanced_code(self) -> str | None:
        """The RFC 3463 code, None where there is none that fits the reply's own code."""
        found = _ENHANCED.match(self.lines[0])
        return found[1] if found and found[1][0] == str(self.code)[0] else None

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


def parse_line(line: bytes) -> tuple[int, str, bool] | None:
    """Return a reply line's code, text and whether another line follows, or None for nonsense."""
    found = _LINE.fullmatch(line)
    if not found:
        return None
    return int(found[1]), printable(found[3] or b""), found[2] == b"-"


def printable(raw: bytes) -> str:
    """Return the text of ``raw`` without characters that could forge log lines."""
    text = raw.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "?" for char in text)
