"""Ringing for mail that waits for its verdict; a lost ring costs one sweep, never a mail."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from celery import current_app
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
WAITING_SECONDS = 5
TASK = "ai_triage.drain"  # by name: the task's job rings too
ANSWERS = "ai_triage.answer_due"
REFUSAL = "ai_triage.tell_of_refusal"
RECOVERY = "ai_triage.go_on"
QUEUE = "triage"


def ring(task: str = TASK, *, args: Sequence[str] = (), once_in: float = WAITING_SECONDS) -> None:
    """Queue a drain, or another task, unless one was queued in so many seconds."""
    try:
        if not cache.add(flag(task, *args[:1]), 1, timeout=once_in):
            return
    except (OSError, RedisError):
        logger.warning("the cache does not answer; ringing all the same")
    try:
        current_app.send_task(task, args=[*args], queue=QUEUE, ignore_result=True)
    except (OSError, OperationalError, RedisError) as error:
        extra = {"error": type(error).__name__}
        logger.warning("the broker does not answer; the sweep will ring", extra=extra)


def answer(task: str = TASK) -> None:
    """Take the flag down before the first claim, so that it can't get stuck."""
    try:
        cache.delete(flag(task))
    except (OSError, RedisError):
        logger.warning("the cache does not answer")


def ring_on_commit(task: str = TASK) -> None:
    """Ring once the running transaction is committed."""
    transaction.on_commit(partial(ring, task), robust=True)


def flag(task: str, about: str = "") -> str:
    return f"ring:{task}:{about}"
