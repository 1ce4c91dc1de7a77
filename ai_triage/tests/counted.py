"""Results as the pipeline would leave them, for what counts them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from ai_triage.models import Status, TriageResult
from ai_triage.models.results import key_of

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
numbers = itertools.count(1)


def unsaved(tenant, **fields) -> TriageResult:
    email_id = f"mail-{next(numbers)}"
    usual = {
        "email_id": email_id,
        "email_key": key_of(email_id),
        "from_address": "ana@example.com",
        "received_at": NOON,
        "status": Status.COMPLETED,
        "decision": "respond",
        "confidence": "0.90",
        "email_type": "question",
        "urgency": "medium",
        "reason": "Ana asks about her order",
        "processing_time_seconds": 1.0,
        "processed_at": NOON,
        "provider": "rules",
    }
    return TriageResult(tenant=tenant, **(usual | fields))


def a_result(tenant, **fields) -> TriageResult:
    result = unsaved(tenant, **fields)
    result.save()
    return result


def results(tenant, count, **fields) -> None:
    TriageResult.objects.bulk_create(unsaved(tenant, **fields) for _ in range(count))
