"""What has to be set before an account's passwords can be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_keys(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse to start without a key for the accounts' passwords."""
    if any(settings.ENCRYPTION_KEYS):
        return []
    return [
        Error(
            "ENCRYPTION_KEYS is empty, so the passwords of accounts can be neither kept nor read.",
            hint="Set it to a comma-separated list of keys, the newest first.",
            id="accounts.E001",
        )
    ]
