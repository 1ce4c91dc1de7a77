"""A drain's messages: claimed a little ahead of the connections that send them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

from delivery.ledger import AT_ONCE, Ledger
from delivery.limits import Window
from delivery.orm import in_thread
from logs.models import EmailLog

CLAIM_EVERY = 0.5
NOTE_EVERY = 0.1
FIRST_CLAIM, FIRST_NOTE = 30, 4


class Feed:
    """Used in one event loop.

    What is claimed ahead can't be cancelled, and a more urgent message has to wait for it: as
    much as goes out in half a second. What is noted ahead counts as of unknown outcome if the
    whole machine is lost: as much as goes out in 100 ms.
    """

    def __init__(self, ledger: Ledger, *, is_over: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._is_over = is_over
        self._waiting: deque[EmailLog] = deque()
        self._noted: set[tuple[int, int]] = set()
        self._claims = Pace(FIRST_CLAIM, every=CLAIM_EVERY)
        self._notes = Pace(FIRST_NOTE, every=NOTE_EVERY)
        self._claiming: asyncio.Task[None] | None = None
        self.is_told_to_stop = False
        self.is_dry = False
        self.has_plenty = False

    @property
    def has_more(self) -> bool:
        """Whether more may be due that could go at once."""
        return not self.is_dry and not self.is_told_to_stop

    @property
    def has_next(self) -> bool:
        """Whether a message waits here, or the next claim will most likely bring one."""
        return self.has_plenty or bool(self._waiting)

    @property
    def is_stopped(self) -> bool:
        return self.is_told_to_stop or self._is_over()

    def stop(self) -> None:
        """Give out nothing more: the rest had better wait."""
        self.is_told_to_stop = True

    async def next(self) -> EmailLog | None:
        """Return a message to send, None when there is none or the drain is over."""
        while not self._waiting and not self.is_dry and not self.is_stopped:
            await self._claim()
        if not self._waiting or self.is_stopped:
            return None
        email = self._waiting.popleft()
        if self.has_plenty and len(self._waiting) < self._claims.size // 2:
            self._claim_ahead()
        return email

    async def may_go(self, email: EmailLog) -> bool:
        """Tell whether the message's data may go; False: it was taken back.

        That is noted in the database first, together with messages that follow.
        """
        key = (email.pk, email.attempt)
        if key not in self._noted:
            ahead = islice(self._waiting, self._notes.next_size() - 1)
            noted = await in_thread(self._ledger.note_data, [email, *ahead])
            self._noted.update((each.pk, each.attempt) for each in noted)
        is_ours = key in self._noted
        self._noted.discard(key)
        return is_ours

    async def close(self) -> None:
        """Claim nothing more; what waits here is still held."""
        if self._claiming is not None:
            self._claiming.cancel()
            await asyncio.wait({self._claiming})

    async def _claim(self) -> None:
        self._claim_ahead()
        assert self._claiming is not None  # noqa: S101  just made
        await asyncio.shield(self._claiming)  # other connections may wait for it too

    def _claim_ahead(self) -> None:
        if self._claiming is not None and self._claiming.done():
            self._claiming.result()
            self._claiming = None
        if self._claiming is None:
            self._claiming = asyncio.create_task(self._take())

    async def _take(self) -> None:
        most = self._claims.next_size()
        claimed = await in_thread(self._ledger.claim, most=most)
        self._waiting.extend(claimed)
        self.is_dry = not claimed and not await self._may_wait_a_second()
        self.has_plenty = len(claimed) == most

    async def _may_wait_a_second(self) -> bool:
        """Wait for the next second where only that second's limit is used up."""
        wait = self._ledger.wait
        if wait is None or wait.window is not Window.SECOND:
            return False
        seconds = (wait.until - self._ledger.now()).total_seconds()
        await asyncio.sleep(min(max(seconds, 0), 1))
        return True


class Pace:
    """How many to take at a time so that the next time comes in about ``every`` seconds."""

    def __init__(self, size: int, *, every: float) -> None:
        self.size = size
        self._least, self._every = size, every
        self._last = time.monotonic()

    def next_size(self) -> int:
        now = time.monotonic()
        size = self.size * 2 if now - self._last < self._every else self.size // 2
        self.size = max(self._least, min(size, AT_ONCE))
        self._last = now
        return self.size
