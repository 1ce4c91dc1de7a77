"""Who sends to an endpoint, and what becomes of it: every change of a delivery's state."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q

from webhooks import retry
from webhooks.models import (
    FAILING,
    DeliveryStatus,
    Off,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEndpointQuerySet,
)
from webhooks.providers.http import Answer

logger = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)
"""Twice as long as an attempt may take; renewed with each result."""
PAUSE = timedelta(seconds=5)
"""How long a failing endpoint is left alone after each try."""
LONGEST_HOLD = timedelta(hours=1)
RECOVERED_AFTER = timedelta(minutes=1)
"""A shorter trouble makes nothing wait that would be worth to be hurried afterwards."""
HURRIED_AT_ONCE = 1000


@dataclass(frozen=True)
class Attempt:
    """What came of sending a delivery once."""

    delivery: WebhookDelivery
    answer: Answer


def claim(*, at: datetime, most: int, failing: bool) -> list[WebhookEndpoint]:
    """Take up to ``most`` endpoints with something due, of the failing ones or of the others.

    Those that had to wait the longest come first. The conditional UPDATE is the lock.
    """
    if most <= 0:
        return []
    kind = Q(failures__gte=FAILING) if failing else Q(failures__lt=FAILING)
    ready = WebhookEndpoint.objects.filter(kind).ready(at=at)
    ids = list(ready.order_by("leased_until", "pk").values_list("pk", flat=True)[:most])
    token = secrets.token_hex(16)
    chosen = WebhookEndpoint.objects.filter(pk__in=ids)
    if not ids or not chosen.free(at=at).update(lease_token=token, leased_until=at + LEASE):
        return []
    return list(chosen.filter(lease_token=token))


def are_ready(*, at: datetime) -> bool:
    """Tell whether a worker would find something to do."""
    return WebhookEndpoint.objects.ready(at=at).exists()


def due(
    endpoint: WebhookEndpoint, *, at: datetime, most: int, without: Collection[int]
) -> list[WebhookDelivery]:
    """Return what is to be sent to the endpoint now, the oldest first."""
    rows = WebhookDelivery.objects.filter(endpoint=endpoint).due(at=at).exclude(pk__in=without)
    return list(rows.order_by("next_attempt_at", "pk")[:most])


@transaction.atomic
def record(
    endpoint: WebhookEndpoint, attempts: Sequence[Attempt], *, at: datetime
) -> WebhookEndpoint | None:
    """Store what came of the attempts and return the endpoint as it is now.

    None where somebody else has the endpoint: nothing was stored, and all of it is sent again.
    """
    row = _mine(endpoint).select_for_update().first()
    if row is None:
        logger.warning("late results were refused", extra={"webhook": endpoint.pk})
        return None
    for attempt in attempts:
        pending = WebhookDelivery.objects.filter(
            pk=attempt.delivery.pk, status=DeliveryStatus.PENDING
        )
        pending.update(**_changes(attempt, at=at))
        _judge(row, attempt.answer, at=at)
    row.leased_until = at + LEASE
    row.save(update_fields=["leased_until", "is_active", *STATE])
    return row


STATE = ("off_reason", "off_at", "off_told_at", "failures", "failing_since", "held_until")
WELL: dict[str, Any] = {"failures": 0, "failing_since": None, "held_until": None}
ON: dict[str, Any] = {**WELL, "off_reason": "", "off_at": None, "off_told_at": None}


def release(endpoint: WebhookEndpoint, *, at: datetime) -> None:
    """Let others have the endpoint; it comes after those that were served earlier."""
    _mine(endpoint).update(lease_token="", leased_until=at)


def hold(endpoint: WebhookEndpoint, *, at: datetime, wait: timedelta) -> None:
    """Leave the endpoint alone for a while; no failure is counted."""
    _mine(endpoint).update(held_until=at + wait)


def has_recovered(before: WebhookEndpoint, after: WebhookEndpoint, *, at: datetime) -> bool:
    """Tell whether a trouble that made deliveries wait is over."""
    since = before.failing_since
    return since is not None and after.failing_since is None and at - since >= RECOVERED_AFTER


def hurry(endpoint: WebhookEndpoint, *, at: datetime) -> bool:
    """Make up to 1,000 waiting deliveries due, the next first; True while more may wait."""
    waiting = WebhookDelivery.objects.filter(
        endpoint=endpoint, status=DeliveryStatus.PENDING, next_attempt_at__gt=at
    )
    ids = list(waiting.order_by("next_attempt_at").values_list("pk", flat=True)[:HURRIED_AT_ONCE])
    waiting.filter(pk__in=ids).update(next_attempt_at=at)
    return len(ids) == HURRIED_AT_ONCE


def before_what_waits(endpoint_id: int, *, at: datetime) -> datetime:
    """Return a time before that of all that is due for the endpoint; ``at`` where nothing is."""
    rows = WebhookDelivery.objects.filter(endpoint=endpoint_id).due(at=at)
    times = rows.order_by("next_attempt_at").values_list("next_attempt_at", flat=True)
    oldest = times.first()
    return oldest - timedelta(microseconds=1) if oldest else at


def begin_anew(deliveries: models.QuerySet[WebhookDelivery], *, at: datetime) -> int:
    """Make deliveries due since ``at``, with three days to arrive; return how many there were."""
    return deliveries.update(
        status=DeliveryStatus.PENDING, next_attempt_at=at, tries=0, tried_since=None
    )


def _mine(endpoint: WebhookEndpoint) -> WebhookEndpointQuerySet:
    return WebhookEndpoint.objects.filter(pk=endpoint.pk, lease_token=endpoint.lease_token)


def _changes(attempt: Attempt, *, at: datetime) -> dict[str, Any]:
    delivery, answer = attempt.delivery, attempt.answer
    changes: dict[str, Any] = {
        "attempts": F("attempts") + 1,
        "tries": delivery.tries + 1,
        "response_status": answer.status,
        "response_body": answer.body,
        "error": answer.error,
        "next_attempt_at": None,
    }
    if answer.is_ok:
        return changes | {"status": DeliveryStatus.DELIVERED, "delivered_at": at}
    since = delivery.tried_since or at
    again_at = (
        None
        if answer.is_gone
        else retry.next_attempt(
            tries=delivery.tries + 1, since=since, at=at, asked=answer.retry_after
        )
    )
    status = DeliveryStatus.PENDING if again_at else DeliveryStatus.FAILED
    return changes | {"status": status, "tried_since": since, "next_attempt_at": again_at}


def _judge(row: WebhookEndpoint, answer: Answer, *, at: datetime) -> None:
    """Change the endpoint's own state after one answer."""
    if answer.is_ok:
        _set(row, WELL)
        return
    row.failures += 1
    row.failing_since = row.failing_since or at
    if row.is_failing:
        row.held_until = at + PAUSE
    if answer.retry_after:
        row.held_until = at + min(answer.retry_after, LONGEST_HOLD)
    if answer.is_gone:
        _switch_off(row, Off.GONE, at=at)
    elif at - row.failing_since >= retry.GIVE_UP_AFTER:
        _switch_off(row, Off.FAILING, at=at)


def _switch_off(row: WebhookEndpoint, reason: Off, *, at: datetime) -> None:
    if row.is_active:
        row.is_active, row.off_reason, row.off_at, row.off_told_at = False, reason, at, None
        logger.warning("a webhook was switched off", extra={"webhook": row.pk, "reason": reason})


def _set(row: WebhookEndpoint, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
