"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import time
import uuid

_VERSION_AND_VARIANT = 7 << 76 | 2 << 62


def uuid7() -> uuid.UUID:
    """Return a UUID of version 7 (RFC 9562 section 5.7) with 62 random bits.

    Sorts by creation to about a quarter of a microsecond (method 3 of section 6.2).
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    tail = int.from_bytes(os.urandom(8), "big") >> 2
    return uuid.UUID(int=milliseconds << 80 | fraction << 64 | tail | _VERSION_AND_VARIANT)
