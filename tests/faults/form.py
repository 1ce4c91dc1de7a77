"""The two sizes of this suite: in CI, and by ``make test-faults``."""

from __future__ import annotations

import os

IS_LONG = os.environ.get("FAULTS") == "long"


def size(short: int, *, long: int) -> int:
    """Return how many messages or faults this run is about."""
    return long if IS_LONG else short
