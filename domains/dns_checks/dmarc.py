"""DMARC: whether receivers are told what to do with forged mail (RFC 7489)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domains.dns_checks.report import Verdict, finding, record_report, unsettled
from domains.dns_checks.tags import format_tags, parse_tags
from domains.providers.dns import RecordType

if TYPE_CHECKING:
    from domains.dns_checks.records import DomainRecords
    from domains.dns_checks.report import Finding, RecordReport
    from domains.providers.dns import Answer, Resolver

_WANTED = "v=DMARC1; p=quarantine"
_START = re.compile(r"v\s*=\s*DMARC1\s*(;|$)")
_REPORTS_TO = re.compile(r"mailto:[^\s@,!]+@[^\s@,!]+\.[^\s@,!]+(!\d+[kmgt]?)?", re.I)
_POLICIES = {"none", "quarantine", "reject"}
_MOST_PARENTS = 5


@dataclass(frozen=True)
class _Source:
    """The name whose record counts for the domain, and what it answered."""

    name: str
    answer: Answer
    is_parent: bool

    @property
    def records(self) -> list[str]:
        return [text for text in self.answer.values if _START.match(text)]


async def check_dmarc(records: DomainRecords, *, resolver: Resolver) -> RecordReport:
    """Return the report on the domain's DMARC record, or the one of a domain above it."""
    source = await _find(records.name, resolver=resolver)
    own = f"_dmarc.{records.name}"
    findings = _judge(source)
    is_inherited = source.is_parent and not findings
    return record_report(
        "TXT",
        name=source.name if is_inherited else own,
        wanted=_wanted(source, findings=findings),
        found=source.records or [text for text in source.answer.values if _resembles(text)],
        findings=findings,
    )


async def _find(domain: str, *, resolver: Resolver) -> _Source:
    """Return the nearest answer that has a record, is in doubt, or looks like an attempt."""
    own = _Source(f"_dmarc.{domain}", await _ask(domain, resolver=resolver), is_parent=False)
    if _is_decisive(own):
        return own
    for parent in _parents(domain):
        answer = await _ask(parent, resolver=resolver)
        source = _Source(f"_dmarc.{parent}", answer, is_parent=True)
        if source.records or not answer.is_settled:
            return source
    return own


async def _ask(domain: str, *, resolver: Resolver) -> Answer:
    return await resolver.ask(f"_dmarc.{domain}", kind=RecordType.TXT)


def _is_decisive(own: _Source) -> bool:
    return not own.answer.is_settled or any(_resembles(text) for text in own.answer.values)


def _parents(domain: str) -> list[str]:
    """Return the domains above ``domain``, nearest first, without the top level.

    A walk up as in the successor of RFC 7489 needs no list of public suffixes.
    """
    labels = domain.split(".")
    above = [".".join(labels[start:]) for start in range(1, len(labels) - 1)]
    return above[-_MOST_PARENTS:]


def _resembles(text: str) -> bool:
    return "dmarc1" in text.lower()


def _judge(source: _Source) -> list[Finding]:
    if not source.answer.is_settled:
        return [unsettled(source.answer, name=source.name)]
    if len(source.records) > 1:
        return [finding(Verdict.WRONG, "dmarc_several", name=source.name)]
    if source.records:
        return _judge_tags(parse_tags(source.records[0]), is_parent=source.is_parent)
    if any(_resembles(text) for text in source.answer.values):
        return [finding(Verdict.WRONG, "dmarc_malformed")]
    return [finding(Verdict.MISSING, "dmarc_missing", name=source.name)]


def _judge_tags(tags: dict[str, str] | None, *, is_parent: bool) -> list[Finding]:
    if tags is None:
        return [finding(Verdict.WRONG, "dmarc_malformed")]
    own_policy = tags.get("p", "").lower()
    policy = tags.get("sp", own_policy).lower() if is_parent else own_policy
    if not {policy, own_policy} <= _POLICIES:
        return [finding(Verdict.WRONG, "dmarc_policy", policy=policy)]
    findings = []
    if policy == "none":
        findings.append(finding(Verdict.WARNING, "dmarc_none"))
    if not _reports_somewhere(tags):
        findings.append(finding(Verdict.WARNING, "dmarc_rua", value=tags["rua"]))
    return findings


def _reports_somewhere(tags: dict[str, str]) -> bool:
    """Whether ``rua`` is left out or names addresses that reports can go to."""
    places = tags.get("rua", "mailto:a@b.test").split(",")
    return all(_REPORTS_TO.fullmatch(place.strip()) for place in places)


def _wanted(source: _Source, *, findings: list[Finding]) -> str:
    """Return the record to publish: the one found with what is wrong in it put right."""
    if source.records and not findings:
        return source.records[0]
    tags = parse_tags(source.records[0]) if len(source.records) == 1 else None
    if tags is None or source.is_parent:
        return _WANTED
    if tags.get("p", "").lower() not in {"quarantine", "reject"}:
        tags["p"] = "quarantine"
    if not _reports_somewhere(tags):
        del tags["rua"]
    rest = {name: value for name, value in tags.items() if name not in {"v", "p"}}
    return format_tags({"v": "DMARC1", "p": tags["p"], **rest})
