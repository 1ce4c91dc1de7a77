"""What an endpoint's settings may be, whoever sets them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import httpx2

from common.errors import Refused
from common.network import HostRefused, NetworkPolicy, normalise_host
from common.text import check_text
from webhooks.events import ALL_TYPES, TYPES

URL_LENGTH = 2000
DESCRIPTION_LENGTH = 500
SCHEMES = ("https", "http")
LOOPBACK = ip_address("127.0.0.1")


def checked_url(url: str, *, policy: NetworkPolicy) -> str:
    """Return the URL as it is asked: host and path in ASCII.

    An address or ``localhost`` must be allowed by ``policy``. What a name stands for is checked
    with every connection, since it can change.

    Raises:
        Refused: not such a URL.
    """
    check_text(url, "url")
    try:
        parsed = httpx2.URL(url.strip())
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise _bad("This is not a URL.") from None
    if parsed.scheme not in SCHEMES:
        raise _bad("A webhook's URL begins with https:// or http://.")
    if parsed.userinfo:
        raise _bad("A user and a password can't stand in the URL; the signature proves who sent.")
    if parsed.fragment:
        raise _bad("A fragment (#…) is never sent; leave it out.")
    if parsed.port is not None and not 1 <= parsed.port <= 65535:
        raise _bad("The port is from 1 to 65535.")
    _check_host(parsed.raw_host.decode("ascii", "replace"), policy=policy)
    canonical = str(parsed)
    if len(canonical) > URL_LENGTH:
        raise _bad(f"A URL has up to {URL_LENGTH} characters.")
    return canonical


def checked_events(events: Sequence[str]) -> list[str]:
    """Return the types once each, in our order, or ``["*"]`` for all.

    Raises:
        Refused: none at all, or one that does not exist.
    """
    if not events:
        raise Refused('Name at least one event type, or "*" for all.', attr="events")
    for number, one in enumerate(events):
        if one != ALL_TYPES and one not in TYPES:
            raise Refused(
                "There is no such event type.", code="unknown_event", attr=f"events.{number}"
            )
    return [ALL_TYPES] if ALL_TYPES in events else [one for one in TYPES if one in events]


def checked_description(text: str) -> str:
    if len(text) > DESCRIPTION_LENGTH:
        raise Refused(
            f"A description has up to {DESCRIPTION_LENGTH} characters.", attr="description"
        )
    return check_text(text.strip(), "description")


def _check_host(host: str, *, policy: NetworkPolicy) -> None:
    try:
        name = normalise_host(host)
    except HostRefused as refusal:
        raise _bad(refusal.detail) from refusal
    try:
        ip = ip_address(name)
    except ValueError:
        if not f".{name.rstrip('.')}".endswith(".localhost"):  # always loopback (RFC 6761)
            return
        ip = LOOPBACK
    if not policy.permits(name, ip):
        raise _bad("Connections to this host are not allowed.", code=HostRefused.code)


def _bad(detail: str, *, code: str | None = None) -> Refused:
    return Refused(detail, code=code, attr="url")
