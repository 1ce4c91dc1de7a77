"""A drain's messages: claimed a little ahead of the connections that send them."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence

from common.orm import in_thread
from delivery.ledger import AT_ONCE, Ledger
from delivery.limits import Window
from logs.models import EmailLog

CLAIM_EVERY = 0.1
LEAST = 8
NOTED_FOR = 1.0


class Feed:
    """Used in one event loop.

    What is claimed can't be cancelled, and a more urgent message has to wait for it; and it
    counts as of unknown outcome if the whole machine is lost, since the claim notes that its data
    may go. So it is about as much as goes out in 100 ms.
    """

    def __init__(self, ledger: Ledger, *, is_over: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._is_over = is_over
        self._waiting: deque[EmailLog] = deque()
        self._noted_at: dict[int, float] = {}
        self._is_flowing = False
        self._pace = Pace(every=CLAIM_EVERY)
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
        if self.has_plenty and len(self._waiting) < self._pace.size // 2:
            self._claim_ahead()
        return email

    async def may_go(self, email: EmailLog) -> bool:
        """Tell whether the message's data may go; False: it was taken back.

        That is noted in the database first: with its claim, or here where nothing has gone
        before, or where its claim was long ago, so that it may be somebody else's by now.
        """
        if time.monotonic() - self._noted_at.pop(email.pk, -math.inf) < NOTED_FOR:
            return True
        self._is_flowing = True
        held = await in_thread(self._ledger.note_data, [email, *self._waiting])
        self._have_noted(held)
        return self._noted_at.pop(email.pk, None) is not None

    def _have_noted(self, emails: Sequence[EmailLog]) -> None:
        self._noted_at.update(dict.fromkeys((email.pk for email in emails), time.monotonic()))

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
        most = self._pace.next_size()
        noted = self._is_flowing
        claimed = await in_thread(self._ledger.claim, most=most, noted=noted)
        if noted:
            self._have_noted(claimed)
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

    def __init__(self, *, every: float) -> None:
        self.size = LEAST
        self._every = every
        self._last = time.monotonic()

    def next_size(self) -> int:
        now = time.monotonic()
        faster = self._every / max(now - self._last, 1e-3)
        self.size = round(self.size * min(max(faster, 0.5), 2))
        self.size = max(LEAST, min(self.size, AT_ONCE))
        self._last = now
        return self.size
