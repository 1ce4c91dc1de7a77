"""Somebody else's words, fit for one line of a header."""

from __future__ import annotations

import re

from ai_triage.verdicts import is_plain

LONGEST_SUBJECT = 250
_READ_AT_MOST = 1000
# "Re:" as mail programs write it in several languages, with Outlook's and Lotus' counters.
_REPLY = re.compile(
    r"(?:\s{0,5}(?:re|res|resp|rif|aw|antw|sv|vs|odp)\s{0,5}(?:\[\d{1,4}\]|\(\d{1,4}\))?\s{0,5}:)+",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    """Return ``text`` on one line, without control, invisible and direction characters."""
    plain = "".join(char if is_plain(char, lines=False) else " " for char in text)
    return " ".join(plain.split())


def bare_subject(subject: str) -> str:
    """Return a subject without the marks of answers before it."""
    line = one_line(subject[:_READ_AT_MOST])
    found = _REPLY.match(line)
    return line[found.end() :].strip() if found else line


def reply_subject(subject: str) -> str:
    """Return the subject of an answer: ``Re:`` once, then what the mail itself says."""
    return f"Re: {bare_subject(subject)}"[:LONGEST_SUBJECT].strip()
