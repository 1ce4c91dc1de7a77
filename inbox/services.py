"""What the rest of the project may ask of the inbox."""

from __future__ import annotations

from inbox.intake import (
    Prepared,
    headers_of,
    is_addressed,
    is_own,
    prepare,
    read_or_quarantine,
    receive,
    why_never,
)

__all__ = [
    "Prepared",
    "headers_of",
    "is_addressed",
    "is_own",
    "prepare",
    "read_or_quarantine",
    "receive",
    "why_never",
]
