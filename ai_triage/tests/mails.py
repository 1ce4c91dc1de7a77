"""Mails as applications hand them in."""

from __future__ import annotations

from typing import Any

PROCESS = "/api/v1/emails/process"
BATCH = "/api/v1/emails/process-batch"
EMAILS = "/api/v1/emails"

QUESTION: dict[str, Any] = {
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


def questions(count: int, **fields: Any) -> list[dict[str, Any]]:
    """So many different questions of different people."""
    return [
        QUESTION
        | {
            "email_id": f"q{number}",
            "from": f"cliente{number}@example.com",
            "body": f"Olá, qual é o prazo da encomenda {number}?",
            "thread_id": f"t{number}",
        }
        | fields
        for number in range(count)
    ]
