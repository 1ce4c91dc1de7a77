"""Signatures after Standard Webhooks, whose headers Svix's own verifiers find too."""

from __future__ import annotations

import secrets
from base64 import b64encode
from datetime import UTC, datetime

from standardwebhooks import Webhook

from webhooks.models import WebhookEndpoint
from webhooks.providers.http import Request

PREFIX = "whsec_"
SECRET_BYTES = 32
FAMILIES = ("webhook", "svix")
HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "SendCraft-Webhooks/1",
}


def make_secret() -> str:
    """Return a new secret in the form that verifiers take."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def request_to(
    endpoint: WebhookEndpoint, *, message_id: str, payload: str, at: datetime
) -> Request:
    """Return ``payload`` as it goes to the endpoint, signed as sent ``at``.

    While two secrets are valid there are two signatures, separated by a space.

    Raises:
        SecretUnreadable: the encryption key is missing.
    """
    signatures = [
        Webhook(one).sign(message_id, at.astimezone(UTC), payload) for one in valid(endpoint, at=at)
    ]
    values = {
        "id": message_id,
        "timestamp": str(int(at.timestamp())),
        "signature": " ".join(signatures),
    }
    proof = {f"{family}-{name}": value for family in FAMILIES for name, value in values.items()}
    return Request(url=endpoint.url, body=payload.encode(), headers=HEADERS | proof)


def valid(endpoint: WebhookEndpoint, *, at: datetime) -> list[str]:
    """Return the secrets that sign at that time, the newest first."""
    overlaps = endpoint.previous_secret_until is not None and at < endpoint.previous_secret_until
    return [endpoint.secret, *([endpoint.previous_secret] if overlaps else [])]
