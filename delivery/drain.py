"""One bounded run over an account's due messages."""

from __future__ import annotations

import asyncio
import time
from asyncio import FIRST_COMPLETED as FIRST

from delivery import stopping
from delivery.books import Books
from delivery.feed import Feed
from delivery.lane import Lane
from delivery.ledger import Ledger
from delivery.limits import Wait
from delivery.orm import in_thread

SECONDS = 15.0
LOOK_EVERY = 0.5
GRACE_SECONDS = 20.0


class Drain:
    """Claims, sends and records until nothing is due, its time is over or the server fails."""

    def __init__(
        self, account_id: int, *, mail_of: int | None = None, seconds: float = SECONDS
    ) -> None:
        self._over_at = time.monotonic() + seconds
        self._ledger = Ledger(account_id, mail_of=mail_of)
        self._feed = Feed(self._ledger, is_over=self._is_over)
        self._books = Books(self._ledger)
        self._idleness = Idleness()
        self._is_wide = False

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
        """Send over one connection, and over more while these keep this process waiting."""
        lanes = {asyncio.create_task(self._lane().run())}
        done: set[asyncio.Task[None]] = set()
        try:
            while lanes:
                ended, lanes = await asyncio.wait(lanes, timeout=LOOK_EVERY, return_when=FIRST)
                done |= ended
                if any(lane.exception() for lane in ended):
                    self._feed.stop()  # the others finish what they have in hand
                lanes |= await self._more_lanes()
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        for lane in done:
            lane.result()
        return self._feed.has_more and not stopping.is_asked()

    async def _more_lanes(self) -> set[asyncio.Task[None]]:
        is_waiting = self._idleness.is_waiting()
        if self._is_wide or not is_waiting or not self._feed.has_plenty or self._feed.is_stopped:
            return set()
        count = await in_thread(self._ledger.take_more_slots)
        self._is_wide = not count
        return {asyncio.create_task(self._join()) for _ in range(count)}

    async def _join(self) -> None:
        """Send over one more connection, if the server wants one more."""
        lane = self._lane()
        if await lane.can_open():
            await lane.run()
        else:
            self._is_wide = True

    def _lane(self) -> Lane:
        return Lane(self._ledger, feed=self._feed, books=self._books)

    @property
    def wait(self) -> Wait | None:
        """The limit that the last claim ran into."""
        return self._ledger.wait

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


class Idleness:
    """Whether this process mostly waits: only then does another connection help."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def is_waiting(self) -> bool:
        """Tell it of the time since the last look; False where that was just now."""
        wall, cpu = time.monotonic() - self._wall, time.process_time() - self._cpu
        if wall < LOOK_EVERY:
            return False
        self._wall, self._cpu = time.monotonic(), time.process_time()
        return cpu < wall / 2
