"""A provider and prompt measured: on labelled mail, and on mail with orders to the model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ai_triage.errors import NoVerdict
from ai_triage.evaluation.asking import Asker
from ai_triage.evaluation.injections import Flip, Pair, flip, pairs
from ai_triage.evaluation.intervals import Proportion
from ai_triage.evaluation.mails import LabelledMail
from ai_triage.evaluation.measures import Bin, Judged, confusion, measure, reliability
from ai_triage.kinds import Decision
from ai_triage.prices import cost_of
from ai_triage.providers.base import Answer, Mail
from ai_triage.usage import Usage

MOST_LISTED = 200
Outcome = Answer | NoVerdict


@dataclass(frozen=True)
class Measured:
    """``figures`` is JSON for ``EvaluationRun``; ``failure`` is the first provider error."""

    model_version: str
    judged: int
    figures: dict[str, Any]
    failure: NoVerdict | None


def evaluate(mails: Sequence[LabelledMail], asker: Asker) -> Measured:
    """Return how good the provider is on the mails that it judged."""
    outcomes = asker.ask([one.mail for one in mails])
    answered = [
        (one, outcome)
        for one, outcome in zip(mails, outcomes, strict=True)
        if isinstance(outcome, Answer)
    ]
    judged = [_judged(one, answer) for one, answer in answered]
    languages = [one.language for one, _answer in answered]
    return Measured(
        model_version=_model(outcomes),
        judged=len(judged),
        figures={
            "judged": len(judged),
            **_figures(judged),
            "languages": _by_language(judged, languages),
            **_spent(outcomes),
        },
        failure=next((one for one in outcomes if isinstance(one, NoVerdict)), None),
    )


def inject(mails: Sequence[LabelledMail], asker: Asker, *, limit: int) -> dict[str, Any]:
    """Return how often a payload changed a verdict on ``limit`` of the mails, spread evenly."""
    chosen = spread([one.mail for one in mails], limit)
    clean = {id(mail): one for mail, one in zip(chosen, asker.ask(chosen), strict=True)}
    made = list(pairs(chosen))
    injected = asker.ask([pair.injected for pair in made])
    compared = [
        (pair, before.verdict, after.verdict)
        for pair, after in zip(made, injected, strict=True)
        if isinstance(before := clean[id(pair.clean)], Answer) and isinstance(after, Answer)
    ]
    flips = [
        found
        for pair, before, after in compared
        if (found := flip(pair, clean=before, injected=after))
    ]
    return {
        "mails": len(chosen),
        "flips": as_json(Proportion(len(flips), len(compared))),
        "decisions": as_json(Proportion(_of(flips, "decision"), len(compared))),
        "payloads": _by_payload([pair for pair, _before, _after in compared], flips),
        "listed": [[one.email_id, one.payload, *one.changed] for one in flips[:MOST_LISTED]],
        **_spent([*clean.values(), *injected]),
    }


def spread(mails: Sequence[Mail], limit: int) -> list[Mail]:
    """Return at most ``limit`` mails from all over the list, which may be ordered."""
    step = max(math.ceil(len(mails) / limit), 1)
    return list(mails[::step])


def as_json(share: Proportion) -> dict[str, Any]:
    low, high = share.interval
    return {
        "value": round(share.value, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "part": share.part,
        "of": share.whole,
    }


def bins_as_json(bins: Sequence[Bin]) -> list[dict[str, Any]]:
    return [
        {"from": one.lowest, "to": one.highest, "confidence": round(one.confidence, 4)}
        | as_json(one.right)
        for one in bins
    ]


def _judged(labelled: LabelledMail, answer: Answer) -> Judged:
    verdict = answer.verdict
    return Judged(
        decision=labelled.decision,
        said_decision=verdict.decision,
        confidence=verdict.confidence,
        email_type=labelled.email_type,
        said_email_type=verdict.email_type,
        urgency=labelled.urgency,
        said_urgency=verdict.urgency,
    )


def _figures(judged: Sequence[Judged]) -> dict[str, Any]:
    found = measure(judged)
    return {
        "accuracy": as_json(found.accuracy),
        "precision": as_json(found.precision),
        "recall": as_json(found.recall),
        "urgency_recall": as_json(found.urgency_recall),
        "macro_f1": round(found.macro_f1, 4),
        "calibration_error": round(found.calibration_error, 4),
        "reliability": bins_as_json(reliability(judged)),
        "decisions": _decisions(judged),
        "types": _types(judged),
    }


def _decisions(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    counts = Counter((one.decision, one.said_decision) for one in judged)
    return {right: {said: counts[right, said] for said in Decision} for right in Decision}


def _types(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    """Return by the right type how often each was said."""
    rows: dict[str, dict[str, int]] = {}
    for (right, said), count in sorted(confusion(judged).items()):
        rows.setdefault(right, {})[said] = count
    return rows


def _by_language(judged: Sequence[Judged], languages: Sequence[str]) -> dict[str, Any]:
    return {
        language: as_json(
            Proportion(
                sum(
                    j.is_right for j, one in zip(judged, languages, strict=True) if one == language
                ),
                languages.count(language),
            )
        )
        for language in sorted(set(languages))
    }


def _by_payload(compared: Sequence[Pair], flips: Sequence[Flip]) -> list[dict[str, Any]]:
    of = Counter(pair.payload.name for pair in compared)
    return [
        {
            "payload": name,
            "of": of[name],
            "flips": sum(one.payload == name for one in flips),
            "decisions": _of([one for one in flips if one.payload == name], "decision"),
        }
        for name in of
    ]


def _of(flips: Sequence[Flip], name: str) -> int:
    return sum(name in one.changed for one in flips)


def _model(outcomes: Sequence[Outcome]) -> str:
    """Return the version that answered most."""
    versions = Counter(one.model_version for one in outcomes if isinstance(one, Answer))
    return versions.most_common(1)[0][0] if versions else ""


def _spent(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Failures bill as well; ``cost`` is in US dollars, None where the price isn't known."""
    usage = sum((one.usage for one in outcomes), Usage())
    cost = cost_of(_model(outcomes), usage) if usage != Usage() else 0
    return {
        "errors": dict(Counter(one.code for one in outcomes if isinstance(one, NoVerdict))),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost": None if cost is None else float(cost),
    }
