"""What a key may be allowed to do."""

from __future__ import annotations

from collections.abc import Collection

ALL_SCOPES = "*"
SCOPES = (
    "emails:send",
    "emails:read",
    "domains:write",
    "accounts:write",
    "templates:write",
    "suppressions:write",
    "webhooks:write",
    "triage:process",
    "triage:read",
    "prompts:write",
    "inbound:write",
    "analytics:read",
)


def covers(granted: Collection[str], scope: str) -> bool:
    """Tell whether ``granted`` allows ``scope``; a write scope includes reading its things."""
    return ALL_SCOPES in granted or scope in granted
