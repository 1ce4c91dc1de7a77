"""One person's data in all apps: exported, then erased."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import ai_triage.erasure
import delivery.erasure
import inbox.erasure
import logs.erasure
import tenants.erasure
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
        "suppressions": 0,
    }
    if with_suppressions:
        erased["suppressions"] = delivery.erasure.erase_suppressions(tenant, person)
    logger.info("a person's data was erased", extra={"tenant": tenant.slug, **erased})
    return erased
