"""How long ago something was, in words that read well from its first moment on."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def age(at: datetime | None, units: int = 1) -> str:
    """Return the time since ``at`` in its largest unit, such as “3 hours”, or in more of them."""
    if at is None:
        return ""
    if timezone.now() - at < timedelta(minutes=1):
        return _("less than a minute")
    return timesince(at, depth=units)
