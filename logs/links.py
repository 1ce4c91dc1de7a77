"""Signed links that stand in messages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from urllib.parse import quote

from django.conf import settings

from common.tokens import make_token, read_token

UNSUBSCRIBE = "unsubscribe"
PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")


def unsubscribe_url(tracking_id: uuid.UUID) -> str:
    """Return the message's own unsubscribe page, which is also its one-click target."""
    token = make_token(UNSUBSCRIBE, tracking_id.bytes)
    return f"{settings.PUBLIC_URL}/u/{token}"


def unsubscribed_message(token: str) -> uuid.UUID | None:
    """Return the tracking id that an unsubscribe token names, or None for a forged one."""
    payload = read_token(UNSUBSCRIBE, token)
    return uuid.UUID(bytes=payload) if payload is not None and len(payload) == 16 else None


def with_places_filled(url: str, variables: Mapping[str, object]) -> str:
    """Return a caller's own ``unsubscribe_url`` with each ``{name}`` replaced, percent-encoded."""

    def value(match: re.Match[str]) -> str:
        given = variables.get(match[1])
        return quote(str(given), safe="") if isinstance(given, str | int) else match[0]

    return PLACE.sub(value, url)


def supplied_variables(
    tracking_id: uuid.UUID, variables: Mapping[str, object]
) -> dict[str, object]:
    """Return what a template gets besides its ``variables``: a link to unsubscribe by.

    A caller's own ``unsubscribe_url`` wins in the body; the headers keep ours.
    """
    own = variables.get("unsubscribe_url")
    if isinstance(own, str) and own:
        return {"unsubscribe_url": with_places_filled(own, variables)}
    return {"unsubscribe_url": unsubscribe_url(tracking_id)}
