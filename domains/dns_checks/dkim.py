"""DKIM: whether receivers find the keys we sign with (RFC 6376, RFC 8463)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from domains.dns_checks.report import Verdict, finding, record_report, unsettled
from domains.dns_checks.tags import parse_tags
from domains.providers.dns import Outcome, RecordType

if TYPE_CHECKING:
    from domains.dns_checks.records import DkimKey, DomainRecords
    from domains.dns_checks.report import DkimReport, Finding, RecordReport
    from domains.providers.dns import Answer, Resolver


async def check_dkim(records: DomainRecords, *, resolver: Resolver) -> DkimReport:
    """Return the report on the main key, with those on all keys.

    A further key is a bonus: mail it did not sign still passes, so it leaves the verdict alone.
    """
    checks = (_check_key(key, domain=records.name, resolver=resolver) for key in records.dkim)
    keys = list(await asyncio.gather(*checks))
    if not keys:
        name = f"_domainkey.{records.name}"
        nothing = [finding(Verdict.MISSING, "dkim_no_key")]
        keys = [record_report("TXT", name=name, wanted="", found=[], findings=nothing)]
        return {**keys[0], "keys": []}
    return {**keys[0], "keys": keys}


async def _check_key(key: DkimKey, *, domain: str, resolver: Resolver) -> RecordReport:
    name = f"{key.selector}._domainkey.{domain}"
    answer = await resolver.ask(name, kind=RecordType.TXT)
    if answer.outcome is Outcome.NONE:
        findings = [await _about_missing(name, domain=domain, resolver=resolver)]
    else:
        findings = _judge(answer, name=name, wanted=key.record)
    report = record_report(
        "TXT", name=name, wanted=key.record, found=answer.values, findings=findings
    )
    report["selector"] = key.selector
    return report


async def _about_missing(name: str, *, domain: str, resolver: Resolver) -> Finding:
    doubled = f"{name}.{domain}"
    answer = await resolver.ask(doubled, kind=RecordType.TXT)
    if answer.outcome is Outcome.FOUND and any("p=" in text for text in answer.values):
        return finding(Verdict.MISSING, "doubled_name", name=name, doubled=doubled)
    return finding(Verdict.MISSING, "dkim_missing", name=name)


def _judge(answer: Answer, *, name: str, wanted: str) -> list[Finding]:
    if not answer.is_settled:
        return [unsettled(answer, name=name)]
    if len(answer.values) > 1:
        return [finding(Verdict.WRONG, "dkim_several", name=name)]
    tags = parse_tags(answer.values[0])
    if tags is None or "p" not in tags or tags.get("v", "DKIM1") != "DKIM1":
        return [finding(Verdict.WRONG, "dkim_malformed")]
    return _compare(tags, ours=parse_tags(wanted) or {})


def _compare(tags: dict[str, str], *, ours: dict[str, str]) -> list[Finding]:
    key, our_key = (_key(each) for each in (tags, ours))
    if not key:
        return [finding(Verdict.WRONG, "dkim_revoked")]
    same_type = _type(tags) == _type(ours)
    if not same_type or key != our_key:
        cut_off = same_type and our_key.startswith(key)
        return [finding(Verdict.WRONG, "dkim_cut_off" if cut_off else "dkim_other_key")]
    if "y" in tags.get("t", "").replace(" ", "").split(":"):
        return [finding(Verdict.WARNING, "dkim_testing")]
    return []


def _key(tags: dict[str, str]) -> str:
    """Return the public key; white space within it means nothing."""
    return "".join(tags.get("p", "").split())


def _type(tags: dict[str, str]) -> str:
    return tags.get("k", "rsa").lower()
