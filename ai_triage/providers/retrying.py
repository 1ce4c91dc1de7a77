"""One question's calls: their time, their retries, their cost; the same for every provider."""

from __future__ import annotations

import asyncio
import random
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import httpx2

from ai_triage import metrics
from ai_triage.errors import BadAnswer, Blocked, NoVerdict, ProviderRefused, ProviderUnavailable
from ai_triage.providers.base import Answer
from ai_triage.usage import Usage
from ai_triage.verdicts import parse_verdict

WAITS = (0.25, 0.5, 1.0, 2.0)
LEAST_SECONDS = 1.0
"""With less time left than this, no further call is begun."""
FEW_TOKENS, MANY_TOKENS = 2048, 8192
"""How long an answer may be, and how long after one that was cut; thinking counts."""
LONGEST_RETRY_AFTER = 86_400.0
TRUNCATED = "truncated"

_PASSING = frozenset([408, 425, 429])
_OF_THIS_QUESTION = frozenset([400, 413, 422])


@dataclass(frozen=True)
class Completion:
    """What one call brought; nothing of ``text`` is believed yet.

    ``blocked`` is the reason why the model declined, ``is_cut`` that it ran out of tokens.
    """

    text: str
    model_version: str
    usage: Usage
    blocked: str | None = None
    is_cut: bool = False


class Call(Protocol):
    async def __call__(self, *, most_tokens: int, seconds: float) -> Completion:
        """Ask the model once.

        Raises:
            NoVerdict: any of them; ``ProviderUnavailable`` is retried.
            httpx2.HTTPError, OSError: the network failed.
        """
        ...


async def ask(call: Call, *, provider: str, within: float, longest: float) -> Answer:
    """Return the answer that ``call`` leads to, or give up ``within`` so many seconds.

    One call takes ``longest`` seconds at most. What passes is tried again after growing waits,
    never before the server said; an answer that is no verdict is asked for once more.

    Raises:
        NoVerdict: with the usage of all calls.
    """
    asking = _Asking(call, provider=provider, within=within, longest=longest)
    try:
        return await asking.answer()
    except NoVerdict as failure:
        failure.usage = asking.usage
        raise


class _Asking:
    def __init__(self, call: Call, *, provider: str, within: float, longest: float) -> None:
        self.usage = Usage()
        self._call = call
        self._provider = provider
        self._longest = longest
        self._deadline = time.monotonic() + within

    async def answer(self) -> Answer:
        try:
            return await self._patiently(FEW_TOKENS)
        except BadAnswer as bad:
            if self._left < LEAST_SECONDS:
                raise
            more = bad.reason == TRUNCATED
        return await self._patiently(MANY_TOKENS if more else FEW_TOKENS)

    @property
    def _left(self) -> float:
        return self._deadline - time.monotonic()

    async def _patiently(self, most_tokens: int) -> Answer:
        for wait in WAITS:
            try:
                return await self._once(most_tokens)
            except ProviderUnavailable as failure:
                pause = max(wait * random.uniform(1, 1.25), failure.retry_after or 0)  # noqa: S311
                if pause + LEAST_SECONDS > self._left:
                    raise
            await asyncio.sleep(pause)
        return await self._once(most_tokens)

    async def _once(self, most_tokens: int) -> Answer:
        with metrics.counted_call(self._provider):
            completion = await self._completion(most_tokens)
            self.usage += completion.usage
            metrics.count_tokens(self._provider, completion.usage)
            return self._read(completion)

    async def _completion(self, most_tokens: int) -> Completion:
        seconds = max(min(self._longest, self._left), 0.01)
        try:
            async with asyncio.timeout(seconds):
                return await self._call(most_tokens=most_tokens, seconds=seconds)
        except (TimeoutError, httpx2.TimeoutException):
            failure = ProviderUnavailable("The provider did not answer in time.")
        except (httpx2.HTTPError, OSError):
            failure = ProviderUnavailable("The provider could not be reached.")
        raise failure  # outside of the except: the first one's request holds the key

    def _read(self, completion: Completion) -> Answer:
        if completion.blocked:
            reason = word(completion.blocked) or "unknown"
            raise Blocked("The provider declined to judge this mail.", reason=reason)
        if completion.is_cut:
            raise BadAnswer("The provider's answer was cut off.", reason=TRUNCATED)
        return Answer(
            verdict=parse_verdict(completion.text),
            provider=self._provider,
            model_version=completion.model_version,
            usage=self.usage,
            raw=completion.text,
        )


def failure_of(status: int, *, said: object = None, retry_after: float | None = None) -> NoVerdict:
    """Return what an HTTP ``status`` means; of what the server ``said`` only a word is kept."""
    if status in _PASSING or status >= 500:
        return ProviderUnavailable(f"The provider answered {status}.", retry_after=retry_after)
    if status in _OF_THIS_QUESTION:
        return Blocked(f"The provider would not take this mail ({status}).", reason="not_taken")
    if status < 300:
        return BadAnswer("The provider's answer is empty.", reason="empty")
    return ProviderRefused(f"The provider refused: {status} {word(said)}".strip() + ".")


def word(said: object) -> str:
    """Return ``said`` in lower case if it is one plain short word, else nothing."""
    if isinstance(said, str) and re.fullmatch(r"[A-Za-z_]{1,40}", said):
        return said.lower()
    return ""


def version(told: object, model: str) -> str:
    """Return the model's name as the server ``told`` it, the one asked for where that is none."""
    is_name = isinstance(told, str) and re.fullmatch(r"[\w./:@-]{1,100}", told, re.ASCII)
    return str(told) if is_name else model


def stated_wait(said: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` (RFC 9110: seconds or a date), None for none."""
    if said is None:
        return None
    said = said.strip(" \t")
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", said, re.ASCII):
        return min(float(said), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
