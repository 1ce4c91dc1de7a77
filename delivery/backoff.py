"""Leaving a server alone for growing times after it failed; losing this only tries earlier."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache
from redis.exceptions import RedisError

from delivery.retry import honoured

logger = logging.getLogger(__name__)

FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)
REMEMBERED = timedelta(hours=1)


@dataclass(frozen=True)
class BackOff:
    """After ``failures`` in a row for ``reason``; ``until`` is in seconds since the epoch.

    ``is_stated``: the server itself said for how long.
    """

    failures: int
    until: float
    reason: str
    is_stated: bool = False

    @property
    def is_over(self) -> bool:
        return time.time() >= self.until


def current(account_id: int) -> BackOff | None:
    """Return what the account waits for, None where nothing is known."""
    try:
        found = cache.get(_key(account_id))
    except (OSError, RedisError):
        return None
    return found if isinstance(found, BackOff) else None


def is_on(account_id: int) -> bool:
    found = current(account_id)
    return found is not None and not found.is_over


def begin(
    account_id: int,
    *,
    reason: str,
    stated: timedelta | None = None,
    at_once_longest: bool = False,
) -> None:
    """Leave the account's server alone, each time in a row for longer.

    Several connections hear of the same trouble: what is heard while the wait is on makes it
    grow no further. What the server ``stated`` is never undercut.
    """
    before = current(account_id)
    failures = before.failures if before else 0
    if before is None or before.is_over:
        failures += 1
    grown = LONGEST_WAIT if at_once_longest else FIRST_WAIT * 2 ** min(failures - 1, 10)
    usual = min(grown, LONGEST_WAIT) * random.uniform(0.9, 1.1)  # noqa: S311
    seconds = honoured(stated, usual=usual, tries=failures - 1).total_seconds()
    until = time.time() + seconds
    until = max(until, before.until) if before else until
    is_still_stated = before is not None and not before.is_over and before.is_stated
    is_stated = stated is not None or is_still_stated
    entry = BackOff(failures, until, reason, is_stated=is_stated)
    try:
        cache.set(_key(account_id), entry, timeout=seconds + REMEMBERED.total_seconds())
    except (OSError, RedisError):
        logger.warning("the cache does not answer; the server is tried again soon")


def end(account_id: int) -> None:
    """The server works."""
    try:
        cache.delete(_key(account_id))
    except (OSError, RedisError):
        return


def end_after_test(account_id: int) -> None:
    """The server has taken a connection; how long it wants to be left alone it knows best."""
    found = current(account_id)
    if found is not None and not found.is_stated:
        end(account_id)


def _key(account_id: int) -> str:
    return f"backoff:{account_id}"
