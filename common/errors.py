"""The errors of the whole product, grouped by who must act on them.

Only ``common.api.errors`` knows how they become HTTP answers.
"""

from __future__ import annotations


class SendCraftError(Exception):
    """The root; ``code`` is stable and ``str(error)`` is safe to show to a client."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None, attr: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.attr = attr
        if code is not None:
            self.code = code


class Refused(SendCraftError):
    """Understood but not possible (422); ``attr`` names the field, dotted where nested."""

    code = "invalid"


class RefusedTogether(Refused):
    """Several refusals of one request, reported in one answer."""

    def __init__(self, refusals: list[Refused]) -> None:
        super().__init__("; ".join(str(refusal) for refusal in refusals))
        self.refusals = refusals


class Gone(Refused):
    """It was there and was removed for good (410)."""

    code = "gone"


class Conflict(SendCraftError):
    """The state has moved on (409); look again before you repeat it."""

    code = "conflict"


class QuotaExceeded(SendCraftError):
    """Too much for now (429); ``retry_after`` is in seconds."""

    code = "throttled"

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ProviderError(SendCraftError):
    """Somebody else's server failed or refused; codes are kept as received (RFC 3463)."""

    code = "provider_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        smtp_code: int | None = None,
        enhanced_code: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.smtp_code = smtp_code
        self.enhanced_code = enhanced_code


class TransientError(ProviderError):
    """Later may work: a 4yz reply, a refused connection, a time-out."""


class OutcomeUnknown(TransientError):
    """Lost after DATA: the message may or may not have been taken (RFC 1047)."""

    code = "outcome_unknown"


class PermanentError(ProviderError):
    """Again would repeat the failure: a 5yz reply."""
