"""What was said in one dialogue, without bodies and secrets."""

from __future__ import annotations

from common.smtp.reply import printable

MAX_LINES = 200
MAX_LENGTH = 500


class Transcript:
    """A bounded list of ``(direction, line)``; directions are ``C`` for us and ``S`` for them."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
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
