"""When to try a message again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from logs.models import EmailLog

FIRST_WAIT = timedelta(minutes=5)
GREYLISTED_WAIT = timedelta(seconds=75)
LONGEST_WAIT = timedelta(hours=4)
JITTER = 0.1


def next_attempt(email: EmailLog, *, at: datetime, greylisted: bool = False) -> datetime | None:
    """Return when to try ``email`` again after a failure at ``at``, or None to give up.

    Waits 5 minutes, doubling to 4 hours; gives up 5 days after the message could first go
    (RFC 5321 section 4.5.4.1). Greylisting passes sooner (RFC 6647). The waits differ a little,
    so that what failed together does not come back together.
    """
    if at >= email.age_limit:
        return None
    first = GREYLISTED_WAIT if greylisted else FIRST_WAIT
    doubled: int = 2 ** min(email.retry_count, 20)
    wait = min(first * doubled, LONGEST_WAIT)
    jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  not a secret
    return min(at + wait * jitter, email.age_limit)
