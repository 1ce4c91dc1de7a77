"""MX: whether replies and bounces can reach the domain (RFC 5321, RFC 7505)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from domains.dns_checks.lookups import find_exchanges, find_host
from domains.dns_checks.report import Verdict, finding, record_report, unsettled
from domains.dns_checks.senders import parse_address

if TYPE_CHECKING:
    from domains.dns_checks.records import DomainRecords
    from domains.dns_checks.report import Finding, RecordReport
    from domains.providers.dns import Answer, Resolver

_MOST_EXCHANGES = 10


async def check_mx(records: DomainRecords, *, resolver: Resolver) -> RecordReport:
    """Return the report on the domain's mail exchangers."""
    name = records.name
    answer, hosts = await find_exchanges(name, resolver=resolver)
    findings = _about_answer(answer, hosts, name=name)
    usable: list[str] = []
    if not findings:
        checks = [_about_host(host, resolver=resolver) for host in hosts[:_MOST_EXCHANGES]]
        about = await asyncio.gather(*checks)
        findings = [each for each in about if each]
        usable = [value for value, each in zip(answer.values, about, strict=False) if not each]
    wanted = "\n".join(usable) or _proposal(records)
    return record_report("MX", name=name, wanted=wanted, found=answer.values, findings=findings)


def _about_answer(answer: Answer, hosts: list[str], *, name: str) -> list[Finding]:
    """Return what to say where there is no exchange to look at."""
    if not answer.is_settled:
        return [unsettled(answer, name=name)]
    if not hosts:
        return [finding(Verdict.MISSING, "mx_missing", name=name)]
    if hosts == ["."]:
        return [finding(Verdict.WARNING, "mx_null")]
    return []


async def _about_host(name: str, *, resolver: Resolver) -> Finding | None:
    if name == "." or parse_address(name):
        return finding(Verdict.WRONG, "mx_not_a_name", host=name)
    host = await find_host(name, resolver=resolver)
    if host.is_alias:
        return finding(Verdict.WRONG, "mx_alias", host=name)
    if host.addresses:
        return None
    if host.unsettled:
        return unsettled(host.unsettled, name=name)
    return finding(Verdict.WRONG, "mx_no_address", host=name)


def _proposal(records: DomainRecords) -> str:
    """Return a likely exchanger: our own SMTP host, or the usual name for one."""
    own = [host for host in records.smtp_hosts if host.lower().endswith(f".{records.name}")]
    return f"10 {(own or [f'mail.{records.name}'])[0].lower()}"
