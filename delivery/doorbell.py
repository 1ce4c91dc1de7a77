"""Ringing for an account's due messages; a lost ring costs one sweep, never a message."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

from celery import current_app
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
WAITING_SECONDS = 5
TASK = "delivery.drain_account"  # by name: the task's job rings too


def ring(account_id: int) -> None:
    """Queue a drain of the account, unless one is waiting already."""
    try:
        if not cache.add(flag(account_id), 1, timeout=WAITING_SECONDS):
            return
    except (OSError, RedisError):
        logger.warning("the cache does not answer; ringing all the same")
    try:
        current_app.send_task(TASK, args=[account_id], ignore_result=True)
    except (OSError, OperationalError, RedisError) as error:
        extra = {"account_id": account_id, "error": type(error).__name__}
        logger.warning("the broker does not answer; the sweep will ring", extra=extra)


def answer(account_id: int) -> None:
    """Take the flag down before the first claim, so that it can't get stuck."""
    try:
        cache.delete(flag(account_id))
    except (OSError, RedisError):
        logger.warning("the cache does not answer")


def ring_on_commit(account_ids: Iterable[int]) -> None:
    """Ring for each account once the running transaction is committed."""
    for account_id in set(account_ids):
        transaction.on_commit(partial(ring, account_id), robust=True)


def flag(account_id: int) -> str:
    return f"ring:{account_id}"
