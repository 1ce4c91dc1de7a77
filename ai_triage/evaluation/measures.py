"""How good verdicts are against what people say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ai_triage.evaluation.intervals import Proportion
from ai_triage.kinds import Decision, EmailType, Urgency

BINS = 10


class Confident(Protocol):
    """A verdict of which is known whether it was right."""

    @property
    def confidence(self) -> float: ...

    @property
    def is_right(self) -> bool: ...


@dataclass(frozen=True)
class Judged:
    """What was right and what was said, for one mail."""

    decision: Decision
    said_decision: Decision
    confidence: float
    email_type: EmailType
    said_email_type: EmailType
    urgency: Urgency
    said_urgency: Urgency

    @property
    def is_right(self) -> bool:
        return self.decision == self.said_decision


@dataclass(frozen=True)
class Bin:
    """Verdicts of like confidence; honest ones have ``accuracy`` near ``confidence``."""

    lowest: float
    highest: float
    count: int
    confidence: float
    right: Proportion

    @property
    def accuracy(self) -> float:
        return self.right.value


@dataclass(frozen=True)
class Figures:
    """All measures of one run; a share of nothing is 0."""

    accuracy: Proportion
    precision: Proportion
    recall: Proportion
    urgency_recall: Proportion
    macro_f1: float
    calibration_error: float


def measure(judged: Sequence[Judged]) -> Figures:
    """Return the figures; precision and recall are those of ``respond``."""
    said = [j for j in judged if j.said_decision is Decision.RESPOND]
    due = [j for j in judged if j.decision is Decision.RESPOND]
    urgent = [j for j in judged if j.urgency is Urgency.HIGH]
    return Figures(
        accuracy=Proportion(sum(j.is_right for j in judged), len(judged)),
        precision=Proportion(sum(j.is_right for j in said), len(said)),
        recall=Proportion(sum(j.is_right for j in due), len(due)),
        urgency_recall=Proportion(sum(j.said_urgency is Urgency.HIGH for j in urgent), len(urgent)),
        macro_f1=macro_f1(judged),
        calibration_error=calibration_error(judged),
    )


def macro_f1(judged: Sequence[Judged]) -> float:
    """Return the mean F1 over the types that occur, as label or as answer."""
    occurring = {j.email_type for j in judged} | {j.said_email_type for j in judged}
    scores = [_f1(judged, kind) for kind in occurring]
    return sum(scores) / len(scores) if scores else 0.0


def _f1(judged: Sequence[Judged], kind: EmailType) -> float:
    both = sum(j.email_type == j.said_email_type == kind for j in judged)
    either = sum((j.email_type == kind) + (j.said_email_type == kind) for j in judged)
    return 2 * both / either if either else 0.0


def confusion(judged: Sequence[Judged]) -> dict[tuple[EmailType, EmailType], int]:
    """Return how often each (right, said) pair of types occurred."""
    return dict(Counter((j.email_type, j.said_email_type) for j in judged))


def reliability(judged: Sequence[Confident]) -> list[Bin]:
    """Return the filled ones of ten equal bins of confidence, the lowest first."""
    bins: list[Bin] = []
    for number in range(BINS):
        inside = [j for j in judged if bin_of(j.confidence) == number]
        if inside:
            confidence = sum(j.confidence for j in inside) / len(inside)
            right = Proportion(sum(j.is_right for j in inside), len(inside))
            bins.append(Bin(number / BINS, (number + 1) / BINS, len(inside), confidence, right))
    return bins


def bin_of(confidence: float) -> int:
    """Return the number of the bin; a stored confidence is a multiple of 0.01, a float is not."""
    return min(int(round(confidence * BINS, 9)), BINS - 1)


def calibration_error(judged: Sequence[Confident]) -> float:
    """Return the expected calibration error over the bins of ``reliability``."""
    gaps = (b.count * abs(b.confidence - b.accuracy) for b in reliability(judged))
    return sum(gaps) / len(judged) if judged else 0.0


def threshold(judged: Sequence[Confident], *, cost_of_wrong: float) -> float | None:
    """Return the lowest confidence from which acting alone is cheaper than a person's look.

    A look costs 1, a wrong act ``cost_of_wrong``. None: no threshold pays, a person looks at all.
    """
    ranked = sorted(judged, key=lambda j: j.confidence, reverse=True)
    best, gain, saved = None, 0.0, 0.0
    for position, one in enumerate(ranked):
        saved += 1 - (0 if one.is_right else cost_of_wrong)
        last = position + 1 == len(ranked) or ranked[position + 1].confidence < one.confidence
        if last and saved > 0 and saved >= gain:
            best, gain = one.confidence, saved
    return best
