"""Apps that don't know each other are connected: webhooks tell of triage."""

from __future__ import annotations

import json

import pytest
from django.db import transaction
from django.utils import timezone

from ai_triage import claims
from ai_triage.claims import LEASE
from ai_triage.models import Status, TriageResult
from webhooks import services
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
NOW = timezone.now()
VERDICT = {
    "decision": "respond",
    "confidence": "0.92",
    "email_type": "question",
    "urgency": "medium",
    "reason": "A direct question",
    "suggested_body": "canary-draft",
    "provider": "rules",
    "model_version": "rules-1",
}


@pytest.fixture
def held(tenant) -> TriageResult:
    """A mail in a worker's hands."""
    services.create_endpoint(tenant=tenant, url="http://127.0.0.1:1/hooks")
    return TriageResult.objects.create(
        tenant=tenant,
        email_id="msg_1",
        email_key="k1",
        request_digest="d",
        from_address="ana@example.com",
        body="canary-body",
        received_at=NOW,
        thread_id="thread_1",
        status=Status.PROCESSING,
        attempt=1,
        lease_until=NOW + LEASE,
    )


def told() -> dict:
    return json.loads(WebhookDelivery.objects.get().payload)


def test_a_verdict_is_told_without_what_the_mail_or_the_draft_says(held):
    assert claims.complete(held, at=NOW, **VERDICT)

    assert "canary" not in WebhookDelivery.objects.get().payload
    event = told()
    assert event["type"] == "triage.completed"
    assert (
        event["data"].items()
        >= {
            "email_id": "msg_1",
            "thread_id": "thread_1",
            "batch_id": None,
            "mode": "live",
            "decision": "respond",
            "confidence": 0.92,
            "email_type": "question",
            "urgency": "medium",
            "reason": "A direct question",
            "needs_review": False,
            "never_auto_reply": None,
            "provider": "rules",
        }.items()
    )


def test_a_mail_that_nobody_could_judge_is_told_with_its_error(held):
    assert claims.fail(held, at=NOW, code="provider_unavailable", detail="away", review="failed")

    event = told()
    assert event["type"] == "triage.failed"
    assert (
        event["data"].items()
        >= {
            "email_id": "msg_1",
            "error_code": "provider_unavailable",
            "error": "away",
            "needs_review": True,
        }.items()
    )


def test_a_verdict_that_is_rolled_back_is_not_told(held):
    with transaction.atomic():
        claims.complete(held, at=NOW, **VERDICT)
        transaction.set_rollback(True)

    assert not WebhookDelivery.objects.exists()


def test_a_late_verdict_is_not_told(held):
    TriageResult.objects.update(attempt=2)

    assert not claims.complete(held, at=NOW, **VERDICT)
    assert not WebhookDelivery.objects.exists()
