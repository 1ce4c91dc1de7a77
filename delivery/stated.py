"""When a server says that it will take mail again: "try again in 300 seconds"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import takewhile

SHORTEST, LONGEST = timedelta(seconds=10), timedelta(hours=4)
"""No server makes us hammer it, or hold mail for longer than we would by ourselves."""

UNITS = {"s": 1, "m": 60, "h": 3600}
# What is seen in the wild, with sources: postgrey's and sqlgrey's --greylist-text ("Greylisted
# for %s seconds", "for 5 minutes"), milter-greylist ("Greylisting in action, please come back in
# 00:05:00"), policy servers ("try again in 5 minutes", "retry after 60s"), HTTP's Retry-After.
CUE = (
    r"(?:(?:again|back|(?:re)?try|retried|resend|reconnect|deliver\w*|later|wait\w*|greylist\w*"
    r"|graylist\w*|defer\w*|delay\w*|block\w*|throttl\w*)\b[^.;:0-9]{0,30}?"
    r"\b(?:in|after|for|within|wait(?:ing)?|least|another|(?:re)?try)|wait|retry[- ]after[:=]?)"
    r"\s+(?:(?:about|around|another|at least|approximately|approx\.?)\s+)?"
)
SPAN = re.compile(
    CUE
    + r"(?:(?P<clock>[0-9]{1,2}:[0-5][0-9]:[0-5][0-9])(?![0-9:])"
    + r"|(?P<number>(?<![-+.,0-9])[0-9]{1,9}|an?|one)(?:\.[0-9]{1,3})?[ -]?"
    + r"(?P<unit>s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b)",
    re.ASCII | re.IGNORECASE,
)
SECONDS = re.compile(
    r"\bretry[- ]after\s?[:=]?\s?(?P<number>[0-9]{1,9})(?![0-9.])", re.ASCII | re.I
)


def stated_wait(text: str) -> timedelta | None:
    """Return for how long the server asks us to stay away, within bounds; None: it doesn't say."""
    if found := SPAN.search(text):
        seconds = (
            _clock(found["clock"]) if found["clock"] else _number(found["number"], found["unit"])
        )
    elif found := SECONDS.search(text):
        seconds = int(found["number"])
    else:
        return None
    return max(SHORTEST, min(timedelta(seconds=seconds), LONGEST))


def longest_wait(texts: Iterable[str]) -> timedelta | None:
    """Return the longest of what ``texts`` ask for, None where none asks."""
    return max(filter(None, map(stated_wait, texts)), default=None)


def wait_in_transcript(lines: Sequence[tuple[str, str]]) -> timedelta | None:
    """Return what the server's last reply asks for; a 421 ends sessions without an outcome."""
    last = [text for _who, text in takewhile(lambda line: line[0] == "S", reversed(lines))]
    return longest_wait(line for line in last if line.startswith("4"))


def _clock(text: str) -> int:
    hours, minutes, seconds = map(int, text.split(":"))
    return hours * 3600 + minutes * 60 + seconds


def _number(text: str, unit: str) -> int:
    return (int(text) if text[0].isdigit() else 1) * UNITS[unit[0].lower()]
