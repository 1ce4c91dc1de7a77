"""Hostile mail that triage must stand."""

from __future__ import annotations

import pytest

from ai_triage import auto_replies
from ai_triage.models import AutoReplyRule, TriageSettings
from ai_triage.tests.rows import triaged

pytestmark = pytest.mark.django_db


def test_no_automatic_answer_goes_to_a_reply_to(tenant, account):
    """Which is where an answer goes if nobody reads what is sent to From."""
    settings, _ = TriageSettings.objects.get_or_create(tenant=tenant)
    AutoReplyRule.objects.create(settings=settings, email_type="question", min_confidence="0.5")
    result = triaged(
        tenant,
        from_address=account.email_address,
        suggested_body="Olá!",
        headers={"Reply-To": ["victim@elsewhere.example"], "Date": ["x"]},
    )

    assert not auto_replies.is_allowed(result)
