"""Topics in words that a recipient understands."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from delivery.acceptance import BULK_TOPIC

# A template's type is whatever its author wrote; these are common, in our demo and elsewhere.
KNOWN: dict[str, Any] = {
    BULK_TOPIC: _("Newsletters and announcements"),
    "newsletter": _("Newsletter"),
    "marketing": _("Offers and news"),
    "promotion": _("Offers and news"),
    "promotional": _("Offers and news"),
    "announcement": _("Announcements"),
    "notification": _("Notifications"),
    "reminder": _("Reminders"),
    "invitation": _("Invitations"),
    "survey": _("Surveys"),
    "transactional": _("Messages about your orders and your account"),
}


def in_words(topic: str) -> str:
    """Return the topic's name in the active language, else as its author wrote it."""
    if name := KNOWN.get(topic.lower().removesuffix("s")) or KNOWN.get(topic.lower()):
        return str(name)
    words = " ".join(topic.replace("_", " ").replace("-", " ").split())
    return words[:1].upper() + words[1:]
