"""What a check hands back: per record what is wanted, what was found, a verdict and advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NotRequired, TypedDict

from domains.dns_checks.advice import advise
from domains.providers.dns import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains.providers.dns import Answer

_FOUND_RECORDS = 20
_FOUND_CHARACTERS = 2048
_PARAM_CHARACTERS = 200


class Verdict(StrEnum):
    """``UNKNOWN``: the DNS could not be asked, so nothing is known about the record."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    MISSING = "missing"
    WRONG = "wrong"


_SEVERITY = list(Verdict)


class AdviceNote(TypedDict):
    """One piece of advice as stored; ``advise`` words it in the reader's language."""

    code: str
    params: dict[str, str]


class RecordReport(TypedDict):
    """One record: publish ``wanted`` as a ``type`` record at ``name``.

    ``wanted`` and ``found`` hold values only; an MX ``wanted`` has one exchange a line.
    """

    type: str
    name: str
    wanted: str
    found: list[str]
    verdict: str
    advice: list[AdviceNote]
    selector: NotRequired[str]


class DkimReport(RecordReport):
    """The first key's record, and all keys' (the first too) under ``keys``."""

    keys: list[RecordReport]


class DomainReport(TypedDict):
    checked_at: str
    spf: RecordReport
    dkim: DkimReport
    dmarc: RecordReport
    mx: RecordReport


class DescribedRecord(TypedDict):
    """A record's report for people: ``advice`` in words, its codes in ``codes``."""

    type: str
    name: str
    wanted: str
    found: list[str]
    verdict: str
    advice: str
    codes: list[str]
    selector: NotRequired[str]
    keys: NotRequired[list[DescribedRecord]]


class DescribedReport(TypedDict):
    checked_at: str
    spf: DescribedRecord
    dkim: DescribedRecord
    dmarc: DescribedRecord
    mx: DescribedRecord


@dataclass(frozen=True)
class Finding:
    """One thing to say about a record; the worst finding gives the record's verdict."""

    verdict: Verdict
    code: str
    params: dict[str, str]


def finding(verdict: Verdict, code: str, **params: str) -> Finding:
    """Return a finding whose ``params``, which others may have written, are safe to store."""
    return Finding(
        verdict, code, {key: _clean(text, most=_PARAM_CHARACTERS) for key, text in params.items()}
    )


def unsettled(answer: Answer, *, name: str) -> Finding:
    """Return the finding for a question about ``name`` that nobody answered."""
    code = "dns_timeout" if answer.outcome is Outcome.TIMEOUT else "dns_failed"
    return finding(Verdict.UNKNOWN, code, name=name)


def worst(findings: Sequence[Finding]) -> Verdict:
    """Return the gravest verdict among ``findings``; without any, all is well."""
    return max((each.verdict for each in findings), key=_SEVERITY.index, default=Verdict.OK)


def record_report(
    kind: str, *, name: str, wanted: str, found: Sequence[str], findings: Sequence[Finding]
) -> RecordReport:
    """Return the report of one record of type ``kind``, bounded and without control characters."""
    return {
        "type": kind,
        "name": name,
        "wanted": wanted,
        "found": [_clean(value, most=_FOUND_CHARACTERS) for value in found[:_FOUND_RECORDS]],
        "verdict": worst(findings).value,
        "advice": [{"code": each.code, "params": each.params} for each in findings],
    }


def described(report: DomainReport) -> DescribedReport:
    """Return ``report`` with its advice in words, in the active language."""
    return {
        "checked_at": report["checked_at"],
        "spf": _described(report["spf"]),
        "dkim": {
            **_described(report["dkim"]),
            "keys": [_described(key) for key in report["dkim"]["keys"]],
        },
        "dmarc": _described(report["dmarc"]),
        "mx": _described(report["mx"]),
    }


def verified_selectors(report: DomainReport) -> list[str]:
    """Return the selectors of the DKIM keys that receivers can verify with."""
    usable = {Verdict.OK.value, Verdict.WARNING.value}
    return [key["selector"] for key in report["dkim"]["keys"] if key["verdict"] in usable]


def _described(record: RecordReport) -> DescribedRecord:
    notes = record["advice"]
    words: DescribedRecord = {
        "type": record["type"],
        "name": record["name"],
        "wanted": record["wanted"],
        "found": record["found"],
        "verdict": record["verdict"],
        "advice": " ".join(advise(note["code"], params=note["params"]) for note in notes),
        "codes": [note["code"] for note in notes],
    }
    if "selector" in record:
        words["selector"] = record["selector"]
    return words


def _clean(text: str, *, most: int) -> str:
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(char if char.isprintable() else "\ufffd" for char in shown)
