"""Erasing what was, or was to be, told of one person; receivers keep what they were told."""

from __future__ import annotations

import json

from common.erasing import Person
from tenants.models import Tenant
from webhooks.models import WebhookDelivery

SCANNED = 2000


def erase(tenant: Tenant, person: Person) -> int:
    """Delete the deliveries that name the person and return how many.

    The tenant's are read once from the first to the last: they are kept for 90 days at the most.
    """
    rows = WebhookDelivery.objects.for_tenant(tenant).order_by("pk")
    number = last = 0
    while some := list(rows.filter(pk__gt=last).values_list("pk", "payload")[:SCANNED]):
        found = [pk for pk, payload in some if person.is_in(json.loads(payload))]
        number += WebhookDelivery.objects.filter(pk__in=found).delete()[0]
        last = some[-1][0]
    return number
