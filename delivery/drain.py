"""One bounded run over an account's due messages."""

from __future__ import annotations

import asyncio
import time

from delivery import stopping
from delivery.books import Books
from delivery.feed import Feed
from delivery.lane import Lane
from delivery.ledger import Ledger
from delivery.orm import in_thread

SECONDS = 15.0
LOOK_EVERY = 0.5
GRACE_SECONDS = 20.0


class Drain:
    """Claims, sends and records until nothing is due, its time is over or the server fails."""

    def __init__(self, account_id: int, *, seconds: float = SECONDS) -> None:
        self._over_at = time.monotonic() + seconds
        self._ledger = Ledger(account_id)
        self._feed = Feed(self._ledger, is_over=self._is_over)
        self._books = Books(self._ledger)

    async def run(self) -> bool:
        """Return whether more is due that another drain could send at once.

        When the worker has to stop, the messages in hand get 20 seconds. One that was cut off
        after its data had begun stays in the journal, and counts as of unknown outcome.
        """
        work = asyncio.create_task(self._work())
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=LOOK_EVERY)
                if stopping.waiting_seconds() > GRACE_SECONDS:
                    work.cancel()
            return False if work.cancelled() else work.result()
        finally:
            await self._close()

    async def _work(self) -> bool:
        await Lane(self._ledger, feed=self._feed, books=self._books).run()
        return self._feed.has_more and not stopping.is_asked()

    def _is_over(self) -> bool:
        return time.monotonic() >= self._over_at or stopping.is_asked()

    async def _close(self) -> None:
        """Store everything and give the rest back; what fails to be stored is in the journal."""
        try:
            await self._feed.close()
            await self._books.close()
            await in_thread(self._ledger.close)
        finally:
            self._ledger.let_go()
