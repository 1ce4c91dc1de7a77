"""Where MJML is broken: its compiler only says that it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from templates_app.language import NotAllowed, Piece

OPENING = re.compile(r"<!--|</?mj(?:ml|-[a-z-]+)(?![a-z-])", re.IGNORECASE)
ATTRIBUTES = re.compile(
    r"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(?P<close>/?)>""", re.IGNORECASE
)


def fault(pieces: Sequence[Piece]) -> NotAllowed | None:
    """Return what is wrong with the tags of an MJML source, at its line; None if nothing is."""
    text = _lined(pieces)
    opened: list[tuple[str, int]] = []
    position, counted, line = 0, 0, 1
    while match := OPENING.search(text, position):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        if match[0] == "<!--":
            position = text.find("-->", match.end()) + 3
            if position < 3:
                return NotAllowed("this comment has no end (-->)", line)
            continue
        rest = ATTRIBUTES.match(text, match.end())
        if rest is None:
            return NotAllowed(f'an attribute of {match[0]}> is not written as name="value"', line)
        if wrong := _nested(opened, match[0], line, is_empty=bool(rest["close"])):
            return wrong
        position = rest.end()
    if opened:
        name, line = opened[-1]
        return NotAllowed(f"<{name}> is not closed", line)
    return None if re.search(r"<mjml\b", text, re.IGNORECASE) else NotAllowed("no <mjml>", 1)


def _nested(
    opened: list[tuple[str, int]], tag: str, line: int, *, is_empty: bool
) -> NotAllowed | None:
    name = tag.strip("</").lower()
    if not tag.startswith("</"):
        if not is_empty:
            opened.append((name, line))
        return None
    if not opened:
        return NotAllowed(f"</{name}> closes nothing", line)
    inner, begun = opened.pop()
    if inner != name:
        return NotAllowed(f"</{name}> can't close <{inner}> of line {begun}", line)
    return None


def _lined(pieces: Sequence[Piece]) -> str:
    """Return the source with a word for each tag, every line where its author wrote it."""
    parts: list[str] = []
    lines = 1
    for piece in pieces:
        text = piece.text
        if piece.is_tag:
            text = "\n" * (piece.line - lines) + "q"
        lines += text.count("\n")
        parts.append(text)
    return "".join(parts)
