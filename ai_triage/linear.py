"""A small linear model over ``features``; its weights are made by ``ai_triage.training.train``."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from ai_triage.features import BUCKETS, MARKS, PIECES, WORDS, Features

WEIGHTS = Path(__file__).with_name("linear_weights.bin")
RESPOND, TYPE, URGENCY = "respond", "type ", "urgency "
MARK_UNIT = 0.3
BLOCKS = (WORDS, PIECES, MARKS)


class RowHeader(TypedDict):
    name: str
    bias: float
    scales: list[float]


class Header(TypedDict):
    version: str
    stamp: str
    slope: float
    offset: float
    rows: list[RowHeader]


@dataclass(frozen=True)
class Row:
    """The weights of one yes-or-no question; ``scales`` are those of words, pieces and marks."""

    bias: float
    scales: Sequence[float]
    weights: Sequence[float]

    def score(self, found: Features) -> float:
        """Return the log-odds of yes."""
        value = self.weights.__getitem__
        parts = zip(self.scales, units(found), found, strict=True)
        return self.bias + sum(
            scale * unit * sum(map(value, buckets)) for scale, unit, buckets in parts
        )


@dataclass(frozen=True)
class Model:
    """``slope`` and ``offset`` turn the raw score into an honest probability (Platt).

    ``stamp`` says what the weights were made from.
    """

    version: str
    stamp: str
    slope: float
    offset: float
    rows: Mapping[str, Row]

    def respond(self, found: Features) -> float:
        """Return how likely a mail with these features is due an answer."""
        return sigmoid(self.slope * self.rows[RESPOND].score(found) + self.offset)

    def likeliest(self, prefix: str, names: Sequence[str], found: Features) -> str:
        """Return which of ``names`` scores highest under ``prefix``, e.g. of ``TYPE``."""
        return max(names, key=lambda name: self.rows[prefix + name].score(found))


@lru_cache(maxsize=1)
def load() -> Model:
    """Return the model that ships with the code."""
    line, _, blob = WEIGHTS.read_bytes().partition(b"\n")
    header: Header = json.loads(line)
    weights = array("b", blob)
    rows = {
        row["name"]: Row(
            row["bias"], row["scales"], weights[number * BUCKETS : (number + 1) * BUCKETS]
        )
        for number, row in enumerate(header["rows"])
    }
    return Model(header["version"], header["stamp"], header["slope"], header["offset"], rows)


def units(found: Features) -> tuple[float, float, float]:
    """Return what one bucket of each kind counts: long mails don't shout down short ones."""
    return (
        1 / math.sqrt(len(found.words) or 1),
        1 / math.sqrt(len(found.pieces) or 1),
        MARK_UNIT,
    )


def sigmoid(score: float) -> float:
    """Return the probability that belongs to a log-odds score."""
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, score))))
