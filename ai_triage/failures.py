"""What a provider's failure says, in the reader's language: stored it is English."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from common.stored_texts import beginnings, translated

SAID = (
    _("GEMINI_API_KEY is not set"),
    _("The provider answered"),
    _("The provider could not be reached"),
    _("The provider declined to judge this mail"),
    _("The provider did not answer in time"),
    _("The provider is paused: it has failed"),
    _("The provider refused"),
    _("The provider refused: the key or its account is not valid"),
    _("The provider would not take this mail"),
    _("The provider's answer is empty"),
    _("The provider's answer is not JSON"),
    _("The provider's answer is too long"),
    _("The provider's answer was cut off"),
    _("The provider's answer was refused"),
)
"""What may stand before a full stop, a status, or a colon and what was wrong in detail."""

_KNOWN = beginnings(SAID)


def in_words(failure: str) -> str:
    """Return a failure as one reads it; details, and what is unknown, stay."""
    return translated(failure, known=_KNOWN)
