"""Requests and answers that the API's documentation shows."""

from __future__ import annotations

import json

from drf_spectacular.utils import OpenApiExample

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105  an example
WEBHOOK = {
    "id": "0b7a5a0e-6f5c-4a53-9a86-0b8f6a7b3f10",
    "url": "https://shop.example/hooks/mail",
    "description": "The shop",
    "events": ["email.delivered", "email.bounced"],
    "is_active": True,
    "secret": None,
    "previous_secret_until": None,
    "off_reason": None,
    "off_at": None,
    "failing_since": None,
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-01-15T10:30:00Z",
}
PAYLOAD = {
    "type": "email.bounced",
    "timestamp": "2026-01-15T10:31:00Z",
    "data": {
        "tracking_id": "0197a1b2-0000-7000-8000-000000000001",
        "to_address": "cliente@example.com",
        "status": "bounced",
        "mode": "live",
        "smtp_code": 550,
        "enhanced_code": "5.1.1",
    },
}
DELIVERY = {
    "id": "0197a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5c",
    "event_id": "0197a1b2-3c4d-7e5f-8a9b-0c1d2e3f4a5b",
    "type": "email.bounced",
    "tracking_id": "0197a1b2-0000-7000-8000-000000000001",
    "status": "pending",
    "attempts": 2,
    "next_attempt_at": "2026-01-15T10:36:05Z",
    "response_status": 500,
    "error": "HTTP 500",
    "created_at": "2026-01-15T10:31:00Z",
    "delivered_at": None,
}
A_NEW_WEBHOOK = OpenApiExample(
    "Bounces and deliveries",
    {
        "url": "https://shop.example/hooks/mail",
        "description": "The shop",
        "events": ["email.delivered", "email.bounced"],
    },
    request_only=True,
)
A_CHANGE = OpenApiExample("Switch it on again", {"is_active": True}, request_only=True)
NOTHING = OpenApiExample("No fields", {}, request_only=True)
A_WEBHOOK = OpenApiExample("A webhook", WEBHOOK, response_only=True)
A_MADE_WEBHOOK = OpenApiExample("With its secret", WEBHOOK | {"secret": SECRET}, response_only=True)
A_ROTATED_WEBHOOK = OpenApiExample(
    "With its new secret",
    WEBHOOK | {"secret": SECRET, "previous_secret_until": "2026-01-16T10:30:00Z"},
    response_only=True,
)
A_DELIVERY = OpenApiExample("To be tried again", DELIVERY, response_only=True)
A_WHOLE_DELIVERY = OpenApiExample(
    "To be tried again",
    DELIVERY
    | {"payload": json.dumps(PAYLOAD, separators=(",", ":")), "response_body": "Try later"},
    response_only=True,
)
A_PASSED_TEST = OpenApiExample(
    "It works",
    {"ok": True, "status_code": 204, "error": None, "response_body": "", "latency_ms": 87},
    response_only=True,
)
A_FAILED_TEST = OpenApiExample(
    "Nobody there",
    {
        "ok": False,
        "status_code": None,
        "error": "The server could not be reached.",
        "response_body": "",
        "latency_ms": 3,
    },
    response_only=True,
)
