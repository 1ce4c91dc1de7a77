"""What workers do for webhooks: send what is due, to many endpoints side by side."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta

from django.db.models import Q

from common import loop
from common.clock import Clock, DatabaseClock
from common.orm import in_thread
from delivery import stopping
from webhooks import claims, doorbell
from webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from webhooks.providers.http import Sender, sender
from webhooks.serving import Service

logger = logging.getLogger(__name__)
SECONDS = 15.0
LOOK_EVERY = 0.5
ENDPOINTS = 200
FAILING_ENDPOINTS = 100
KEPT_DELIVERED, KEPT_OTHERS = timedelta(days=30), timedelta(days=90)
PURGED_AT_ONCE, PURGED_IN_ALL = 1_000, 50_000


def drain() -> None:
    """Send what is due for about 15 seconds, then ring for what is left."""
    doorbell.answer()
    if loop.run(Drain().run()):
        doorbell.ring()


def sweep() -> None:
    """Ring where something is due, also where its worker is gone."""
    if claims.are_ready(at=DatabaseClock().now()):
        doorbell.ring()


def purge(*, at: datetime) -> int:
    """Delete deliveries that are old: delivered ones after 30 days, all others after 90.

    In batches, and no more than 50,000 at a call; returns how many.
    """
    old = Q(status=DeliveryStatus.DELIVERED, created_at__lt=at - KEPT_DELIVERED)
    for status in (DeliveryStatus.FAILED, DeliveryStatus.PENDING):
        old |= Q(status=status, created_at__lt=at - KEPT_OTHERS)
    purged = 0
    while purged < PURGED_IN_ALL:
        ids = list(
            WebhookDelivery.objects.filter(old).values_list("pk", flat=True)[:PURGED_AT_ONCE]
        )
        purged += WebhookDelivery.objects.filter(pk__in=ids).delete()[0]
        if len(ids) < PURGED_AT_ONCE:
            break
    return purged


class Drain:
    """One bounded run over the endpoints for which something is due.

    They are served side by side: one that hangs takes time from no other.
    """

    def __init__(
        self, *, clock: Clock | None = None, to: Sender | None = None, seconds: float = SECONDS
    ) -> None:
        self._clock = clock or DatabaseClock()
        self._sender = to or sender()
        self._over_at = time.monotonic() + seconds
        self._served: dict[asyncio.Task[None], WebhookEndpoint] = {}

    def is_over(self) -> bool:
        return time.monotonic() >= self._over_at or stopping.is_asked()

    async def run(self) -> bool:
        """Return whether more may be waiting."""
        while not self.is_over():
            for endpoint in await in_thread(self._claim):
                self._served[asyncio.create_task(self._serve(endpoint))] = endpoint
            if not self._served:
                return False
            await self._wait(LOOK_EVERY)
        while self._served:
            await self._wait(None)
        return not stopping.is_asked()

    async def _wait(self, seconds: float | None) -> None:
        done, _ = await asyncio.wait(
            self._served, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            extra = {"webhook": self._served.pop(task).pk}
            if error := task.exception():
                logger.error("a webhook could not be served", exc_info=error, extra=extra)

    def _claim(self) -> list[WebhookEndpoint]:
        """Take healthy endpoints first; those that fail never fill all the room."""
        at = self._clock.now()
        room = ENDPOINTS - len(self._served)
        healthy = claims.claim(at=at, most=room, failing=False)
        failing = sum(endpoint.is_failing for endpoint in self._served.values())
        room = min(room - len(healthy), FAILING_ENDPOINTS - failing)
        return healthy + claims.claim(at=at, most=room, failing=True)

    async def _serve(self, endpoint: WebhookEndpoint) -> None:
        service = Service(endpoint, to=self._sender, clock=self._clock, is_over=self.is_over)
        try:
            await service.run()
        finally:
            await in_thread(self._release, endpoint)

    def _release(self, endpoint: WebhookEndpoint) -> None:
        claims.release(endpoint, at=self._clock.now())
