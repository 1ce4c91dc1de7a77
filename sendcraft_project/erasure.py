"""One person's data in all apps: exported, then erased."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Q

import ai_triage.erasure
import delivery.erasure
import inbox.erasure
import logs.erasure
import tenants.erasure
import webhooks.erasure
from common.erasing import Person
from tenants.models import Tenant

logger = logging.getLogger(__name__)


def export(tenant: Tenant, person: Person, *, at: datetime) -> dict[str, Any]:
    """Return what the tenant holds of the person; JSON can hold it by Django's encoder."""
    return {
        "address": person.key,
        "tenant": tenant.slug,
        "exported_at": at,
        "messages": list(logs.erasure.export(tenant, person)),
        "inbound": list(inbox.erasure.export(tenant, person)),
        "triage": list(ai_triage.erasure.export(tenant, person)),
        "suppressions": list(delivery.erasure.export_suppressions(tenant, person)),
    }


def erase(
    tenant: Tenant, person: Person, *, at: datetime, with_suppressions: bool
) -> dict[str, int]:
    """Erase the person, and return how much of what; made again, it goes on where it was cut off.

    ``busy`` are messages being sent at this moment: they are left to another call.
    """
    messages = logs.erasure.erase(tenant, person, at=at)
    erased = {
        **{name: messages[name] for name in ("messages", "copies", "busy")},
        "inbound": inbox.erasure.erase(tenant, person, at=at),
        "triage": ai_triage.erasure.erase(tenant, person, at=at),
        "batches": delivery.erasure.erase_rejections(tenant, person),
        "answers": tenants.erasure.erase_answers(tenant, person),
        "history": _erase_history(tenant, person),
        "webhooks": webhooks.erasure.erase(tenant, person),
        "suppressions": 0,
    }
    if with_suppressions:
        erased["suppressions"] = delivery.erasure.erase_suppressions(tenant, person)
    logger.info("a person's data was erased", extra={"tenant": tenant.slug, **erased})
    return erased


def _erase_history(tenant: Tenant, person: Person) -> int:
    """Take the person out of the titles in the admin's history of what this tenant's staff did."""
    staff = Q(user__is_superuser=True) | Q(user__memberships__tenant=tenant)
    rows = LogEntry.objects.filter(staff, object_repr__icontains=person.key).distinct()
    number = 0
    for row in rows.iterator():
        erased = person.erased_from(row.object_repr)
        if erased != row.object_repr:
            row.object_repr, row.change_message = erased[:200], ""
            row.save(update_fields=["object_repr", "change_message"])
            number += 1
    return number
