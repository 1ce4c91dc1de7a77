"""What Prometheus is told of the providers: their calls, their time, their tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

from ai_triage.errors import BadAnswer, Blocked, NoVerdict, ProviderRefused, ProviderUnavailable
from ai_triage.usage import Usage

calls = Counter(
    "sendcraft_triage_calls",
    "Calls of a provider by how they ended; each retry is one.",
    ["provider", "outcome"],
)
seconds = Histogram(
    "sendcraft_triage_call_seconds",
    "Time that one call of a provider takes.",
    ["provider"],
    buckets=(0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 60),
)
tokens = Counter(
    "sendcraft_triage_tokens", "Tokens as a provider bills them.", ["provider", "direction"]
)
OUTCOMES = {
    ProviderUnavailable: "unavailable",
    ProviderRefused: "refused",
    BadAnswer: "bad_answer",
    Blocked: "blocked",
}


@contextmanager
def counted_call(provider: str) -> Iterator[None]:
    """Count the call that is made within, and how long it took."""
    began = time.monotonic()
    outcome = "cancelled"
    try:
        yield
        outcome = "answered"
    except NoVerdict as failure:
        outcome = OUTCOMES[type(failure)]
        raise
    finally:
        calls.labels(provider, outcome).inc()
        seconds.labels(provider).observe(time.monotonic() - began)


def count_paused(provider: str) -> None:
    """Count a call that was not made, since the provider is left alone."""
    calls.labels(provider, "paused").inc()


def count_tokens(provider: str, usage: Usage) -> None:
    tokens.labels(provider, "input").inc(usage.input_tokens)
    tokens.labels(provider, "output").inc(usage.output_tokens)
