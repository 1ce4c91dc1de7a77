"""Make the weights of the linear model: ``python -m ai_triage.training.train`` (some minutes).

Pure Python and the same result every time. Folds hold out whole topics, so that the confidence is
calibrated on kinds of mail the model has not met.
"""

from __future__ import annotations

import json
import math
import random
import sys
from array import array
from collections import Counter
from collections.abc import Sequence

from ai_triage.features import BUCKETS, features
from ai_triage.linear import (
    WEIGHTS,
    Head,
    Header,
    HeadHeader,
    Model,
    sigmoid,
    softmax,
)
from ai_triage.training.mails import Sample, samples

VERSION = "linear-1"
PER_TEMPLATE = 4
SEED = 7
EPOCHS = 14
RATE = 3.0
DECAY = 0.05
FOLDS = 6

Row = frozenset[int]


def main() -> None:
    """Measure by folds, calibrate on what the folds left out, write the weights of all mails."""
    mails = samples(per_template=PER_TEMPLATE, seed=SEED)
    rows = [row_of(mail) for mail in mails]
    scores = held_out_scores(mails, rows)
    slope, offset = calibrate(scores, [mail.decision == "respond" for mail in mails])
    report(mails, [slope * score + offset for score in scores])
    write(fit(mails, rows), slope, offset)


def row_of(mail: Sample) -> Row:
    """Return the buckets of one training mail."""
    return features(from_address=mail.from_address, subject=mail.subject, body=mail.body)


def fit(mails: Sequence[Sample], rows: Sequence[Row]) -> Model:
    """Return a model of these mails, not yet calibrated."""
    answered = [i for i, mail in enumerate(mails) if mail.decision == "respond"]
    heads = {
        "email_type": fit_head(rows, [mail.email_type for mail in mails], balanced=False),
        "urgency": fit_head(
            [rows[i] for i in answered], [mails[i].urgency for i in answered], balanced=True
        ),
    }
    return Model(VERSION, 1.0, 0.0, heads)


def fit_head(rows: Sequence[Row], labels: Sequence[str], *, balanced: bool) -> Head:
    """Return a softmax regression by stochastic gradient descent with decaying weights."""
    classes = tuple(sorted(set(labels)))
    counts = Counter(labels)
    most = len(labels) / len(classes)
    importance = {name: most / counts[name] if balanced else 1.0 for name in classes}
    weights = [[0.0] * BUCKETS for _ in classes]
    bias = [0.0] * len(classes)
    order = list(range(len(rows)))
    chance = random.Random(SEED)  # noqa: S311  not a secret
    for epoch in range(EPOCHS):
        chance.shuffle(order)
        rate = RATE / (1 + epoch / 3)
        for i in order:
            _step(rows[i], labels[i], classes, weights, bias, rate * importance[labels[i]])
        weights = [[value * (1 - DECAY) for value in row] for row in weights]
    return Head(classes, tuple(bias), 1.0, tuple(weights))


def _step(
    row: Row,
    label: str,
    classes: Sequence[str],
    weights: list[list[float]],
    bias: list[float],
    rate: float,
) -> None:
    unit = 1 / math.sqrt(len(row))
    scores = [b + unit * sum(map(w.__getitem__, row)) for w, b in zip(weights, bias, strict=True)]
    for k, probability in enumerate(softmax(scores)):
        push = rate * ((classes[k] == label) - probability)
        if abs(push) < 0.01:
            continue
        bias[k] += push * 0.02
        change, values = push * unit, weights[k]
        for bucket in row:
            values[bucket] += change


def held_out_scores(mails: Sequence[Sample], rows: Sequence[Row]) -> list[float]:
    """Return each mail's raw score from a model that has seen none of its topic."""
    topics = sorted({mail.topic for mail in mails})
    random.Random(SEED).shuffle(topics)  # noqa: S311  not a secret
    fold = {topic: number % FOLDS for number, topic in enumerate(topics)}
    scores = [0.0] * len(mails)
    for held_out in range(FOLDS):
        known = [i for i, mail in enumerate(mails) if fold[mail.topic] != held_out]
        model = fit([mails[i] for i in known], [rows[i] for i in known])
        for i, mail in enumerate(mails):
            if fold[mail.topic] == held_out:
                scores[i] = model.raw_respond(rows[i])
    return scores


def calibrate(scores: Sequence[float], respond: Sequence[bool]) -> tuple[float, float]:
    """Return slope and offset of Platt's scaling."""
    slope, offset = 1.0, 0.0
    for _ in range(2000):
        errors = [
            sigmoid(slope * score + offset) - yes
            for score, yes in zip(scores, respond, strict=True)
        ]
        pull = sum(e * score for e, score in zip(errors, scores, strict=True))
        slope -= 0.1 * pull / len(scores)
        offset -= 0.1 * sum(errors) / len(scores)
    return slope, offset


def report(mails: Sequence[Sample], scores: Sequence[float]) -> None:
    """Print how often the held-out decision was right, by language and decision."""
    for language in ("en", "pt"):
        for decision in ("respond", "ignore"):
            right = [
                (score > 0) == (decision == "respond")
                for mail, score in zip(mails, scores, strict=True)
                if (mail.language, mail.decision) == (language, decision)
            ]
            sys.stdout.write(f"{language} {decision}: {sum(right) / len(right):.3f}\n")


def write(model: Model, slope: float, offset: float) -> None:
    """Store the weights as one byte each behind a line of JSON."""
    headers: list[HeadHeader] = []
    blob = array("b")
    for name, head in model.heads.items():
        scale = max(abs(value) for row in head.rows for value in row) / 127
        bias = [round(value, 5) for value in head.bias]
        headers.append({"name": name, "classes": list(head.classes), "bias": bias, "scale": scale})
        for row in head.rows:
            blob.extend(round(value / scale) for value in row)
    header: Header = {
        "version": model.version,
        "slope": round(slope, 5),
        "offset": round(offset, 5),
        "heads": headers,
    }
    WEIGHTS.write_bytes(json.dumps(header).encode() + b"\n" + blob.tobytes())


if __name__ == "__main__":
    main()
