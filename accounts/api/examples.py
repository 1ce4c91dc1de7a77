"""What requests and answers look like, for the OpenAPI document."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

NEW = {
    "email_address": "orders@shop.example",
    "display_name": "Shop orders",
    "smtp_server": "smtp.shop.example",
    "smtp_port": 587,
    "smtp_username": "orders@shop.example",
    "smtp_password": "a long password",
    "limit_per_minute": 60,
}
STORED = {
    "id": 7,
    "email_address": "orders@shop.example",
    "display_name": "Shop orders",
    "domain": "shop.example",
    "smtp_server": "smtp.shop.example",
    "smtp_port": 587,
    "smtp_username": "orders@shop.example",
    "use_tls": True,
    "use_ssl": False,
    "allow_plaintext": False,
    "is_active": False,
    "is_default": False,
    "paused_reason": None,
    "last_used": None,
    "max_connections": 4,
    "limit_per_second": None,
    "limit_per_minute": 60,
    "limit_per_hour": None,
    "limit_per_day": None,
    "warmup_start": None,
    "warmup_growth": None,
    "warmup_ceiling": None,
    "fallback_account": None,
    "imap_server": "",
    "imap_port": 993,
    "imap_username": "",
    "imap_use_ssl": True,
    "imap_folder": "INBOX",
    "reads_mail": False,
    "bounce_address": "",
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-01-15T10:30:00Z",
}
PASSED = {
    "ok": True,
    "stage": "ready",
    "detail": "The server is ready for mail of this account.",
    "capabilities": ["PIPELINING", "SIZE 25600000", "8BITMIME", "AUTH PLAIN LOGIN"],
    "latency_ms": 143,
}
FAILED = {
    "ok": False,
    "stage": "auth",
    "detail": "The server refused the user name or the password: 535 5.7.8",
    "capabilities": [],
    "latency_ms": 212,
}

A_NEW_ACCOUNT = OpenApiExample("A new account", NEW, request_only=True)
AN_ACCOUNT = OpenApiExample("An account", STORED, response_only=True)
AN_ACTIVE_ACCOUNT = OpenApiExample(
    "An active account", {**STORED, "is_active": True}, response_only=True
)
A_NEW_PASSWORD = OpenApiExample(
    "A new password", {"smtp_password": "another long password"}, request_only=True
)
A_PASSED_TEST = OpenApiExample("Passed", PASSED, response_only=True)
A_FAILED_TEST = OpenApiExample("Failed", FAILED, response_only=True)
