"""What a domain has in the DNS for sending mail, what it should have, and what to do about it."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from domains.dns_checks.advice import advise
from domains.dns_checks.dkim import check_dkim
from domains.dns_checks.dmarc import check_dmarc
from domains.dns_checks.mx import check_mx
from domains.dns_checks.records import DkimKey, DomainRecords
from domains.dns_checks.report import DomainReport, Verdict, described, verified_selectors
from domains.dns_checks.spf import check_spf
from domains.providers.dns import BoundedResolver

if TYPE_CHECKING:
    from datetime import datetime

    from domains.providers.dns import Resolver

__all__ = [
    "DkimKey",
    "DomainRecords",
    "DomainReport",
    "Verdict",
    "advise",
    "check_domain",
    "described",
    "verified_selectors",
]

_PATIENCE = timedelta(seconds=10)
_MOST_QUESTIONS = 150


def check_domain(
    records: DomainRecords, *, resolver: Resolver, at: datetime, within: timedelta = _PATIENCE
) -> DomainReport:
    """Return the report of a check of all records, started at ``at``; it can be stored as JSON.

    Takes ``within`` at most; what could not be asked by then has the verdict ``unknown``.
    Not for code that already runs in an event loop.
    """
    return asyncio.run(_check(records, resolver=resolver, at=at, within=within))


async def _check(
    records: DomainRecords, *, resolver: Resolver, at: datetime, within: timedelta
) -> DomainReport:
    bounded = BoundedResolver(resolver, within=within, most=_MOST_QUESTIONS)
    spf, dkim, dmarc, mx = await asyncio.gather(
        check_spf(records, resolver=bounded),
        check_dkim(records, resolver=bounded),
        check_dmarc(records, resolver=bounded),
        check_mx(records, resolver=bounded),
    )
    checked_at = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"checked_at": checked_at, "spf": spf, "dkim": dkim, "dmarc": dmarc, "mx": mx}
