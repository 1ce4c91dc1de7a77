"""Who has a mail in hand, and what becomes of it: every change of a result's state.

A claim holds a mail for a lease and raises ``attempt``; a write of an earlier attempt is void
(fencing), so a worker that was thought dead can't overwrite what another found.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F

from ai_triage import analytics, doorbell
from ai_triage.errors import ProviderUnavailable
from ai_triage.models import ReviewReason, Status, TriageResult, TriageResultQuerySet
from ai_triage.models.results import NO_VERDICT, came_in_batch
from ai_triage.signals import triage_completed, triage_failed
from common.ids import uuid7
from tenants.models import Tenant

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=3)
"""Longer than a mail may take in a worker."""
KEPT_FOR_BATCHES = 0.25
"""Of a tenant's share, while it has other mail as well: neither starves."""
CHOICE = 5
"""So many workers may look at the same moment and each still finds its share."""


@transaction.atomic
def claim(*, at: datetime, most: int) -> list[TriageResult]:
    """Take up to ``most`` mails whose turn it is, of each tenant as many as of the others.

    A tenant's mail that came on its own goes before that of its batches, which keep a part.
    """
    ids = _ids_to_claim(at=at, most=most)
    TriageResult.objects.filter(pk__in=ids).update(
        status=Status.PROCESSING,
        attempt=F("attempt") + 1,
        tries=F("tries") + 1,
        lease_until=at + LEASE,
        updated_at=at,
    )
    rows = TriageResult.objects.filter(pk__in=ids).select_related("tenant", "inbound")
    return list(rows.defer("inbound__html_text").order_by("next_attempt_at", "pk"))


def are_waiting(*, at: datetime) -> bool:
    """Tell whether a worker would find something to do."""
    return TriageResult.objects.claimable(at=at).filter(tenant__is_active=True).exists()


def _ids_to_claim(*, at: datetime, most: int) -> list[int]:
    claimable = TriageResult.objects.claimable(at=at)
    waiting = _waiting(claimable.filter(tenant__is_active=True))
    # Those with the least first: what they leave of their share goes to the others.
    tenants = sorted(waiting, key=lambda tenant: waiting[tenant].total())
    ids: list[int] = []
    for number, tenant in enumerate(tenants):
        share = -(-(most - len(ids)) // (len(tenants) - number))
        ids += _of_tenant(claimable.filter(tenant=tenant), waiting[tenant], most=share)
    return ids


def _waiting(rows: TriageResultQuerySet) -> defaultdict[int, Counter[bool]]:
    """Count each tenant's mails, those of batches (True) apart."""
    found: defaultdict[int, Counter[bool]] = defaultdict(Counter)
    counted = rows.order_by().values_list("tenant_id", came_in_batch())
    for tenant, in_batch, count in counted.annotate(count=Count("pk")):
        found[tenant][bool(in_batch)] = count
    return found


def _of_tenant(rows: TriageResultQuerySet, waiting: Counter[bool], *, most: int) -> list[int]:
    # By chance, so that a share of one mail comes out right as well.
    kept = int(most * KEPT_FOR_BATCHES + random.random())  # noqa: S311
    of_batches = min(waiting[True], max(kept, most - waiting[False]))
    ids: list[int] = []
    for in_batch, share in ((False, most - of_batches), (True, of_batches)):
        if share and waiting[in_batch]:
            of_kind = rows.filter(came_in_batch(in_batch)) if waiting[not in_batch] else rows
            ids += _locked(of_kind, most=share)
    return ids


def _locked(rows: TriageResultQuerySet, *, most: int) -> list[int]:
    """Lock rows in turn, but for those that others have; SQLite lets one write at a time.

    They are chosen without a lock, from more than needed, and locked by their key alone: to sort
    under a lock would lock all that wait.
    """
    skip = connection.features.has_select_for_update_skip_locked
    chosen = rows.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[: most * CHOICE]
    free = rows.filter(pk__in=list(chosen)).select_for_update(skip_locked=skip)
    return list(free.order_by("pk").values_list("pk", flat=True)[:most])


def begin(row: TriageResult, *, at: datetime, lease: timedelta | None) -> TriageResult:
    """Return a row that is not stored yet as claimed by its maker, or without a lease queued."""
    if lease is None:
        row.status, row.next_attempt_at, row.job_id = Status.QUEUED, at, uuid7()
    else:
        row.status, row.attempt, row.tries = Status.PROCESSING, 1, 1
        row.lease_until = at + lease
    return row


def claim_one(row: TriageResult, *, at: datetime, lease: timedelta) -> bool:
    """Take a mail that waits or has failed; False where another was faster."""
    free = TriageResult.objects.filter(pk=row.pk, attempt=row.attempt)
    return _changed(
        row,
        free.filter(status__in=[Status.QUEUED, Status.FAILED]),
        status=Status.PROCESSING,
        attempt=row.attempt + 1,
        tries=1,
        lease_until=at + lease,
        updated_at=at,
    )


def begin_anew(
    row: TriageResult, *, at: datetime, lease: timedelta | None, **given: object
) -> bool:
    """Forget the verdict and start over with what is ``given``: claimed, or without a lease queued.

    Whoever has the mail in hand meanwhile works for nothing. An answer that was sent stays.
    """
    queued: dict[str, object] = {"status": Status.QUEUED, "next_attempt_at": at, "tries": 0}
    held = {"status": Status.PROCESSING, "lease_until": at + lease, "tries": 1} if lease else queued
    columns = NO_VERDICT | given | held | {"attempt": row.attempt + 1, "updated_at": at}
    analytics.count_again(row)
    return _changed(row, TriageResult.objects.filter(pk=row.pk, attempt=row.attempt), **columns)


def requeue(row: TriageResult, *, at: datetime, **given: object) -> bool:
    """Put a failed mail back into the queue; one that waits for its next try gets it now."""
    if row.status == Status.QUEUED:
        waiting = TriageResult.objects.filter(pk=row.pk, attempt=row.attempt, status=Status.QUEUED)
        return _changed(row, waiting.filter(next_attempt_at__gt=at), next_attempt_at=at)
    failed = TriageResult.objects.filter(pk=row.pk, attempt=row.attempt, status=Status.FAILED)
    columns = {"status": Status.QUEUED, "next_attempt_at": at, "tries": 0, "updated_at": at}
    return _changed(row, failed, **(columns | given))


@transaction.atomic
def complete(row: TriageResult, *, at: datetime, **verdict: object) -> bool:
    """Store the verdict and announce it; False where the mail is in other hands."""
    columns = {"error_code": "", "error": "", "processed_at": at} | verdict
    if not _write(row, Status.COMPLETED, at=at, columns=columns):
        return False
    triage_completed.send(sender=TriageResult, result=row)
    return True


@transaction.atomic
def fail(
    row: TriageResult, *, at: datetime, code: str, detail: str, review: str = "", **more: object
) -> bool:
    """Give the mail up for now and announce it; ``review`` says why a person must look."""
    columns = {
        "error_code": code,
        "error": detail[:500],
        "next_attempt_at": None,
        "needs_review": bool(review),
        "review_reason": review,
    }
    if not _write(row, Status.FAILED, at=at, columns=columns | more):
        return False
    logger.warning("a mail could not be judged", extra={"result": row.pk, "code": code})
    triage_failed.send(sender=TriageResult, result=row)
    return True


def defer(
    row: TriageResult,
    *,
    at: datetime,
    until: datetime,
    code: str,
    detail: str,
    counts: bool = True,
    **more: object,
) -> bool:
    """Put the mail back until then; without ``counts`` this try was none."""
    columns: dict[str, object] = {
        "error_code": code,
        "error": detail[:500],
        "next_attempt_at": until,
        "job_id": row.job_id or uuid7(),
    }
    tries = {} if counts else {"tries": max(row.tries - 1, 0)}
    return _write(row, Status.QUEUED, at=at, columns=columns | tries | more)


def hold_for_cost(row: TriageResult, *, at: datetime, until: datetime, detail: str) -> bool:
    """Put the mail back until its tenant may spend again; a person may look meanwhile."""
    review = {"needs_review": True, "review_reason": ReviewReason.COST_LIMIT}
    code = ReviewReason.COST_LIMIT.value
    logger.warning("the day's cost limit is reached", extra={"tenant": row.tenant_id})
    return defer(row, at=at, until=until, code=code, detail=detail, counts=False, **review)


def look_again_at_held(tenant: Tenant, *, at: datetime) -> None:
    """Let mail that waits for the cost limit come up again, since the limit may be another now."""
    held = TriageResult.objects.for_tenant(tenant).filter(
        status=Status.QUEUED, error_code=ReviewReason.COST_LIMIT
    )
    if held.update(next_attempt_at=at):
        doorbell.ring_on_commit()


@transaction.atomic
def look_again_at_deferred(*, at: datetime) -> None:
    """Let mail that waits since no model could be reached come up again."""
    deferred = TriageResult.objects.filter(
        status=Status.QUEUED, next_attempt_at__gt=at, error_code=ProviderUnavailable.code
    )
    if deferred.update(next_attempt_at=at):
        doorbell.ring_on_commit()


@transaction.atomic
def hand_over(row: TriageResult, *, at: datetime) -> bool:
    """Let a worker go on with a mail whose request can't wait any longer."""
    doorbell.ring_on_commit()
    return defer(row, at=at, until=at, code="", detail="", counts=False)


def release(rows: Iterable[TriageResult], *, at: datetime) -> None:
    """Put back mails that nobody came to, as a worker does that has to stop."""
    for row in rows:
        defer(row, at=at, until=at, code="", detail="", counts=False)


def _write(row: TriageResult, status: Status, *, at: datetime, columns: dict[str, Any]) -> bool:
    mine = TriageResult.objects.filter(pk=row.pk, attempt=row.attempt, status=Status.PROCESSING)
    if _changed(row, mine, **columns, status=status, lease_until=None, updated_at=at):
        return True
    extra = {"result": row.pk, "attempt": row.attempt}
    logger.warning("a late result was refused: the mail is in other hands", extra=extra)
    return False


def _changed(row: TriageResult, rows: Any, **columns: Any) -> bool:
    """Update and take the columns over into ``row``; False where it is none of ``rows`` now."""
    if not rows.update(**columns):
        return False
    for name, value in columns.items():
        setattr(row, name, value)
    return True
