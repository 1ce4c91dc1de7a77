"""Ringing for deliveries that are due; a lost ring costs one sweep, never a delivery."""

from __future__ import annotations

import logging

from celery import current_app
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
TASK = "webhooks.drain"  # by name: the task's job rings too
FLAG = f"ring:{TASK}"
WAITING_SECONDS = 5


def ring() -> None:
    """Queue a drain, unless one is waiting already."""
    try:
        if not cache.add(FLAG, 1, timeout=WAITING_SECONDS):
            return
    except (OSError, RedisError):
        logger.warning("the cache does not answer; ringing all the same")
    try:
        current_app.send_task(TASK, ignore_result=True)
    except (OSError, OperationalError, RedisError) as error:
        extra = {"error": type(error).__name__}
        logger.warning("the broker does not answer; the sweep will ring", extra=extra)


def answer() -> None:
    """Take the flag down before the first claim, so that it can't get stuck."""
    try:
        cache.delete(FLAG)
    except (OSError, RedisError):
        logger.warning("the cache does not answer")


def ring_on_commit() -> None:
    """Ring once the running transaction is committed."""
    transaction.on_commit(ring, robust=True)
