"""Counters in the cache that fail open: with the cache down, nothing is refused for its sake."""

from __future__ import annotations

import logging
import time

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
PAUSE_SECONDS = 5.0

_silent_until = 0.0


def hit(name: str, *, window: int) -> int | None:
    """Count one use in the current ``window`` (seconds); None where the cache does not answer."""
    global _silent_until  # noqa: PLW0603  (one cache, one process)
    if time.monotonic() < _silent_until:
        return None
    number = int(time.time()) // window
    try:
        return cache.count(f"{name}:{window}:{number}", until=(number + 1) * window + 5)  # type: ignore[attr-defined,no-any-return]
    except (OSError, RedisError) as error:
        _silent_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("the cache does not answer", extra={"error": type(error).__name__})
        return None
