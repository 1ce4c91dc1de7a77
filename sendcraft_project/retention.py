"""What every app removes of a tenant, in turn."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

import ai_triage.retention
import inbox.retention
import logs.retention
from tenants.models import Tenant

logger = logging.getLogger(__name__)
SECONDS = 200.0
"""What is left over waits an hour; a task is ended after 300 seconds."""


def remove_expired(*, at: datetime) -> dict[str, int]:
    """Remove what tenants keep no longer, each in its share of the time; return how much.

    Two that run at once do no harm. Tenants come in no fixed order, so that none is always last.
    """
    removed = {"contents": 0, "inbound": 0, "triage": 0, "events": 0}
    tenants = list(Tenant.objects.exclude(content_days=None, event_days=None).order_by("?"))
    end = time.monotonic() + SECONDS
    for left, tenant in zip(range(len(tenants), 0, -1), tenants, strict=True):
        now = time.monotonic()
        for name, number in _remove_of(tenant, at=at, until=now + (end - now) / left).items():
            removed[name] += number
        if time.monotonic() > end:
            break
    if any(removed.values()):
        logger.info("expired data removed", extra=removed)
    return removed


def _remove_of(tenant: Tenant, *, at: datetime, until: float) -> dict[str, int]:
    removed = {}
    if tenant.content_days is not None:
        before = at - timedelta(days=tenant.content_days)
        for name, remove in (
            ("contents", logs.retention.remove_contents),
            ("inbound", inbox.retention.remove_texts),
            ("triage", ai_triage.retention.remove_texts),
        ):
            removed[name] = remove(tenant, before=before, at=at, until=until)
    if tenant.event_days is not None:
        before = at - timedelta(days=tenant.event_days)
        removed["events"] = logs.retention.remove_events(tenant, before=before, until=until)
    return removed
