"""SPF: whether receivers can see that our SMTP hosts may send for the domain (RFC 7208)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from domains.dns_checks.lookups import find_host
from domains.dns_checks.report import Verdict, finding, record_report, unsettled, worst
from domains.dns_checks.senders import Need, covers, is_internal, need_of
from domains.dns_checks.spf_record import SpfSyntaxError, Term, is_spf, parse_spf, propose
from domains.dns_checks.spf_walk import BrokenSpfError, SpfWalk
from domains.providers.dns import RecordType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains.dns_checks.records import DomainRecords
    from domains.dns_checks.report import Finding, RecordReport
    from domains.providers.dns import Answer, Resolver

_MOST_HOSTS = 10


async def check_spf(records: DomainRecords, *, resolver: Resolver) -> RecordReport:
    """Return the report on the domain's SPF record."""
    name = records.name
    answer = await resolver.ask(name, kind=RecordType.TXT)
    published = [text for text in answer.values if is_spf(text)]
    needs = await _needs(records.smtp_hosts, resolver=resolver)
    findings = _about_number(answer, name=name)
    missing = needs
    if len(published) == 1:
        findings, missing = await _judge(name, published[0], needs=needs, resolver=resolver)
    wanted = propose(published, mechanisms=[need.mechanisms[0] for need in missing])
    if published and worst(findings) in {Verdict.OK, Verdict.UNKNOWN}:
        wanted = published[0]
    found = published or [text for text in answer.values if _resembles_spf(text)]
    return record_report("TXT", name=name, wanted=wanted, found=found, findings=findings)


async def _needs(hosts: Sequence[str], *, resolver: Resolver) -> list[Need]:
    """Return what SPF needs for ``hosts``, without those that only the own network can see."""
    known = {need_of(host) for host in hosts}
    needs = sorted((need for need in known if need), key=lambda need: need.host)[:_MOST_HOSTS]
    visible = await asyncio.gather(*(_is_visible(need, resolver=resolver) for need in needs))
    return [need for need, is_visible in zip(needs, visible, strict=True) if is_visible]


async def _is_visible(need: Need, *, resolver: Resolver) -> bool:
    if need.is_provider:
        return True
    host = await find_host(need.host, resolver=resolver)
    return not host.addresses or not all(is_internal(address) for address in host.addresses)


def _about_number(answer: Answer, *, name: str) -> list[Finding]:
    """Return what to say where there isn't exactly one record."""
    if not answer.is_settled:
        return [unsettled(answer, name=name)]
    if any(is_spf(text) for text in answer.values):
        return [finding(Verdict.WRONG, "spf_several")]
    if any(_resembles_spf(text) for text in answer.values):
        return [finding(Verdict.WRONG, "spf_start")]
    return [finding(Verdict.MISSING, "spf_missing", name=name)]


def _resembles_spf(text: str) -> bool:
    return "v=spf" in text.lower().replace(" ", "")


async def _judge(
    domain: str, text: str, *, needs: list[Need], resolver: Resolver
) -> tuple[list[Finding], list[Need]]:
    """Return what to say about the only record, and the needs that it does not meet."""
    walk = SpfWalk(resolver)
    try:
        terms = parse_spf(text)
        await walk.follow(terms, domain=domain)
    except SpfSyntaxError as error:
        return [finding(Verdict.WRONG, "spf_syntax", term=str(error))], needs
    except BrokenSpfError as broken:
        return [broken.finding], [need for need in needs if not walk.names(need.mechanisms)]
    if walk.allows_everybody:
        return [finding(Verdict.WRONG, "spf_allows_all")], []
    missing = [need for need in needs if not walk.names(need.mechanisms)]
    about_hosts = [await _about_host(need, walk=walk, resolver=resolver) for need in missing]
    uncovered = [need for need, each in zip(missing, about_hosts, strict=True) if each]
    return [each for each in about_hosts if each] + _about_end(terms), uncovered


async def _about_host(need: Need, *, walk: SpfWalk, resolver: Resolver) -> Finding | None:
    """Return what to say about a host that the record does not name, None if it allows it."""
    host = await find_host(need.host, resolver=resolver)
    if covers(await walk.networks(), host.addresses):
        return None
    code, verdict = "spf_host", Verdict.WARNING
    if need.is_provider:
        code, verdict = "spf_provider", Verdict.WRONG
    elif host.unsettled or walk.unsettled:
        code, verdict = "spf_host_unknown", Verdict.UNKNOWN
    return finding(verdict, code, host=need.host, mechanism=need.mechanisms[0])


def _about_end(terms: Sequence[Term]) -> list[Finding]:
    last = terms[-1] if terms else None
    if last and (last.name == "redirect" or (last.name == "all" and last.qualifier in "-~")):
        return []
    return [finding(Verdict.WARNING, "spf_no_end")]
