"""The client's address, behind the proxies that the operator trusts."""

from __future__ import annotations

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

_WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([0-9.]+))(?::[0-9]+)?")


def is_trusted(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in settings.TRUSTED_PROXIES)


def client_address(request: HttpRequest) -> str:
    """Return the peer's address, or what trusted proxies say of it in ``X-Forwarded-For``.

    The header is read from the right and only as far as trusted proxies wrote it; a port that
    they add (Azure's do, to IPv6 with brackets) is left out.
    """
    address: str = request.META.get("REMOTE_ADDR", "")
    stated = request.headers.get("X-Forwarded-For", "")
    hops = [_without_port(hop.strip()) for hop in stated.split(",")]
    while hops and hops[-1] and is_trusted(address):
        address = hops.pop()
    return address


def _without_port(hop: str) -> str:
    found = _WITH_PORT.fullmatch(hop)
    return found[1] or found[2] if found else hop
