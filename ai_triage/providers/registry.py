"""The providers by name, and the one that the operator chose."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from django.conf import settings
from django.utils.module_loading import import_string

from ai_triage.errors import ProviderRefused, ProviderUnavailable
from ai_triage.providers.base import PATIENCE, Answer, Provider, Question
from ai_triage.providers.breaker import Breaker, Guarded
from ai_triage.providers.endpoint import Endpoint
from ai_triage.providers.rules import RulesProvider

logger = logging.getLogger(__name__)

# Imported when first asked for: a process that never asks a model must not pay for their packages.
_REMOTE: dict[str, tuple[str, Callable[[], Endpoint]]] = {
    "gemini": (
        "ai_triage.providers.gemini.GeminiProvider",
        lambda: Endpoint(settings.GEMINI_API_KEY, settings.GEMINI_MODEL, settings.GEMINI_BASE_URL),
    ),
    "openai": (
        "ai_triage.providers.openai.OpenAIProvider",
        lambda: Endpoint(settings.OPENAI_API_KEY, settings.OPENAI_MODEL, settings.OPENAI_BASE_URL),
    ),
}
SHARE_OF_FIRST = 0.7
"""How much of the time the first provider has where another may have to step in."""


def configured(*, is_awaited: bool = False) -> Provider:
    """Return the provider of ``TRIAGE_PROVIDER``, with that of ``TRIAGE_FALLBACK`` behind it.

    Where somebody waits, a paused one is tried sooner, unless the other steps in.
    """
    if settings.TRIAGE_FALLBACK == "none":
        return provider_named(settings.TRIAGE_PROVIDER, is_awaited=is_awaited)
    first = provider_named(settings.TRIAGE_PROVIDER)
    return WithFallback(first, provider_named(settings.TRIAGE_FALLBACK, is_awaited=is_awaited))


def provider_named(name: str, *, is_awaited: bool = False) -> Provider:
    """Return the provider; a remote one behind its breaker.

    Raises:
        KeyError: there is none of that name.
    """
    if name == RulesProvider.name:
        return RulesProvider()
    path, endpoint = _REMOTE[name]
    return Guarded(import_string(path)(endpoint()), breaker_of(name), is_awaited=is_awaited)


def breaker_of(name: str) -> Breaker:
    """Return what keeps a remote provider from being asked while it fails."""
    endpoint = _REMOTE[name][1]()
    return Breaker(name, fingerprint=endpoint.fingerprint)


class WithFallback:
    """A provider and another that steps in where the first can't or won't be reached."""

    def __init__(self, first: Provider, second: Provider) -> None:
        self.name = first.name
        self._first = first
        self._second = second

    async def answer(self, question: Question, *, within: float = PATIENCE) -> Answer:
        """Return the first's verdict, else the second's; the answer says whose it is."""
        deadline = time.monotonic() + within
        try:
            return await self._first.answer(question, within=within * SHARE_OF_FIRST)
        except (ProviderUnavailable, ProviderRefused) as failure:
            spent = failure.usage
            logger.warning(
                "another provider steps in",
                extra={"provider": self._second.name, "instead_of": self._first.name},
            )
        left = deadline - time.monotonic()
        answer = await self._second.answer(question, within=left)
        return replace(answer, usage=answer.usage + spent)
