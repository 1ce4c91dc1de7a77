"""What the sender wrote anew: a body without quoted history and signature."""

from __future__ import annotations

import re

LONGEST_BODY = 100_000

_ATTRIBUTION = re.compile(
    r"^\s*(?:on|em|no dia|a|le|el) .{4,120}(?:wrote|escreveu|escribió|a écrit) ?:\s*$",
    re.IGNORECASE,
)
_HISTORY = re.compile(
    r"^\s*(?:-{2,} ?(?:original message|mensagem original|forwarded message|"
    r"mensagem (?:encaminhada|reencaminhada)) ?-{2,}"
    r"|begin forwarded message:|início da mensagem (?:reencaminhada|encaminhada):|_{20,})\s*$",
    re.IGNORECASE,
)
_OLD_HEADER = re.compile(r"^\s*\*?(?:from|de)\*?: .+", re.IGNORECASE)
_OLD_DATE = re.compile(r"^\s*\*?(?:sent|date|enviad[ao](?: em)?|data)\*?: .+", re.IGNORECASE)
_SIGNATURE = re.compile(r"^--\s?$")
_DEVICE = re.compile(
    r"^\s*(?:sent from my|enviado (?:do|a partir do|desde o) (?:meu )?"
    r"|get outlook for|obter o outlook)",
    re.IGNORECASE,
)


def own_words(body: str) -> str:
    """Return the lines of ``body`` that its sender wrote, without outer white space.

    A body that only quotes gives "". Answers below and between quoted lines are kept.
    """
    lines = body[:LONGEST_BODY].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept: list[str] = []
    for number, line in enumerate(lines):
        if line.lstrip().startswith(">"):
            continue
        if _SIGNATURE.match(line) or _HISTORY.match(line) or _starts_old_mail(lines, number):
            break
        if _ATTRIBUTION.match(line):
            if _quotes_follow(lines, number):
                continue
            break
        if not _DEVICE.match(line):
            kept.append(line.rstrip())
    return "\n".join(kept).strip()


def passages(body: str) -> list[tuple[bool, str]]:
    """Return all of ``body`` in its order, as texts that are quoted (True) or not, by turns."""
    lines = body[:LONGEST_BODY].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found: list[tuple[bool, list[str]]] = []
    is_history = is_quoted = False
    for number, line in enumerate(lines):
        is_history = is_history or bool(_HISTORY.match(line)) or _starts_old_mail(lines, number)
        if line.strip() or is_history:  # an empty line belongs to what it follows
            is_quoted = is_history or line.lstrip().startswith(">") or _introduces(lines, number)
        if not found or found[-1][0] != is_quoted:
            found.append((is_quoted, []))
        found[-1][1].append(line)
    texts = [(quoted, "\n".join(part).strip("\n")) for quoted, part in found]
    return [(quoted, text) for quoted, text in texts if text.strip()]


def _introduces(lines: list[str], number: int) -> bool:
    return bool(_ATTRIBUTION.match(lines[number])) and _quotes_follow(lines, number)


def _starts_old_mail(lines: list[str], number: int) -> bool:
    """Tell whether Outlook's block of old header lines begins here."""
    return bool(_OLD_HEADER.match(lines[number])) and any(
        _OLD_DATE.match(line) for line in lines[number + 1 : number + 3]
    )


def _quotes_follow(lines: list[str], number: int) -> bool:
    following = (line.lstrip() for line in lines[number + 1 : number + 4])
    return next((line.startswith(">") for line in following if line), False)
