"""One bounded run over an account's due messages."""

from __future__ import annotations

import asyncio
import math
import time
from asyncio import FIRST_COMPLETED as FIRST

from common.orm import in_thread
from delivery import doorbell, sessions, stopping
from delivery.books import Books
from delivery.feed import Feed
from delivery.lane import Lane
from delivery.ledger import Ledger
from delivery.limits import Wait
from delivery.sessions import Connection
from logs.models import Priority

SECONDS = 15.0
LOOK_EVERY = 0.1
GRACE_SECONDS = 20.0


class Drain:
    """Claims, sends and records until nothing is due, its time is over or the server fails."""

    def __init__(
        self, account_id: int, *, mail_of: int | None = None, seconds: float = SECONDS
    ) -> None:
        self._over_at = time.monotonic() + seconds
        self._account_id = account_id
        self._rings_for = mail_of or account_id
        self._ledger = Ledger(account_id, mail_of=mail_of)
        self._feed = Feed(self._ledger, is_over=self._is_over)
        self._books = Books(self._ledger)
        self._load = Load()
        self._lanes: list[Lane] = []
        self._is_wide = False
        self._has_rung = False

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
        lanes = {asyncio.create_task(self._first_lane().run())}
        done: set[asyncio.Task[None]] = set()
        try:
            while lanes:
                ended, lanes = await asyncio.wait(lanes, timeout=LOOK_EVERY, return_when=FIRST)
                done |= ended
                if any(lane.exception() for lane in ended):
                    self._feed.stop()  # the others finish what they have in hand
                if self._load.is_due and self._is_worth_helping:
                    lanes |= await self._get_help(count=len(lanes))
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        for lane in done:
            lane.result()
        return self._feed.has_more and not stopping.is_asked()

    @property
    def _is_worth_helping(self) -> bool:
        """Whether much waits, and the server has taken mail: else each would fail as the first."""
        return self._ledger.has_recovered and self._feed.has_plenty and not self._feed.is_stopped

    async def _get_help(self, *, count: int) -> set[asyncio.Task[None]]:
        """Open as many more connections as keep this process busy; a busy one rings for another."""
        busy = self._load.share()
        if busy > ENOUGH and not self._has_rung:
            self._has_rung = True
            await in_thread(doorbell.ring, self._rings_for, priority=Priority.LOW)
        if busy > ENOUGH or self._is_wide:
            return set()
        most = math.ceil(count / busy) - count
        taken = await in_thread(self._ledger.take_more_slots, most=most)
        self._is_wide = not taken
        return {asyncio.create_task(self._join()) for _ in range(taken)}

    async def _join(self) -> None:
        """Send over one more connection, if the server wants one more."""
        lane = self._lane()
        if await lane.can_open():
            await lane.run()
        else:
            self._is_wide = True

    def _first_lane(self) -> Lane:
        kept = sessions.take(self._account_id)
        if kept is not None:
            self._ledger.kept_slot = kept.slot
        return self._lane(kept)

    def _lane(self, kept: Connection | None = None) -> Lane:
        lane = Lane(self._ledger, feed=self._feed, books=self._books, kept=kept)
        self._lanes.append(lane)
        return lane

    @property
    def wait(self) -> Wait | None:
        """The limit that the last claim ran into."""
        return self._ledger.wait

    def _is_over(self) -> bool:
        return time.monotonic() >= self._over_at or stopping.is_asked()

    async def _close(self) -> None:
        """Store everything and give the rest back; what fails to be stored is in the journal."""
        connections = [each for lane in self._lanes for each in lane.part()]
        try:
            await self._feed.close()
            await self._books.close()
            await self._keep_one(connections)
            await in_thread(self._ledger.close)
        finally:
            for connection in connections:
                connection.session.close()
            self._ledger.let_go()

    async def _keep_one(self, connections: list[Connection]) -> None:
        """Leave one connection to the next drain, if another worker has still a slot to take."""
        kept = next((each for each in connections if each.is_worth_keeping), None)
        if kept is not None and not stopping.is_asked():
            lease = sessions.SLOT_LEASE
            if await in_thread(self._ledger.keep_slot, kept.slot, lease=lease):
                connections.remove(kept)
                sessions.keep(self._account_id, kept)
        await asyncio.gather(*(each.session.quit() for each in connections))


ENOUGH = 0.7
"""The share of a CPU beyond which a further connection would not be waited for."""


class Load:
    """How busy this process is; where others want the CPU too, it seems less so than it is."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    @property
    def is_due(self) -> bool:
        """Whether the last look was long enough ago for the next to say something."""
        return time.monotonic() - self._wall >= LOOK_EVERY

    def share(self) -> float:
        """Return the share of one CPU that was used since the last look, above zero."""
        wall, cpu = time.monotonic() - self._wall, time.process_time() - self._cpu
        self._wall, self._cpu = time.monotonic(), time.process_time()
        return max(cpu / wall, 0.01)
