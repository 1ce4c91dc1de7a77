"""Asking the DNS: what a name has, and whether the answer can be trusted to be one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
from django.conf import settings
from dns.rdtypes.ANY.TXT import TXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.rdata import Rdata

logger = logging.getLogger(__name__)

# The size that passes unfragmented everywhere (DNS flag day 2020); more comes over TCP.
_UDP_PAYLOAD = 1232


class RecordType(StrEnum):
    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    TXT = "TXT"


class Outcome(StrEnum):
    FOUND = "found"
    NONE = "none"
    FAILED = "failed"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Answer:
    """What the DNS said about one name and type.

    ``values`` are texts: a TXT's strings joined, an address, an MX as ``10 mx.example.com``
    (the host alone ``.`` where it is the root). ``is_alias``: a CNAME led to them.
    """

    outcome: Outcome
    values: tuple[str, ...] = ()
    is_alias: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether the DNS answered at all; if not, nothing is known about the name."""
        return self.outcome in {Outcome.FOUND, Outcome.NONE}


class Resolver(Protocol):
    async def ask(self, name: str, *, kind: RecordType) -> Answer:
        """Return what ``name`` has of ``kind``; a failure to ask is an answer, not an error."""


class DNSResolver:
    """Asks the servers ``address:port``, in turn; without any, those of the system."""

    def __init__(self, servers: Sequence[str] = (), *, patience: timedelta | None = None) -> None:
        self._patience = (patience or timedelta(seconds=5)).total_seconds()
        self._stub = _stub(servers)
        self._stub.timeout = self._patience / 3
        self._stub.use_edns(0, 0, _UDP_PAYLOAD)

    @classmethod
    def from_settings(cls) -> DNSResolver:
        """Return the resolver that ``DNS_RESOLVERS`` describes."""
        return cls(settings.DNS_RESOLVERS)

    async def ask(self, name: str, *, kind: RecordType) -> Answer:
        try:
            found = await self._stub.resolve(
                dns.name.from_text(name, dns.name.root),
                dns.rdatatype.from_text(kind),
                lifetime=self._patience,
                backend=dns.asyncbackend.get_backend("asyncio"),
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.NameTooLong):
            return Answer(Outcome.NONE)
        except (dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.BadEscape, UnicodeError):
            return Answer(Outcome.NONE)
        except dns.exception.Timeout:
            return Answer(Outcome.TIMEOUT)
        except (dns.exception.DNSException, OSError) as error:
            logger.info("dns.failed", extra={"record_type": kind, "error": type(error).__name__})
            return Answer(Outcome.FAILED)
        values = tuple(_text(record) for record in found)
        return Answer(Outcome.FOUND, values, is_alias=found.canonical_name != found.qname)


class BoundedResolver:
    """Asks ``resolver`` each question once, ``most`` questions, and only for ``within``.

    What others publish decides how much is asked, so all questions of one check share one
    allowance. To be made where it is used, in a running event loop.
    """

    def __init__(self, resolver: Resolver, *, within: timedelta, most: int) -> None:
        self._resolver = resolver
        self._deadline = asyncio.get_running_loop().time() + within.total_seconds()
        self._most = most
        self._asked: dict[tuple[str, RecordType], asyncio.Task[Answer]] = {}

    async def ask(self, name: str, *, kind: RecordType) -> Answer:
        key = (name.lower().removesuffix("."), kind)
        if key not in self._asked:
            if len(self._asked) >= self._most:
                return Answer(Outcome.FAILED)
            self._asked[key] = asyncio.create_task(self._ask(*key))
        return await self._asked[key]

    async def _ask(self, name: str, kind: RecordType) -> Answer:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._resolver.ask(name, kind=kind)
        except TimeoutError:
            return Answer(Outcome.TIMEOUT)


def _stub(servers: Sequence[str]) -> dns.asyncresolver.Resolver:
    """Return dnspython's resolver; without usable servers, each question fails."""
    if not servers:
        try:
            return dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            logger.warning("dns.no_system_resolver")
    stub = dns.asyncresolver.Resolver(configure=False)
    stub.nameservers = [_nameserver(server) for server in servers]
    return stub


def _nameserver(server: str) -> dns.nameserver.Nameserver:
    host, _, port = server.rpartition(":")
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))


def _text(record: Rdata) -> str:
    if isinstance(record, TXT):
        return b"".join(record.strings).decode("utf-8", "backslashreplace")
    text = record.to_text()
    return text if text.endswith(" .") else text.removesuffix(".")
