"""Which hosts may be connected to, and connections to exactly the addresses that were checked."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import idna
from django.conf import settings

from common.errors import PermanentError, TransientError

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
Lookup = Callable[[str, int], Awaitable[list[str]]]
"""Answers the addresses of a name; raises OSError when there are none."""


class HostRefused(PermanentError):
    """The host is misspelt, or one of its addresses is not allowed; nothing was connected."""

    code = "host_refused"


class HostUnreachable(TransientError):
    """The name has no address, or none of the addresses accepted a connection."""

    code = "host_unreachable"


@dataclass(frozen=True)
class Address:
    """One checked address and the port to connect to."""

    ip: IPAddress
    port: int


async def system_lookup(host: str, port: int) -> list[str]:
    """Return what the system's resolver (files and DNS) knows about ``host``.

    Each look-up has a daemon thread of its own: a hanging resolver in the loop's executor
    would hold back the end of ``asyncio.run`` beyond every deadline.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str] | Exception) -> None:
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def work() -> None:
        found = _getaddrinfo(host, port)
        try:
            loop.call_soon_threadsafe(settle, found)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    threading.Thread(target=work, name="lookup", daemon=True).start()
    return await answer


def _getaddrinfo(host: str, port: int) -> list[str] | Exception:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return OSError(str(error))
    return [str(sockaddr[0]) for _family, _type, _proto, _name, sockaddr in found]


@dataclass(frozen=True)
class NetworkPolicy:
    """What may be connected to besides the public internet.

    ``private_hosts`` holds names and networks (CIDR) that are allowed although private; a named
    host may have any address, since whoever lists it answers for it.
    """

    allow_private: bool
    private_hosts: tuple[str, ...] = ()
    lookup: Lookup = field(default=system_lookup, repr=False, compare=False)

    def __post_init__(self) -> None:
        _ = self._networks

    def permits(self, host: str, ip: IPAddress) -> bool:
        """Whether ``ip``, found under the normalised name ``host``, may be connected to."""
        if is_public(ip) or host.rstrip(".") in self._names:
            return True
        if any(ip in network for network in self._networks):
            return True
        return self.allow_private and is_private(ip)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(entry.lower().rstrip(".") for entry in self.private_hosts)

    @cached_property
    def _networks(self) -> tuple[IPNetwork, ...]:
        return tuple(ip_network(entry) for entry in self.private_hosts if _is_network(entry))


def _is_network(entry: str) -> bool:
    """Whether an entry is meant as a network; a wrong one then fails loudly, not as a name."""
    return "/" in entry or ":" in entry or bool(_NUMERIC_END.search(entry))


def default_policy() -> NetworkPolicy:
    """Return the policy that the operator set."""
    return NetworkPolicy(
        allow_private=settings.SENDCRAFT_ALLOW_PRIVATE_HOSTS,
        private_hosts=tuple(settings.SENDCRAFT_PRIVATE_HOSTS),
    )


# IANA special-purpose registries (2024). Python's own predicates miss several of these, and
# differ between patch releases.
_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)
# Only 2000::/3 is handed out for global use, so mapped, compatible, NAT64, site-local, unique
# local and segment-routing addresses are out without being named.
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
_PRIVATE: tuple[IPNetwork, ...] = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::1/128",
            "fc00::/7",
            "fe80::/10",
        ),
    )
)


def is_public(ip: IPAddress) -> bool:
    """Whether ``ip`` is an ordinary host of the public internet."""
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _SPECIAL_V4)
    return ip in _GLOBAL_V6 and not any(ip in network for network in _SPECIAL_V6)


def is_private(ip: IPAddress) -> bool:
    """Whether ``ip`` surely stays on this machine or network (loopback, link-local, private).

    Not the opposite of ``is_public``: multicast, translated and reserved addresses are neither.
    """
    return any(ip in network for network in _PRIVATE)


_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?")
# A last label that is a number makes resolvers read the whole as an IPv4 address (127.1, 0x7f.1).
_NUMERIC_END = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$", re.IGNORECASE)


def normalise_host(host: str) -> str:
    """Return ``host`` as a lower-case ASCII name or a canonical address.

    Raises:
        HostRefused: it is neither, or an address in an unusual spelling.
    """
    try:
        return str(ip_address(host)) if "%" not in host else _refuse(host)
    except ValueError:
        name = _ascii(host.lower())
    if len(name) > 253 or not _NAME.fullmatch(name) or _NUMERIC_END.search(name):
        _refuse(host)
    return name


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return idna.encode(host).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return _refuse(host)


def _refuse(host: str) -> str:
    raise HostRefused("This is not a host name or an IP address.")


async def resolve(host: str, port: int, *, policy: NetworkPolicy) -> list[Address]:
    """Return the addresses of ``host``, every one of them allowed by ``policy``.

    Connect to these and to nothing else: a second look-up could answer differently.

    Raises:
        HostRefused: not a host name, or any of its addresses is not allowed.
        HostUnreachable: the name has no address.
    """
    name = normalise_host(host)
    ips = await _addresses_of(name, port, lookup=policy.lookup)
    if not all(policy.permits(name, ip) for ip in ips):
        raise HostRefused("Connections to this host are not allowed.")
    return [Address(ip=ip, port=port) for ip in ips]


async def _addresses_of(name: str, port: int, *, lookup: Lookup) -> list[IPAddress]:
    try:
        return [ip_address(name)]
    except ValueError:
        pass
    try:
        found = [ip_address(text) for text in await lookup(name, port)]
    except (OSError, ValueError):
        found = []
    if not found:
        raise HostUnreachable("The host name has no address.")
    return list(dict.fromkeys(found))


async def connect(
    addresses: Sequence[Address], *, deadline: float
) -> tuple[socket.socket, Address]:
    """Return a connected, non-blocking socket to the first address that answers, and that address.

    ``addresses`` come from ``resolve``; ``deadline`` is in the loop's time. Each address gets an
    equal share of what is left, so one that swallows packets doesn't starve the next.

    Raises:
        HostUnreachable: none of them accepted.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = TimeoutError()
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        now = loop.time()
        try:
            async with asyncio.timeout_at(now + (deadline - now) / left):
                return await _connect_one(address), address
        except OSError as error:
            failure = error
    raise HostUnreachable(_reason(failure)) from failure


def _reason(failure: OSError) -> str:
    if isinstance(failure, ConnectionRefusedError):
        return "The server refused the connection."
    if isinstance(failure, TimeoutError):
        return "The server did not answer in time."
    return "The server could not be reached."


async def _connect_one(address: Address) -> socket.socket:
    family = socket.AF_INET if address.ip.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (str(address.ip), address.port))
    except BaseException:
        connection.close()
        raise
    return connection
