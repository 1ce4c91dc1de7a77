"""Following an SPF record into the records it includes, as a receiver would."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from domains.dns_checks.lookups import find_exchanges, find_host
from domains.dns_checks.report import Finding, Verdict, finding, unsettled
from domains.dns_checks.spf_record import Network, SpfSyntaxError, Term, is_spf, parse_spf
from domains.providers.dns import RecordType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domains.providers.dns import Resolver

# RFC 7208 section 4.6.4; it also bounds how deep and how wide the walk goes.
_MOST_LOOKUPS = 10
_MOST_EXCHANGES = 10
_ASKS = {"include", "a", "mx", "ptr", "exists", "redirect"}
_EVERYBODY = [ip_network("0.0.0.0/0"), ip_network("::/0")]


class BrokenSpfError(Exception):
    """The record can't be followed to its end; ``finding`` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


class SpfWalk:
    """Collects what one domain's record allows.

    What follows a match is not weighed: an address counts as allowed where any mechanism
    allows it, so a ``-ip4`` before it goes unseen.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.unsettled = False
        self._resolver = resolver
        self._lookups = 0
        self._words: set[str] = set()
        self._networks: list[Network] = []
        self._hosts: list[tuple[Term, str]] = []

    @property
    def allows_everybody(self) -> bool:
        """Whether the whole internet may send: a ``+all`` somewhere, or as good as one."""
        return any(network.prefixlen == 0 for network in self._networks)

    def names(self, mechanisms: Iterable[str]) -> bool:
        """Whether one of ``mechanisms``, such as ``a:mail.example.com``, was passed by."""
        return not self._words.isdisjoint(mechanisms)

    async def follow(self, terms: Sequence[Term], *, domain: str, passes: bool = True) -> None:
        """Take in ``terms`` of ``domain``'s record; unless it ``passes``, count look-ups only.

        Raises:
            BrokenSpfError: an included record is wrong, can't be had, or there are too many.
        """
        for term in terms:
            self._count(term)
            allows = passes and term.qualifier in {"+", ""}
            if allows:
                self._take(term, domain=domain)
            if term.name in {"include", "redirect"} and not term.has_macro:
                await self._enter(term.value, passes=allows)

    async def networks(self) -> list[Network]:
        """Return all allowed networks, those of ``a`` and ``mx`` looked up now."""
        while self._hosts:
            term, name = self._hosts.pop()
            for host in await self._host_names(term, name=name):
                await self._take_host(host, term=term)
        return self._networks

    def _count(self, term: Term) -> None:
        self._lookups += term.name in _ASKS
        if self._lookups > _MOST_LOOKUPS:
            raise BrokenSpfError(finding(Verdict.WRONG, "spf_too_many"))

    def _take(self, term: Term, *, domain: str) -> None:
        target = (term.value or domain).lower().removesuffix(".")
        self._words.add(f"{term.name}:{target}")
        if term.network:
            self._words.add(f"{term.name}:{term.network.network_address}")
            self._networks.append(term.network)
        if term.name == "all":
            self._networks += _EVERYBODY
        if term.name in {"a", "mx"} and not term.has_macro:
            self._hosts.append((term, target))

    async def _enter(self, domain: str, *, passes: bool) -> None:
        answer = await self._resolver.ask(domain, kind=RecordType.TXT)
        if not answer.is_settled:
            raise BrokenSpfError(unsettled(answer, name=domain))
        texts = [text for text in answer.values if is_spf(text)]
        if len(texts) != 1:
            raise BrokenSpfError(finding(Verdict.WRONG, "spf_included", name=domain))
        try:
            terms = parse_spf(texts[0])
        except SpfSyntaxError:
            raise BrokenSpfError(finding(Verdict.WRONG, "spf_included", name=domain)) from None
        await self.follow(terms, domain=domain, passes=passes)

    async def _host_names(self, term: Term, *, name: str) -> list[str]:
        if term.name == "a":
            return [name]
        answer, hosts = await find_exchanges(name, resolver=self._resolver)
        self.unsettled |= not answer.is_settled
        return [host for host in hosts if host != "."][:_MOST_EXCHANGES]

    async def _take_host(self, name: str, *, term: Term) -> None:
        host = await find_host(name, resolver=self._resolver)
        self.unsettled |= host.unsettled is not None
        for address in host.addresses:
            prefix = term.prefix4 if address.version == 4 else term.prefix6
            self._networks.append(ip_network(f"{address}/{prefix}", strict=False))
