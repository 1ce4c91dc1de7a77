"""When to try a message again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from logs.models import EmailLog

FIRST_WAIT = timedelta(minutes=5)
GREYLISTED_WAIT = timedelta(seconds=75)
LONGEST_WAIT = timedelta(hours=4)
JITTER = 0.1
BELIEVED = 3
"""How often in a row a wait that is shorter than usual is believed."""


def next_attempt(
    email: EmailLog, *, at: datetime, greylisted: bool = False, stated: timedelta | None = None
) -> datetime | None:
    """Return when to try ``email`` again after a failure at ``at``, or None to give up.

    Waits 5 minutes, doubling to 4 hours; gives up 5 days after the message could first go
    (RFC 5321 section 4.5.4.1). Greylisting passes sooner (RFC 6647). What the server ``stated``
    is never undercut. The waits differ a little, so that what failed together does not come
    back together.
    """
    if at >= email.age_limit:
        return None
    first = GREYLISTED_WAIT if greylisted else FIRST_WAIT
    doubled: int = 2 ** min(email.retry_count, 20)
    usual = min(first * doubled, LONGEST_WAIT) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    return min(at + honoured(stated, usual=usual, tries=email.retry_count), email.age_limit)


def honoured(stated: timedelta | None, *, usual: timedelta, tries: int) -> timedelta:
    """Return how long to wait: just over what the server ``stated``, if it did.

    A server that asks for short waits again and again gets the usual, growing ones.
    """
    if stated is None:
        return usual
    just_over = stated * random.uniform(1, 1 + JITTER) + timedelta(seconds=1)  # noqa: S311
    return just_over if tries < BELIEVED else max(just_over, usual)
