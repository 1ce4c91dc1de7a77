"""What a provider bills."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 10**9


@dataclass(frozen=True)
class Usage:
    """Tokens as billed: thinking counts as output."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens
        )


def tokens(told: object) -> int:
    """Return the count that a server told, 0 where it is none that could be true."""
    if isinstance(told, bool) or not isinstance(told, int):
        return 0
    return told if 0 <= told <= MOST else 0
