"""When a delivery that failed is tried again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=12),
)
LONGEST = WAITS[-1]
GIVE_UP_AFTER = timedelta(days=3)
JITTER = 0.1


def next_attempt(
    *, tries: int, since: datetime, at: datetime, asked: timedelta | None = None
) -> datetime | None:
    """Return when to try again after the ``tries``-th failure, None when it is time to give up.

    Waits as in ``WAITS`` and the last of them again and again, each up to a tenth longer, so that
    many don't come at once; the very last try is three days after ``since``, the first failure.
    ``asked`` is the receiver's Retry-After, which can make a wait longer, up to ``LONGEST``.
    """
    over = since + GIVE_UP_AFTER
    if at >= over:
        return None
    planned = WAITS[min(tries, len(WAITS)) - 1]
    wait = max(planned, min(asked or planned, LONGEST))
    wait *= 1 + random.uniform(0, JITTER)  # noqa: S311  no secret
    return min(at + wait, over)
