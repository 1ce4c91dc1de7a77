"""What was said in one dialogue, without bodies and secrets."""

from __future__ import annotations

import re

from common.smtp.reply import printable

MAX_LINES = 200
MAX_LENGTH = 500
_CODES = re.compile(r"[2-5][0-9]{2}(?:[ -][245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |$))?")

Line = tuple[str, str]
Lines = tuple[Line, ...]


class Transcript:
    """A bounded list of ``(direction, line)``; directions are ``C`` for us and ``S`` for them."""

    def __init__(self) -> None:
        self._lines: list[Line] = []

    @property
    def lines(self) -> Lines:
        return tuple(self._lines)

    def sent(self, commands: bytes) -> None:
        """Note one or more of our command lines."""
        for line in commands.rstrip(b"\r\n").split(b"\r\n"):
            self._add("C", printable(line))

    def received(self, line: str) -> None:
        """Note one line of theirs."""
        self._add("S", line)

    def _add(self, direction: str, line: str) -> None:
        if len(self._lines) < MAX_LINES:
            self._lines.append((direction, line[:MAX_LENGTH]))


def as_text(lines: Lines) -> list[str]:
    """Return the dialogue as people read it: ``>`` before what we said, ``<`` before theirs."""
    arrows = {"C": ">", "S": "<"}
    return [f"{arrows[who]} {line}" for who, line in lines]


def codes_alone(lines: Lines) -> Lines:
    """Return the dialogue with nothing of the server's replies but their codes."""
    return tuple(_codes_of(who, line) for who, line in lines)


def _codes_of(who: str, line: str) -> Line:
    found = _CODES.match(line) if who == "S" else None
    return who, found[0] if found else line
