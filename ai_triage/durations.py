"""How long mails took: percentiles, and counts by steps that add up over days."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

SHORTEST = 0.001
GROWTH = 1.1

Times = Iterable[tuple[float, int]]
"""Seconds, and how many mails took so long."""


def percentile(times: Times, share: float) -> float:
    """Return the shortest time within which ``share`` of the mails were done; 0 of none."""
    ordered = sorted(times)
    rank = math.ceil(share * sum(count for _seconds, count in ordered))
    done = 0
    for seconds, count in ordered:
        done += count
        if done >= rank:
            return seconds
    return 0.0


def by_steps(times: Times) -> dict[str, int]:
    """Return the counts by step, as JSON keeps them: each ends a tenth above the one before.

    The first ends at a millisecond; a day has some dozens, however many mails.
    """
    counts: Counter[str] = Counter()
    for seconds, count in times:
        counts[str(_step(seconds))] += count
    return dict(counts)


def added_up(days: Iterable[Mapping[str, int]]) -> list[tuple[float, int]]:
    """Return the times of several ``by_steps``, each within 5 % of what it was."""
    counts: Counter[str] = Counter()
    for day in days:
        counts.update(day)
    return [(_middle(int(step)), count) for step, count in counts.items()]


def _step(seconds: float) -> int:
    if seconds <= SHORTEST:
        return 0
    return math.ceil(math.log(seconds / SHORTEST, GROWTH))


def _middle(step: int) -> float:
    return SHORTEST * GROWTH ** (step - 0.5) if step else SHORTEST
