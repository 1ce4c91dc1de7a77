"""How long ago something was, in one word and number: lists have no room for two."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.timesince import timesince

register = template.Library()


@register.filter
def age(at: datetime) -> str:
    """Return the time since ``at`` in its largest unit, such as “3 hours”."""
    return timesince(at, depth=1)
