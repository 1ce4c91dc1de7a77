"""Exporting and erasing triaged mails of one person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from ai_triage.models import Feedback, Status, TriageResult
from ai_triage.retention import BATCH, OPEN, empty_results
from common.erasing import Person, told
from tenants.models import Tenant

RESULT = (
    "email_id", "from_address", "from_name", "to_address", "subject", "body", "headers",
    "received_at", "attachments", "metadata", "decision", "confidence", "email_type", "urgency",
    "reason", "suggested_subject", "suggested_body", "responded_at",
)  # fmt: skip


def export(tenant: Tenant, person: Person) -> Iterator[dict[str, Any]]:
    for batch in _results_of(tenant, person):
        yield from (told(result, RESULT) for result in batch)


def erase(tenant: Tenant, person: Person, *, at: datetime) -> int:
    """Erase the person's mails and return how many; verdicts, and so figures, stay.

    Mail that is yet to be judged fails, whoever is at it.
    """
    number = 0
    for batch in _results_of(tenant, person):
        ids = [result.pk for result in batch]
        with transaction.atomic():
            TriageResult.objects.filter(pk__in=ids, status__in=OPEN).update(
                status=Status.FAILED,
                attempt=F("attempt") + 1,
                lease_until=None,
                next_attempt_at=None,
                error_code="erased",
            )
            empty_results(ids, at=at)
            Feedback.objects.filter(result__in=ids).update(comment="")
            number += TriageResult.objects.filter(pk__in=ids).update(
                from_address=person.pseudonym,
                from_name="",
                subject="",
                attachments=[],
                metadata={},
            )
    return number


def _results_of(tenant: Tenant, person: Person) -> Iterator[list[TriageResult]]:
    """In Python again: to a database, other letters may be the same."""
    rows = TriageResult.objects.for_tenant(tenant)
    alike = rows.filter(from_address__iexact=person.key).values_list("pk", "from_address")
    ids = sorted(pk for pk, address in alike if person.is_at(address))
    for start in range(0, len(ids), BATCH):
        yield list(rows.filter(pk__in=ids[start : start + BATCH]).order_by("pk"))
