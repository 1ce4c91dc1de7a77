"""Exporting and erasing what batches and suppressions hold of one person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from common.erasing import Person, told
from delivery.models import SendBatch, Suppression
from tenants.models import Tenant

SCANNED = 500
SUPPRESSION = ("address", "topic", "reason", "created_at", "expires_at")


def export_suppressions(tenant: Tenant, person: Person) -> Iterator[dict[str, Any]]:
    for entry in Suppression.objects.for_tenant(tenant).filter(address=person.key):
        yield told(entry, SUPPRESSION)


def erase_suppressions(tenant: Tenant, person: Person) -> int:
    """Delete the person's entries: from then on, mail to the address is accepted again."""
    return Suppression.objects.for_tenant(tenant).filter(address=person.key).delete()[0]


def erase_rejections(tenant: Tenant, person: Person) -> int:
    """Erase the person from recipients that batches rejected, and return from how many batches."""
    rows, number, last = SendBatch.objects.filter(tenant=tenant).order_by("pk"), 0, 0
    while some := list(rows.filter(pk__gt=last).values_list("pk", "rejected")[:SCANNED]):
        for pk, rejected in some:
            if person.is_in(rejected):
                SendBatch.objects.filter(pk=pk).update(rejected=person.erased_from(rejected))
                number += 1
        last = some[-1][0]
    return number
