"""Examples for the OpenAPI document."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from drf_spectacular.utils import OpenApiExample

_MAIL = b"""\
From: Ana <ana@example.com>\r
To: support@alitools.pt\r
Subject: Re: A sua encomenda A-1001\r
Message-ID: <q1@example.com>\r
\r
Quando chega a encomenda?\r
"""
_RECEIVED: dict[str, Any] = {
    "id": "019b7c2e-5c10-7a31-9a44-2f1f0c6d8e55",
    "kind": "bounce",
    "recipient": "cliente@example.com",
    "bounce_type": "hard",
    "status_code": "5.1.1",
    "tracking_id": "0199f3c2-9a41-7c55-b1de-5f2f6f0f8a11",
}
_LISTED: dict[str, Any] = _RECEIVED | {
    "kind": "human",
    "recipient": None,
    "bounce_type": None,
    "status_code": None,
    "never_auto_reply": None,
    "quarantine_reason": None,
    "from_address": "ana@example.com",
    "from_name": "Ana",
    "to_addresses": ["support@alitools.pt"],
    "cc_addresses": [],
    "envelope_sender": None,
    "subject": "Re: A sua encomenda A-1001",
    "date": "2026-01-15T10:29:58Z",
    "received_at": "2026-01-15T10:30:00Z",
    "message_id": "<q1@example.com>",
    "in_reply_to": "<0199f3c2-9a41-7c55-b1de-5f2f6f0f8a11@alitools.pt>",
    "thread_id": "6f1ed002ab5595859014ebf0951522d9",
    "language": None,
    "attachments": [
        {"filename": "foto.jpg", "content_type": "image/jpeg", "size_bytes": 48213},
    ],
    "size_bytes": 66820,
    "mode": "live",
}
RAW = OpenApiExample(
    "A mail in base64",
    {"raw": b64encode(_MAIL).decode()},
    request_only=True,
    media_type="application/json",
)
MAIL = OpenApiExample(
    "A mail as it is", _MAIL.decode(), request_only=True, media_type="message/rfc822"
)
RECEIVED = OpenApiExample("A bounce", _RECEIVED, response_only=True, status_codes=["202"])
LISTED = OpenApiExample("A question", _LISTED, response_only=True)
INBOUND = OpenApiExample(
    "A question with its texts",
    _LISTED
    | {
        "references": ["<0199f3c2-9a41-7c55-b1de-5f2f6f0f8a11@alitools.pt>"],
        "text": "Quando chega a encomenda?\n\nEm 14/01/2026, Alitools escreveu:\n> Obrigado, Ana!",
        "reply_text": "Quando chega a encomenda?",
        "html_text": "",
    },
    response_only=True,
)
