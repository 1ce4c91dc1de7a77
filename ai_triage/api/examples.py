"""Examples for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

_MAIL: dict[str, Any] = {
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
_VERDICT: dict[str, Any] = {
    "decision": "respond",
    "confidence": 0.92,
    "email_type": "question",
    "urgency": "medium",
    "reason": "Cliente fazendo pergunta direta sobre produto",
}
_PROMPT = {"id": "019b7c2e-5c10-7a31-9a44-2f1f0c6d8e55", "name": "default", "version": 3}
_USAGE = {"input_tokens": 812, "output_tokens": 143}
_JOB = "019b7c2e-5c10-7a31-9a44-2f1f0c6d8e56"

MAIL = OpenApiExample("A question", _MAIL, request_only=True)
BATCH = OpenApiExample("Two mails", {"emails": [_MAIL]}, request_only=True)
PROCESSED = OpenApiExample(
    "Judged",
    {
        "status": "processed",
        "email_id": "msg_12345",
        **_VERDICT,
        "suggested_response": {
            "subject": "Re: Dúvida sobre produto",
            "body": "Olá!\n\nObrigado pelo contato…",
            "tone": "professional",
            "draft": True,
        },
        "needs_review": False,
        "never_auto_reply": None,
        "processing_time": 1.234,
        "processed_at": "2026-01-15T10:30:02Z",
        "job_id": None,
        "cached": False,
        "provider": "gemini",
        "model_version": "gemini-3.5-flash-lite",
        "prompt": _PROMPT,
        "usage": _USAGE,
    },
    response_only=True,
    status_codes=["200"],
)
QUEUED = OpenApiExample(
    "A worker will",
    {"status": "queued", "email_id": "msg_12345", "job_id": _JOB, "estimated_time": 2},
    response_only=True,
    status_codes=["202"],
)
ACCEPTED = OpenApiExample(
    "Accepted",
    {
        "batch_id": "019b7c2e-5c10-7a31-9a44-2f1f0c6d8e57",
        "accepted": 1,
        "rejected": [
            {"index": 1, "email_id": "msg_2", "code": "blank", "detail": "The subject is empty."}
        ],
    },
    response_only=True,
    status_codes=["202"],
)
STATUS = OpenApiExample(
    "Judged and answered",
    {
        "email_id": "msg_12345",
        "status": "completed",
        "decision": "respond",
        "processed_at": "2026-01-15T10:30:02Z",
        "response_sent": True,
        "response_details": {
            "tracking_id": "0199f3c2-9a41-7c55-b1de-5f2f6f0f8a11",
            "status": "sent",
            "from_address": "support@biofraga.com",
            "responded_at": "2026-01-15T10:35:00Z",
            "sent_at": "2026-01-15T10:35:01Z",
            "automatic": False,
            "error": None,
        },
        "error": None,
    },
    response_only=True,
)
_LISTED: dict[str, Any] = {
    "email_id": "msg_12345",
    "status": "completed",
    "mode": "live",
    "batch_id": None,
    "job_id": None,
    "from_address": "cliente@example.com",
    "from_name": "",
    "to_address": "support@biofraga.com",
    "subject": "Dúvida sobre produto",
    "thread_id": "thread_123",
    "received_at": "2026-01-15T10:30:00Z",
    "attachments": [],
    "metadata": {"priority": "normal", "labels": ["INBOX"], "custom_fields": {}},
    "language": "pt-BR",
    **_VERDICT,
    "suggested_subject": "Re: Dúvida sobre produto",
    "suggested_tone": "professional",
    "needs_review": False,
    "review_reason": None,
    "never_auto_reply": None,
    "processing_time_seconds": 1.234,
    "processed_at": "2026-01-15T10:30:02Z",
    "cached": False,
    "provider": "gemini",
    "model_version": "gemini-3.5-flash-lite",
    "prompt": _PROMPT,
    "usage": _USAGE,
    "cost": 0.0006,
    "used_examples": [],
    "used_snippets": [],
    "error_code": "",
    "error": "",
    "next_attempt_at": None,
    "reviewed_at": None,
    "reviewed_by": "",
    "response_sent": False,
    "response_tracking_id": None,
    "responded_at": None,
    "is_automatic": False,
    "created_at": "2026-01-15T10:30:01Z",
    "updated_at": "2026-01-15T10:30:02Z",
}
LISTED = OpenApiExample("A question", _LISTED, response_only=True)
EMAIL = OpenApiExample(
    "A question with its texts",
    _LISTED
    | {
        "body": "Olá, gostaria de saber mais sobre...",
        "headers": {},
        "suggested_body": "Olá!\n\nObrigado pelo contato…",
        "raw_answer": "{…}",
    },
    response_only=True,
)
