"""What can go wrong between a mail and its verdict, by who must act on it."""

from __future__ import annotations

from ai_triage.usage import Usage
from common.errors import PermanentError, ProviderError, TransientError


class NoVerdict(ProviderError):
    """A provider gave no verdict; ``usage`` is what it bills for its calls nevertheless."""

    usage = Usage()


class ProviderUnavailable(NoVerdict, TransientError):
    """Not reachable, overloaded or late; ``retry_after`` is in seconds, None where unsaid."""

    code = "provider_unavailable"

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ProviderRefused(NoVerdict, PermanentError):
    """A bad key or a spent quota: again would fail the same way, so it stops and alerts."""

    code = "provider_unavailable"


class BadAnswer(NoVerdict):
    """The provider answered something that is no verdict; ``reason`` is a short stable word."""

    code = "provider_bad_answer"

    def __init__(self, detail: str, *, reason: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Blocked(NoVerdict):
    """The provider would not judge this mail (a safety block): a person does."""

    code = "blocked"

    def __init__(self, detail: str, *, reason: str) -> None:
        super().__init__(detail)
        self.reason = reason
