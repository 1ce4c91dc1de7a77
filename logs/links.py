"""Signed links that stand in messages; to believe them needs no database."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

from django.conf import settings

from common.tokens import make_token, read_token, token_maker

UNSUBSCRIBE, OPEN, CLICK = "unsubscribe", "open", "click"
PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
LONGEST_TARGET = 1_400
"""Bytes of a URL whose tracked link stays under 2,083 characters, where some programs cut it."""
_TARGET = re.compile(rb"https?://[^\x00-\x1f\x7f]+", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """Where a link of a message leads: ``url`` holds the bytes that stood in the message."""

    tracking_id: uuid.UUID
    url: bytes


def base_url(host: str = "") -> str:
    """Return what links begin with: the installation's URL, or the same at a tracking host.

    Scheme, port and path are those of ``SENDCRAFT_PUBLIC_URL``, since the same server answers.
    """
    return _at_host(settings.PUBLIC_URL, host) if host else settings.PUBLIC_URL


@lru_cache(maxsize=1024)
def _at_host(public_url: str, host: str) -> str:
    public = urlsplit(public_url)
    return public._replace(netloc=f"{host}:{public.port}" if public.port else host).geturl()


def unsubscribe_url(tracking_id: uuid.UUID, *, host: str = "") -> str:
    """Return the message's own unsubscribe page, which is also its one-click target."""
    return f"{base_url(host)}/u/{make_token(UNSUBSCRIBE, tracking_id.bytes)}"


def unsubscribed_message(token: str) -> uuid.UUID | None:
    """Return the tracking id that an unsubscribe token names, or None for a forged one."""
    return _tracking_id(read_token(UNSUBSCRIBE, token))


def open_url(tracking_id: uuid.UUID, *, host: str = "") -> str:
    """Return the address of the message's invisible image."""
    return f"{base_url(host)}/t/o/{make_token(OPEN, tracking_id.bytes)}.gif"


def opened_message(token: str) -> uuid.UUID | None:
    """Return the tracking id that an image's token names, or None for a forged one."""
    return _tracking_id(read_token(OPEN, token))


def click_urls(tracking_id: uuid.UUID, *, host: str = "") -> Callable[[str], str | None]:
    """Return what makes a target a link that leads there and tells us; None: it had better stay.

    The whole target is in the token, so nothing but what we signed can be redirected to.
    """
    begin, message, token = f"{base_url(host)}/t/c/", tracking_id.bytes, token_maker(CLICK)

    def link(target: str) -> str | None:
        url = _fit(target) if len(target) <= LONGEST_TARGET else None
        return None if url is None else begin + token(message + url)

    return link


@lru_cache(maxsize=1024)
def _fit(target: str) -> bytes | None:
    """Return the bytes of a target that can be tracked."""
    url = target.encode(errors="surrogatepass")
    return url if len(url) <= LONGEST_TARGET and _TARGET.fullmatch(url) else None


def clicked_target(token: str) -> Target | None:
    """Return what a link's token names, or None for a forged one."""
    payload = read_token(CLICK, token)
    if payload is None or not _TARGET.fullmatch(payload[16:]):
        return None
    return Target(uuid.UUID(bytes=payload[:16]), payload[16:])


def _tracking_id(payload: bytes | None) -> uuid.UUID | None:
    return uuid.UUID(bytes=payload) if payload is not None and len(payload) == 16 else None


def with_places_filled(url: str, variables: Mapping[str, object]) -> str:
    """Return a caller's own ``unsubscribe_url`` with each ``{name}`` replaced, percent-encoded."""

    def value(match: re.Match[str]) -> str:
        given = variables.get(match[1])
        return quote(str(given), safe="") if isinstance(given, str | int) else match[0]

    return PLACE.sub(value, url)


def own_unsubscribe_url(variables: Mapping[str, object]) -> str:
    """Return the caller's own ``unsubscribe_url`` for this recipient; empty where there is none."""
    own = variables.get("unsubscribe_url")
    return with_places_filled(own, variables) if isinstance(own, str) and own else ""


def supplied_variables(
    tracking_id: uuid.UUID, variables: Mapping[str, object], *, host: str = ""
) -> dict[str, object]:
    """Return what a template gets besides its ``variables``: a link to unsubscribe by.

    A caller's own ``unsubscribe_url`` wins in the body; the headers keep ours.
    """
    own = own_unsubscribe_url(variables)
    return {"unsubscribe_url": own or unsubscribe_url(tracking_id, host=host)}
