"""Whether prompt B judges better than A: a test of two proportions that may be looked at daily."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

ALPHA = 0.05
LEAST_REVIEWED = 30
TYPICAL_DIFFERENCE = 0.1
_POWER = 0.84  # the normal quantile of 80 %


class Outcome(StrEnum):
    """What may be said of B against A."""

    BETTER = "better"
    WORSE = "worse"
    NOT_ENOUGH = "not_enough"


@dataclass(frozen=True)
class Arm:
    """A version's reviewed mails and how many of them it judged right."""

    right: int
    reviewed: int

    @property
    def share(self) -> float:
        """A half where nothing is known."""
        return self.right / self.reviewed if self.reviewed else 0.5

    @property
    def variance(self) -> float:
        """That of the share, with one right and one wrong mail more, so that it is never 0."""
        share = (self.right + 1) / (self.reviewed + 2)
        return share * (1 - share) / (self.reviewed + 2)

    def interval(self, z: float) -> tuple[float, float]:
        """Return Wilson's interval of the share at ``z`` standard errors."""
        if not self.reviewed:
            return 0.0, 1.0
        n, square = self.reviewed, z * z
        middle = (self.right + square / 2) / (n + square)
        half = z * math.sqrt(self.share * (1 - self.share) * n + square / 4) / (n + square)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Comparison:
    """``difference`` is B's share right less A's, surely between ``low`` and ``high``.

    ``detectable`` is the difference that this much mail would show four times in five.
    """

    a: Arm
    b: Arm
    difference: float
    low: float
    high: float
    detectable: float
    outcome: Outcome


def compare(a: Arm, b: Arm) -> Comparison:
    """Return what the reviews say of B against A.

    The interval is Newcombe's (1998, method 10). Its ``z`` is no fixed 1.96: whoever looks every
    day would find a difference by luck sooner or later. It is that of the mixture sequential
    probability ratio test (Robbins 1970; Johari and others, "Peeking at A/B tests", 2017) with
    differences of about 10 points expected, at 95 % over all looks together.
    """
    variance = a.variance + b.variance
    z = _critical(variance)
    difference = b.share - a.share
    (a_low, a_high), (b_low, b_high) = a.interval(z), b.interval(z)
    low = difference - math.hypot(b.share - b_low, a_high - a.share)
    high = difference + math.hypot(b_high - b.share, a.share - a_low)
    return Comparison(
        a=a,
        b=b,
        difference=difference,
        low=max(low, -1.0),
        high=min(high, 1.0),
        detectable=min((z + _POWER) * math.sqrt(variance), 1.0),
        outcome=_outcome(low, high, fewest=min(a.reviewed, b.reviewed)),
    )


def _critical(variance: float) -> float:
    ratio = TYPICAL_DIFFERENCE**2 / variance
    return math.sqrt((1 + 1 / ratio) * (2 * math.log(1 / ALPHA) + math.log1p(ratio)))


def _outcome(low: float, high: float, *, fewest: int) -> Outcome:
    if fewest < LEAST_REVIEWED or low <= 0 <= high:
        return Outcome.NOT_ENOUGH
    return Outcome.BETTER if low > 0 else Outcome.WORSE
