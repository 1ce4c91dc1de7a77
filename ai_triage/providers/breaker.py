"""Leaving a provider alone while it fails; all processes share what they hear of it.

Losing it, as when the cache is down, only asks more often.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.core.cache import caches
from redis.exceptions import RedisError

from ai_triage import metrics
from ai_triage.errors import BadAnswer, Blocked, ProviderRefused, ProviderUnavailable
from ai_triage.providers.base import PATIENCE, Answer, Provider, Question
from ai_triage.signals import provider_paused, provider_recovered
from common.clock import Clock

logger = logging.getLogger(__name__)
T = TypeVar("T")

FAILURES = 5
"""How many calls in a row must fail before the provider is left alone."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=5)
FIRST_REFUSED, LONGEST_REFUSED = timedelta(minutes=1), timedelta(hours=1)
PROBE = timedelta(seconds=90)
"""For how long one call has the provider to itself after a pause, unless it ends before."""
LOOK_AGAIN = 5.0
REST = 1.0
"""Seconds between two calls during a pause, each for somebody who waits."""
REMEMBERED = timedelta(hours=6)
SILENCE = 5.0

_silent_until = 0.0


@dataclass(frozen=True)
class Trouble:
    """What is known of a provider that fails; times are in seconds since the epoch.

    Before ``told`` the server itself wants no call.
    """

    failures: int = 0
    pauses: int = 0
    until: float = 0.0
    told: float = 0.0
    reason: str = ""


class Breaker:
    """One provider's; another ``fingerprint`` (key, model, URL) knows nothing of its trouble."""

    def __init__(self, provider: str, *, fingerprint: str, clock: Clock | None = None) -> None:
        self._provider = provider
        self._key = f"triage:provider:{provider}:{fingerprint}"
        self._clock = clock or Clock()
        self._cache = caches["default"]  # looked up now: each async task would make one anew

    def trouble(self) -> Trouble | None:
        """Return what is known, None where the provider works or the cache doesn't answer."""
        found = _asked(lambda: self._cache.get(self._key), None)
        return found if isinstance(found, Trouble) else None

    def admit(self, *, is_awaited: bool = False) -> bool:
        """Let a call through; True: it tries a paused provider, and ``release`` ends that.

        The pause itself may be cut short for somebody who waits, by one call at a time:
        who has mended the key or the network must not be refused for as long as the pause lasts.

        Raises:
            ProviderUnavailable: the provider is left alone for ``retry_after`` seconds.
        """
        trouble = self.trouble()
        if trouble is None or not trouble.pauses:
            return False
        left = (trouble.told if is_awaited else trouble.until) - self._now()
        if left <= 0:
            if _asked(lambda: self._cache.add(self._probe, 1, PROBE.total_seconds()), True):
                return True
            left = REST if is_awaited else LOOK_AGAIN
        raise ProviderUnavailable("The provider is paused: it has failed.", retry_after=left)

    def release(self, *, is_awaited: bool = False) -> None:
        """Let another call try, in a second after one for somebody who waits that has failed."""
        if is_awaited and self.trouble():
            _asked(lambda: self._cache.set(self._probe, 1, REST), None)
        else:
            _asked(lambda: self._cache.delete(self._probe), False)

    async def worked(self) -> None:
        """Forget all trouble, and tell of the end of a pause."""
        trouble = self.trouble()
        if trouble is None:
            return
        if _asked(lambda: self._cache.delete(self._key), False) and trouble.pauses:
            await provider_recovered.asend_robust(sender=Breaker, provider=self._provider)

    async def failed(self, failure: ProviderUnavailable | ProviderRefused) -> None:
        """Count the failure, and leave the provider alone where it is one too many.

        Calls that were under way when a pause began make it grow no further.
        """
        trouble = self.trouble() or Trouble()
        told = 0.0
        if isinstance(failure, ProviderUnavailable) and failure.retry_after:
            told = min(failure.retry_after, LONGEST_WAIT.total_seconds())
            trouble = replace(trouble, told=self._now() + told)
        if trouble.until > self._now():
            if told:
                self._keep(trouble)
            return
        if isinstance(failure, ProviderRefused):
            wait = _grown(FIRST_REFUSED, LONGEST_REFUSED, trouble.pauses)
            await self._pause(trouble, wait, failure)
        elif trouble.pauses or trouble.failures + 1 >= FAILURES:
            wait = _grown(FIRST_WAIT, LONGEST_WAIT, trouble.pauses)
            await self._pause(trouble, max(wait, told), failure)
        else:
            self._keep(replace(trouble, failures=trouble.failures + 1))

    async def _pause(
        self, trouble: Trouble, wait: float, failure: ProviderUnavailable | ProviderRefused
    ) -> None:
        pauses, until = trouble.pauses + 1, self._now() + wait
        self._keep(replace(trouble, pauses=pauses, until=until, reason=failure.detail))
        logger.warning(
            "a model's provider is left alone",
            extra={"provider": self._provider, "seconds": round(wait), "reason": failure.detail},
        )
        if isinstance(failure, ProviderRefused) and self._is_first_to_tell(pauses, wait):
            await provider_paused.asend_robust(
                sender=Breaker,
                provider=self._provider,
                reason=failure.detail,
                until=datetime.fromtimestamp(until, UTC),
            )

    def _is_first_to_tell(self, pauses: int, wait: float) -> bool:
        """Whether no other process has told of this pause; without a cache nobody tells."""
        return _asked(lambda: self._cache.add(f"{self._key}:told:{pauses}", 1, wait), False)

    def _keep(self, trouble: Trouble) -> None:
        _asked(lambda: self._cache.set(self._key, trouble, REMEMBERED.total_seconds()), None)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    @property
    def _probe(self) -> str:
        return f"{self._key}:probe"


def _grown(first: timedelta, longest: timedelta, pauses: int) -> float:
    """Return the seconds of the next pause after so many in a row: each is twice the last."""
    grown: timedelta = first * 2 ** min(pauses, 10)
    return min(grown, longest).total_seconds()


def _asked(ask: Callable[[], T], otherwise: T) -> T:
    """Return what the cache says, ``otherwise`` where it doesn't and for seconds after that."""
    global _silent_until  # noqa: PLW0603  (one cache, one process)
    if time.monotonic() < _silent_until:
        return otherwise
    try:
        return ask()
    except (OSError, RedisError) as error:
        _silent_until = time.monotonic() + SILENCE
        logger.warning("the cache does not answer", extra={"error": type(error).__name__})
        return otherwise


class Guarded:
    """A provider behind its breaker; ``is_awaited`` where somebody waits for the answers."""

    def __init__(self, provider: Provider, breaker: Breaker, *, is_awaited: bool = False) -> None:
        self.name = provider.name
        self._provider = provider
        self._breaker = breaker
        self._is_awaited = is_awaited

    async def answer(self, question: Question, *, within: float = PATIENCE) -> Answer:
        """Return the provider's verdict, or fail at once while it is left alone."""
        try:
            is_trial = self._breaker.admit(is_awaited=self._is_awaited)
        except ProviderUnavailable:
            metrics.count_paused(self.name)
            raise
        try:
            return await self._heard(question, within=within)
        finally:
            if is_trial:
                self._breaker.release(is_awaited=self._is_awaited)

    async def _heard(self, question: Question, *, within: float) -> Answer:
        try:
            answer = await self._provider.answer(question, within=within)
        except (ProviderUnavailable, ProviderRefused) as failure:
            await self._breaker.failed(failure)
            raise
        except (BadAnswer, Blocked):
            await self._breaker.worked()
            raise
        await self._breaker.worked()
        return answer
