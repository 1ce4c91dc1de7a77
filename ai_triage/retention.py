"""Removing what triaged mails and their drafts said, once a tenant keeps it no longer."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import datetime

from ai_triage.models import Draft, Status, TriageResult
from tenants.models import Tenant

BATCH = 500
OPEN = (Status.QUEUED, Status.PROCESSING)
EMPTY: dict[str, object] = {
    "body": "",
    "headers": {},
    "reason": "",
    "suggested_subject": "",
    "suggested_body": "",
    "raw_answer": "",
    "error": "",
    "cache_key": "",
    "answer_due_at": None,
}
"""Without its key, the verdict of a mail whose text is gone answers no other."""


def remove_texts(tenant: Tenant, *, before: datetime, at: datetime, until: float) -> int:
    """Empty results that were made before ``before``, and return how many.

    It stops after the batch in which ``until`` (monotonic seconds) comes. Mail that is yet to be
    judged stays whole; verdicts, and so figures, stay always.
    """
    number = 0
    for batch in _old(tenant, before=before):
        number += empty_results(batch, at=at)
        if time.monotonic() > until:
            break
    return number


def empty_results(ids: Collection[int], *, at: datetime) -> int:
    rows = TriageResult.objects.filter(pk__in=ids).exclude(status__in=OPEN)
    Draft.objects.filter(result__in=rows.values("pk")).delete()
    return rows.update(**EMPTY, removed_at=at)


def _old(tenant: Tenant, *, before: datetime) -> Iterator[list[int]]:
    """Keys grow with time, so the walk ends at the first result that is young."""
    rows = TriageResult.objects.filter(tenant=tenant, removed_at=None).order_by("pk")
    last = 0
    while some := list(rows.filter(pk__gt=last).values_list("pk", "created_at", "status")[:BATCH]):
        if old := [pk for pk, made, status in some if made < before and status not in OPEN]:
            yield old
        last, made, _status = some[-1]
        if made >= before:
            return
