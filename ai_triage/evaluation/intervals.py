"""Shares with how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.959964
"""Of 95 %."""


@dataclass(frozen=True)
class Proportion:
    """``part`` of ``whole``, with the 95 % interval by Wilson, which holds for few and extremes."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        return self.part / self.whole if self.whole else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Return the bounds; of nothing everything is possible."""
        n = self.whole
        if not n:
            return 0.0, 1.0
        middle = (self.value + Z**2 / (2 * n)) / (1 + Z**2 / n)
        spread = Z * math.sqrt(self.value * (1 - self.value) / n + Z**2 / (4 * n**2))
        half = spread / (1 + Z**2 / n)
        return max(middle - half, 0.0), min(middle + half, 1.0)
