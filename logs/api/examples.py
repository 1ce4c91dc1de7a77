"""Examples for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

TRACKING_ID = "0199f3c2-9a41-7c55-b1de-5f2f6f0f8a11"

_MESSAGE: dict[str, Any] = {
    "tracking_id": TRACKING_ID,
    "status": "sent",
    "from_address": "encomendas@alitools.pt",
    "to_address": "cliente@example.com",
    "cc_addresses": [],
    "bcc_addresses": [],
    "subject": "A sua encomenda A-1001",
    "template_id": "alitools_order_confirmation",
    "account_id": 1,
    "batch_id": None,
    "smtp_message_id": f"<{TRACKING_ID}@alitools.pt>",
    "queued_at": "2026-01-15T10:30:00Z",
    "send_at": None,
    "sent_at": "2026-01-15T10:30:01Z",
    "delivered_at": None,
    "failed_at": None,
    "error_code": None,
    "error_message": None,
    "retry_count": 0,
    "next_attempt_at": None,
    "smtp_response": "250 2.0.0 Ok: queued as 4bQ1xk0Zz1z",
    "opens_count": 0,
    "clicks_count": 0,
    "machine_opens_count": 1,
    "machine_clicks_count": 0,
    "first_opened_at": None,
    "last_opened_at": None,
    "user_agent": None,
    "ip_address": None,
    "country": None,
    "tags": ["order"],
    "metadata": {"order": "A-1001"},
    "mode": "live",
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-01-15T10:30:01Z",
}
MESSAGE = OpenApiExample("An order confirmation that was sent", _MESSAGE, response_only=True)
WAITING = OpenApiExample(
    "A message that waits",
    _MESSAGE
    | {
        "status": "queued",
        "sent_at": None,
        "smtp_response": None,
        "next_attempt_at": "2026-01-15T12:00:00Z",
        "send_at": "2026-01-15T12:00:00Z",
    },
    response_only=True,
)
CANCELLED = OpenApiExample(
    "A message that will not go out",
    _MESSAGE | {"status": "cancelled", "sent_at": None, "smtp_response": None},
    response_only=True,
)
EVENT = OpenApiExample(
    "A reply that puts the message off",
    {
        "type": "deferred",
        "at": "2026-01-15T10:30:01Z",
        "data": {
            "smtp_code": 450,
            "enhanced_code": "4.2.0",
            "transcript": ["> RCPT TO:<cliente@example.com>", "< 450 4.2.0 Greylisted"],
        },
    },
    response_only=True,
)
CLICKED = OpenApiExample(
    "A link that a scanner followed",
    {
        "type": "clicked",
        "at": "2026-01-15T10:30:03Z",
        "data": {
            "user_agent": "BarracudaCentral",
            "ip_address": "203.0.113.7",
            "country": "US",
            "machine": True,
            "machine_reason": "scanner",
            "url": "https://shop.example/orders/A-1001",
        },
    },
    response_only=True,
)
CONTENT = OpenApiExample(
    "An order confirmation",
    {
        "subject": "A sua encomenda A-1001",
        "html_content": "<p>Obrigado, Ana!</p>",
        "text_content": "Obrigado, Ana!",
        "headers": {
            "From": "Alitools <encomendas@alitools.pt>",
            "To": "cliente@example.com",
            "Message-ID": f"<{TRACKING_ID}@alitools.pt>",
        },
    },
    response_only=True,
)
RESCHEDULE = OpenApiExample("At noon", {"send_at": "2026-01-15T12:00:00Z"}, request_only=True)
NOTHING = OpenApiExample("An empty body", {}, request_only=True)
