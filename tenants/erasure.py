"""Erasing one person from answers that are kept for repeated requests."""

from __future__ import annotations

from common.erasing import Person
from tenants.models import IdempotencyRecord, Tenant

SCANNED = 500


def erase_answers(tenant: Tenant, person: Person) -> int:
    """Return from how many answers the address was erased."""
    rows, number, last = IdempotencyRecord.objects.filter(tenant=tenant).order_by("pk"), 0, 0
    while some := list(rows.filter(pk__gt=last).values_list("pk", "answer")[:SCANNED]):
        for pk, answer in some:
            if person.is_in(answer):
                erased = person.erased_from(answer)
                IdempotencyRecord.objects.filter(pk=pk).update(answer=erased)
                number += 1
        last = some[-1][0]
    return number
