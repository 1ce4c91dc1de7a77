"""A small linear model over ``features``; its weights are made by ``ai_triage.training.train``."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from ai_triage.features import BUCKETS

WEIGHTS = Path(__file__).with_name("linear_weights.bin")
HANDLED = ("question", "complaint", "request")


class HeadHeader(TypedDict):
    name: str
    classes: list[str]
    bias: list[float]
    scale: float


class Header(TypedDict):
    version: str
    slope: float
    offset: float
    heads: list[HeadHeader]


@dataclass(frozen=True)
class Head:
    """One question with a weight a bucket for each of its possible answers."""

    classes: tuple[str, ...]
    bias: tuple[float, ...]
    scale: float
    rows: tuple[Sequence[float], ...]

    def probabilities(self, buckets: Set[int]) -> dict[str, float]:
        """Return how likely each class is; together they are 1."""
        factor = self.scale / math.sqrt(len(buckets) or 1)
        sums = (sum(map(row.__getitem__, buckets)) for row in self.rows)
        scores = [bias + factor * total for bias, total in zip(self.bias, sums, strict=True)]
        return dict(zip(self.classes, softmax(scores), strict=True))


@dataclass(frozen=True)
class Model:
    """``slope`` and ``offset`` turn the raw score into an honest probability (Platt)."""

    version: str
    slope: float
    offset: float
    heads: Mapping[str, Head]

    def respond(self, buckets: Set[int]) -> float:
        """Return how likely a mail with these buckets is due an answer."""
        return sigmoid(self.slope * self.raw_respond(buckets) + self.offset)

    def raw_respond(self, buckets: Set[int]) -> float:
        """Return the uncalibrated log-odds of the types that are answered."""
        types = self.heads["email_type"].probabilities(buckets)
        return logit(sum(types[name] for name in HANDLED))


@lru_cache(maxsize=1)
def load() -> Model:
    """Return the model that ships with the code."""
    line, _, blob = WEIGHTS.read_bytes().partition(b"\n")
    header: Header = json.loads(line)
    weights = array("b", blob)
    heads: dict[str, Head] = {}
    start = 0
    for head in header["heads"]:
        starts = range(start, start + len(head["classes"]) * BUCKETS, BUCKETS)
        rows = tuple(weights[at : at + BUCKETS] for at in starts)
        start += len(rows) * BUCKETS
        heads[head["name"]] = Head(tuple(head["classes"]), tuple(head["bias"]), head["scale"], rows)
    return Model(header["version"], header["slope"], header["offset"], heads)


def softmax(scores: Sequence[float]) -> list[float]:
    """Return the scores as probabilities."""
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def sigmoid(score: float) -> float:
    """Return the probability that belongs to a log-odds score."""
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, score))))


def logit(probability: float) -> float:
    """Return the log-odds, kept finite."""
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))
