"""What an SPF record needs so that mail sent through an SMTP host passes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from common.errors import Refused
from domains.names import normalize_domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domains.dns_checks.spf_record import Network

Address = IPv4Address | IPv6Address

# Providers send from other hosts than the one they take mail on, so each publishes a record
# to include. The first is what their help pages ask for in 2026, any of them will do.
_PROVIDERS = (
    (r"(.*\.)?(gmail|google|googlemail)\.com", ("_spf.google.com",)),
    (r"(.*\.)?(outlook|office365|hotmail)\.com", ("spf.protection.outlook.com",)),
    (r"email-smtp\..*\.amazonaws\.com", ("amazonses.com",)),
    (r"(.*\.)?zoho\.com", ("zohomail.com", "zoho.com", "one.zoho.com")),
    (r"(.*\.)?zoho\.eu", ("zohomail.eu", "zoho.eu", "one.zoho.eu")),
    (r"(.*\.)?zoho\.in", ("zohomail.in", "zoho.in", "one.zoho.in")),
    (r"(.*\.)?(brevo|sendinblue)\.com", ("spf.brevo.com", "spf.sendinblue.com")),
    (r"(.*\.)?ovh\.(net|com|ca)", ("mx.ovh.com",)),
    (r"(.*\.)?sendgrid\.net", ("sendgrid.net",)),
    (r"(.*\.)?mailgun\.org", ("mailgun.org", "eu.mailgun.org")),
)

# Not ``is_private``: that also covers networks set aside for documentation and tests.
_INTERNAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/127",
        "fc00::/7",
        "fe80::/10",
    )
)


@dataclass(frozen=True)
class Need:
    """``host`` sends our mail, so SPF has to allow it: by one of ``mechanisms``, the first is best.

    ``is_provider``: a provider of whom we know that nothing else will do.
    """

    host: str
    mechanisms: tuple[str, ...]
    is_provider: bool = False


def need_of(host: str) -> Need | None:
    """Return what SPF needs for ``host``, None where it has no full name."""
    address = parse_address(host)
    if address:
        return Need(host, (f"ip{address.version}:{address}",))
    try:
        host = normalize_domain(host)
    except Refused:
        return None
    for pattern, includes in _PROVIDERS:
        if re.fullmatch(pattern, host):
            names = tuple(f"include:{name}" for name in includes)
            return Need(host, names, is_provider=True)
    return Need(host, (f"a:{host}",))


def parse_address(text: str) -> Address | None:
    """Return the IP address that ``text`` is, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def is_internal(address: Address) -> bool:
    """Whether ``address`` is one that receivers on the internet never see."""
    return any(address in network for network in _INTERNAL)


def covers(networks: Iterable[Network], addresses: Sequence[Address]) -> bool:
    """Whether one of ``networks`` holds one of ``addresses``."""
    return any(address in network for network in networks for address in addresses)
