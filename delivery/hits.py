"""Requests for images and links, on their way from this process to the database."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque

from django.db import close_old_connections

from delivery import spill
from logs.models import TrackingHit

logger = logging.getLogger(__name__)

EVERY = 0.2
PAUSE = 3.0
HANGING = 2.0
AT_ONCE = 500
MOST = 20_000
"""As many wait in memory, some 20 MB; the oldest of more go into files."""
SPILLED_AT_ONCE = 5_000


class Collector:
    """A request only leaves its hit here: a thread, made by the first one, stores them in bulk.

    While the database is away they wait in memory, and beyond ``MOST`` in files. When the process
    ends, what is left goes into a file first, so that it survives whatever happens then.
    """

    def __init__(self) -> None:
        self._waiting: deque[TrackingHit] = deque()
        self._in_hand: list[TrackingHit] = []
        self._renew()

    def put(self, hit: TrackingHit) -> None:
        self._waiting.append(hit)
        if self._thread is None:
            self._start()
        if len(self._waiting) > MOST:
            self._relieve()
        self._has_some.set()

    def flush(self) -> bool:
        """Store what was put until now; False where the database did not take it."""
        with self._storing:
            while self._in_hand or self._take():
                if not _stored(self._in_hand):
                    return False
                self._in_hand = []
        return True

    def close(self) -> None:
        """Leave nothing in this process, even if the database hangs: it may be killed soon."""
        is_free = self._storing.acquire(timeout=HANGING)
        left = [*self._in_hand, *self._waiting]
        self._waiting.clear()
        if is_free:
            self._in_hand = []
            self._storing.release()
        if left:
            spill.write(left)
            spill.read_in()

    def forget(self) -> None:
        """Begin anew in a child: what waits is its parent's."""
        self._waiting.clear()
        self._in_hand = []
        self._renew()

    def _renew(self) -> None:
        self._thread: threading.Thread | None = None
        self._has_some = threading.Event()
        self._storing, self._changing = threading.Lock(), threading.Lock()

    def _take(self) -> bool:
        while self._waiting and len(self._in_hand) < AT_ONCE:
            self._in_hand.append(self._waiting.popleft())
        return bool(self._in_hand)

    def _start(self) -> None:
        with self._changing:
            if self._thread is None:
                atexit.register(self.close)
                self._thread = threading.Thread(target=self._run, name="hits", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._has_some.wait(timeout=PAUSE if spill.is_any() else None)
            self._has_some.clear()
            time.sleep(EVERY)
            try:
                is_stored = self.flush()
                if is_stored:
                    spill.read_in()
            except Exception:
                logger.exception("hits wait")
                is_stored = False
            if not is_stored:
                self._has_some.set()
                time.sleep(PAUSE)

    def _relieve(self) -> None:
        """Move the oldest into a file; who comes meanwhile goes on."""
        if not self._changing.acquire(blocking=False):
            return
        try:
            count = min(SPILLED_AT_ONCE, len(self._waiting))
            spill.write([self._waiting.popleft() for _ in range(count)])
        finally:
            self._changing.release()


def _stored(hits: list[TrackingHit]) -> bool:
    """Insert the hits; those that are there already, since nobody knew, are left out."""
    close_old_connections()
    try:
        TrackingHit.objects.bulk_create(hits, ignore_conflicts=True)
    except Exception as error:  # noqa: BLE001  whatever it is, hits must not be lost
        logger.warning("hits can't be stored now", extra={"error": type(error).__name__})
        return False
    return True


COLLECTOR = Collector()
os.register_at_fork(after_in_child=COLLECTOR.forget)
