"""The one thread of this process in which the database work of its event loop runs."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PAUSES = (0.05, 0.2, 1, 2, 4, 8)
"""Seconds between tries while the database is away, restarts or resolves a deadlock."""

_thread: ThreadPoolExecutor | None = None
_lock = threading.Lock()


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``function`` returns there; it is called again if the database fails.

    So it must be one transaction, or harmless when its beginning is repeated.
    """
    work = partial(function, *args, **kwargs)
    for pause in PAUSES:
        try:
            return await _run(work)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database failed", extra={"error": str(error), "pause": pause})
            await asyncio.sleep(pause)
            await _run(close_old_connections)
    return await _run(work)


async def _run(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_executor(), work)


def _executor() -> ThreadPoolExecutor:
    """Made at the first use, so after the fork."""
    global _thread  # noqa: PLW0603  one per process: each thread has a connection of its own
    with _lock:  # tasks may run in several threads
        if _thread is None:
            _thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="orm")
        return _thread


def _forget() -> None:
    global _thread, _lock
    _thread, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
