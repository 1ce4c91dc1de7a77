"""Ringing for an account's due messages; a lost ring costs one sweep, never a message."""

from __future__ import annotations

import logging
from functools import partial

from celery import current_app
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from logs.models import Priority

logger = logging.getLogger(__name__)
WAITING_SECONDS = 5
TASK = "delivery.drain_account"  # by name: the task's job rings too
QUEUES = {Priority.HIGH: "high", Priority.NORMAL: "default", Priority.LOW: "bulk"}
"""Celery's queue by the most urgent message that is due; which worker takes it: ``docker/``."""


def ring(account_id: int, *, priority: int = Priority.NORMAL) -> None:
    """Queue a drain of the account, unless one is waiting already in the same queue."""
    queue = QUEUES[Priority(priority)]
    try:
        if not cache.add(flag(account_id, queue), 1, timeout=WAITING_SECONDS):
            return
    except (OSError, RedisError):
        logger.warning("the cache does not answer; ringing all the same")
    try:
        current_app.send_task(TASK, args=[account_id, priority], queue=queue, ignore_result=True)
    except (OSError, OperationalError, RedisError) as error:
        extra = {"account_id": account_id, "error": type(error).__name__}
        logger.warning("the broker does not answer; the sweep will ring", extra=extra)


def answer(account_id: int) -> None:
    """Take the flags down before the first claim, so that they can't get stuck.

    All of them, since a drain of whatever queue takes the most urgent first.
    """
    try:
        cache.delete_many([flag(account_id, queue) for queue in QUEUES.values()])
    except (OSError, RedisError):
        logger.warning("the cache does not answer")


def ring_on_commit(account_id: int, *, priority: int) -> None:
    """Ring for the account once the running transaction is committed."""
    transaction.on_commit(partial(ring, account_id, priority=priority), robust=True)


def flag(account_id: int, queue: str) -> str:
    return f"ring:{queue}:{account_id}"
