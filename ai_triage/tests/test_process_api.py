"""Mail handed in over HTTP: judged at once or later, once, and never lost."""

from __future__ import annotations

import pytest

from ai_triage.models import Status, TriageResult

pytestmark = pytest.mark.django_db
PROCESS = "/api/v1/emails/process"
QUESTION = {
    "email_id": "msg_12345",
    "from": "cliente@example.com",
    "to": "support@biofraga.com",
    "subject": "Dúvida sobre produto",
    "body": "Olá, gostaria de saber mais sobre...",
    "thread_id": "thread_123",
    "received_at": "2026-01-15T10:30:00Z",
    "attachments": [],
    "metadata": {"priority": "normal", "labels": ["INBOX", "UNREAD"], "custom_fields": {}},
}


def test_a_question_is_answered_with_a_verdict_and_a_draft(api):
    response = api.post(PROCESS, QUESTION)

    assert response.status_code == 200
    assert TriageResult.objects.get().status == Status.COMPLETED
