"""How an account's last connection went that was tested, or that its server refused.

Kept for a day in the cache, for whoever comes to its page: worth reading, not worth a column.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

from accounts import rules
from accounts.models import EmailAccount
from common.smtp import ProbeResult

logger = logging.getLogger(__name__)

KEPT = timedelta(days=1)


@dataclass(frozen=True)
class LastTry:
    """``is_test`` says that a person tried, else mail was to go out.

    ``settings`` stands for how it was connected.
    """

    result: ProbeResult
    at: datetime
    is_test: bool
    settings: str = ""


def keep(account: EmailAccount, result: ProbeResult, *, is_test: bool) -> None:
    """Remember the try in place of the one before."""
    last = LastTry(result, at=timezone.now(), is_test=is_test, settings=_settings_of(account))
    try:
        cache.set(_key(account), last, timeout=KEPT.total_seconds())
    except (OSError, RedisError):
        logger.warning("the cache does not answer; nobody can read how a connection went")


def of(account: EmailAccount) -> LastTry | None:
    """Return the last try, None where there is none or the account connects differently now."""
    try:
        found = cache.get(_key(account))
    except (OSError, RedisError):
        return None
    if not isinstance(found, LastTry) or found.settings != _settings_of(account):
        return None
    return found


def _settings_of(account: EmailAccount) -> str:
    values = [getattr(account, column) for column in rules.CONNECTION_COLUMNS]
    return hashlib.sha256(repr(values).encode()).hexdigest()


def _key(account: EmailAccount) -> str:
    return f"last-try:{account.pk}"
