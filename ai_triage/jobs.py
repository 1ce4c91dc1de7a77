"""What workers do for inbound mail: ask models about what waits, many at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict

from ai_triage import auto_replies, cases, claims, doorbell
from ai_triage.cases import Case
from ai_triage.models import TriageResult
from common import loop
from common.clock import DatabaseClock
from common.orm import in_thread
from delivery import stopping

logger = logging.getLogger(__name__)

AT_ONCE = 20
"""Calls to a model at the same time; the next mails are made ready meanwhile."""
IN_HAND = 2 * AT_ONCE
SECONDS = 30.0
LONGEST_CALL = cases.PATIENCE + 5
LONGEST_WAIT = claims.LEASE.total_seconds() - 2 * LONGEST_CALL
LOOK_EVERY = 0.5
GRACE_SECONDS = 15.0


def drain() -> None:
    """Judge what waits for about half a minute, then ring for what is left."""
    doorbell.answer()
    if loop.run(Drain().run()):
        doorbell.ring()


def sweep() -> None:
    """Ring where mail waits for its turn, also one whose worker is gone, or for its answer."""
    at = DatabaseClock().now()
    if claims.are_waiting(at=at):
        doorbell.ring()
    if TriageResult.objects.filter(answer_due_at__lte=at).exists():
        doorbell.ring(doorbell.ANSWERS)


def go_on() -> None:
    """Let what waits for a provider come up again, since it answers now."""
    doorbell.answer(doorbell.RECOVERY)
    claims.look_again_at_deferred(at=DatabaseClock().now())


def answer_due() -> None:
    """Send the automatic answers that are due."""
    doorbell.answer(doorbell.ANSWERS)
    auto_replies.answer_all_due(at=DatabaseClock().now())


class Drain:
    """One bounded run over the mail that waits."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._over_at = time.monotonic() + seconds
        self._calls = asyncio.Semaphore(AT_ONCE)
        self._same: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._in_hand: dict[asyncio.Task[None], Case] = {}
        self._has_more = True

    async def run(self) -> bool:
        """Return whether more may be waiting."""
        while True:
            while await self._take_more():
                pass
            if not self._in_hand:
                return self._has_more and not stopping.is_asked()
            await asyncio.wait(
                self._in_hand, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED
            )
            for task in [task for task in self._in_hand if task.done()]:
                del self._in_hand[task]
                if error := task.exception():
                    logger.error("a mail's result could not be stored", exc_info=error)
            if stopping.waiting_seconds() > GRACE_SECONDS:
                await self._let_go()
                return False

    async def _take_more(self) -> bool:
        """Take a few where there is room, until nothing waits or our time is over."""
        room = IN_HAND - len(self._in_hand)
        if not self._has_more or self._is_over or room < AT_ONCE // 2:
            return False
        rows = await in_thread(_claim, most=min(room, AT_ONCE))
        for case in await in_thread(_open, rows):
            self._in_hand[asyncio.create_task(self._settle(case))] = case
        self._has_more = bool(rows)
        return self._has_more

    @property
    def _is_over(self) -> bool:
        return time.monotonic() >= self._over_at or stopping.is_asked()

    async def _settle(self, case: Case) -> None:
        """Close the case, asking a model if need be; the same mails are settled one by one."""
        if case.outcome is not None:
            await in_thread(_close, case)
            return
        async with self._same[case.cache_key or str(case.row.pk)]:
            await in_thread(_reuse, case)
            if case.outcome is None:
                async with self._calls:
                    if self._is_late(case):
                        await in_thread(_release, [case])
                        return
                    await cases.judge(case, seconds=LONGEST_CALL)
            await in_thread(_close, case)

    @staticmethod
    def _is_late(case: Case) -> bool:
        """Whether so much of the lease is gone that a call might outlast it."""
        return stopping.is_asked() or time.monotonic() - case.opened > LONGEST_WAIT

    async def _let_go(self) -> None:
        for task in self._in_hand:
            task.cancel()
        await asyncio.gather(*self._in_hand, return_exceptions=True)
        await in_thread(_release, list(self._in_hand.values()))


def _claim(*, most: int) -> list[TriageResult]:
    return claims.claim(at=DatabaseClock().now(), most=most)


def _open(rows: list[TriageResult]) -> list[Case]:
    return cases.open_all(rows, at=DatabaseClock().now())


def _reuse(case: Case) -> None:
    cases.reuse_earlier(case, at=DatabaseClock().now())


def _close(case: Case) -> None:
    cases.close(case, at=DatabaseClock().now())


def _release(held: list[Case]) -> None:
    claims.release([case.row for case in held], at=DatabaseClock().now())
