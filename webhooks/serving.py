"""One endpoint's deliveries, sent while a worker holds it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from common.clock import Clock
from common.keyring import SecretUnreadable
from common.orm import in_thread
from webhooks import claims, signing
from webhooks.claims import Attempt
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.providers.http import BROKEN, Answer, Sender

logger = logging.getLogger(__name__)
AT_ONCE = 4
"""Requests at the same time to one endpoint; a failing one gets them one by one."""
TAKEN = 20
UNREADABLE_PAUSE = timedelta(minutes=1)


class Service:
    """Sends what is due for an endpoint until nothing is, it has to rest, or ``is_over``."""

    def __init__(
        self, endpoint: WebhookEndpoint, *, to: Sender, clock: Clock, is_over: Callable[[], bool]
    ) -> None:
        self._endpoint = endpoint
        self._sender = to
        self._watch = Watch(clock)
        self._is_over = is_over
        self._is_resting = False
        self._waiting: deque[WebhookDelivery] = deque()
        self._sending: dict[asyncio.Task[Answer], WebhookDelivery] = {}

    async def run(self) -> None:
        try:
            while await self._begin_more():
                done, _ = await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
                if not await self._record(done):
                    return
        except SecretUnreadable as error:
            extra = {"webhook": self._endpoint.pk, "error": str(error)}
            logger.error("nothing can be signed for a webhook", extra=extra)
            await in_thread(
                claims.hold, self._endpoint, at=self._watch.now(), wait=UNREADABLE_PAUSE
            )
        finally:
            for task in self._sending:
                task.cancel()

    async def _begin_more(self) -> bool:
        """Fill up what may be under way; False where nothing is."""
        most = 1 if self._endpoint.is_failing else AT_ONCE
        while len(self._sending) < most and self._may_go_on:
            if not self._waiting:
                self._waiting.extend(await in_thread(self._due))
            if not self._waiting:
                break
            self._begin(self._waiting.popleft())
        return bool(self._sending)

    @property
    def _may_go_on(self) -> bool:
        return self._endpoint.is_active and not self._is_resting and not self._is_over()

    def _begin(self, delivery: WebhookDelivery) -> None:
        request = signing.request_to(
            self._endpoint,
            message_id=str(delivery.event_id),
            payload=delivery.payload,
            at=self._watch.now(),
        )
        self._sending[asyncio.create_task(self._sender.post(request))] = delivery

    async def _record(self, done: Iterable[asyncio.Task[Answer]]) -> bool:
        """Store what came of it; False where the endpoint is in other hands."""
        attempts = [Attempt(self._sending.pop(task), _answer_of(task)) for task in done]
        before, row = self._endpoint, await in_thread(self._store, attempts)
        if row is None:
            return False
        self._endpoint, at = row, self._watch.asked_at
        self._is_resting = row.held_until is not None and row.held_until > at
        if claims.has_recovered(before, row, at=at):
            while await in_thread(claims.hurry, row, at=at):
                pass
        return True

    def _due(self) -> list[WebhookDelivery]:
        held = [delivery.pk for delivery in self._sending.values()]
        return claims.due(self._endpoint, at=self._watch.ask(), most=TAKEN, without=held)

    def _store(self, attempts: list[Attempt]) -> WebhookEndpoint | None:
        return claims.record(self._endpoint, attempts, at=self._watch.ask())


class Watch:
    """A clock that is asked where the database may be, and counts on from there elsewhere."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked_at, self._since = datetime.now(UTC), time.monotonic()

    def ask(self) -> datetime:
        self.asked_at, self._since = self._clock.now(), time.monotonic()
        return self.asked_at

    def now(self) -> datetime:
        return self.asked_at + timedelta(seconds=time.monotonic() - self._since)


def _answer_of(task: asyncio.Task[Answer]) -> Answer:
    """Return what came; a bug of ours counts as a failure, or it would be met again at once."""
    if error := task.exception():
        logger.error("a webhook could not be sent", exc_info=error)
        return Answer(error=BROKEN)
    return task.result()
