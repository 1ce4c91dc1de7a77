"""Rates such as ``600/min``."""

from __future__ import annotations

import re
from dataclasses import dataclass

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PATTERN = re.compile(r"(\d{1,9})/(s|sec|second|m|min|minute|h|hour|d|day)")
UNLIMITED = 1_000_000_000


@dataclass(frozen=True)
class Rate:
    """``count`` requests in ``window`` seconds."""

    count: int
    window: int

    @property
    def is_limited(self) -> bool:
        return self.count < UNLIMITED


def parse_rate(text: str) -> Rate:
    """Return the rate; ``0`` means no limit.

    Raises:
        ValueError: ``text`` is no rate.
    """
    if text == "0":
        return Rate(UNLIMITED, 60)
    match = PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no rate such as 600/min")
    return Rate(int(match[1]), SECONDS[match[2][0]])
