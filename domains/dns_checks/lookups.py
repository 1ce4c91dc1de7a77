"""Questions that several checks ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domains.dns_checks.senders import Address, parse_address
from domains.providers.dns import RecordType

if TYPE_CHECKING:
    from domains.providers.dns import Answer, Resolver


@dataclass(frozen=True)
class Host:
    """What the DNS says about a host; ``unsettled`` is a question that nobody answered."""

    addresses: tuple[Address, ...] = ()
    is_alias: bool = False
    unsettled: Answer | None = None


async def find_host(name: str, *, resolver: Resolver) -> Host:
    """Return the addresses of both families of the host ``name``, which may be an address."""
    literal = parse_address(name)
    if literal:
        return Host((literal,))
    answers = await asyncio.gather(
        resolver.ask(name, kind=RecordType.A), resolver.ask(name, kind=RecordType.AAAA)
    )
    parsed = (parse_address(value) for answer in answers for value in answer.values)
    return Host(
        addresses=tuple(address for address in parsed if address),
        is_alias=any(answer.is_alias for answer in answers),
        unsettled=next((answer for answer in answers if not answer.is_settled), None),
    )


async def find_exchanges(name: str, *, resolver: Resolver) -> tuple[Answer, list[str]]:
    """Return the answer about the MX of ``name`` and its hosts, ``.`` for a null MX."""
    answer = await resolver.ask(name, kind=RecordType.MX)
    return answer, [value.partition(" ")[2] for value in answer.values]
