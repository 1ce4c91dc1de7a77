"""What has to be set before the chosen provider can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

OPENAI_ITSELF = "https://api.openai.com/"


def check_providers(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse to start with a provider that could judge nothing."""
    chosen = {"TRIAGE_PROVIDER": settings.TRIAGE_PROVIDER}
    if settings.TRIAGE_FALLBACK != "none":
        chosen["TRIAGE_FALLBACK"] = settings.TRIAGE_FALLBACK
    if len(set(chosen.values())) < len(chosen):
        return [
            Error(
                f"TRIAGE_FALLBACK is {settings.TRIAGE_FALLBACK}, as TRIAGE_PROVIDER is already.",
                hint="Name another provider, or none.",
                id="ai_triage.E001",
            )
        ]
    return [
        Error(f"{variable} is {name}, which needs {missing}.", id="ai_triage.E002")
        for variable, name in chosen.items()
        for missing in _missing(name)
    ]


def _missing(name: str) -> list[str]:
    needed = {
        "gemini": {"GEMINI_API_KEY": settings.GEMINI_API_KEY},
        "openai": {"OPENAI_MODEL": settings.OPENAI_MODEL},
    }.get(name, {})
    if name == "openai" and settings.OPENAI_BASE_URL.startswith(OPENAI_ITSELF):
        needed["OPENAI_API_KEY"] = settings.OPENAI_API_KEY
    return [variable for variable, value in needed.items() if not value]
