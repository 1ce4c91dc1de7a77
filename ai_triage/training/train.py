"""Make the weights of the linear model: ``python -m ai_triage.training.train`` (some minutes).

Pure Python and the same result every time. Folds hold out whole templates, so that both the
strength of the regularisation and the confidence are chosen on wordings the model has not met.
Neither the validation nor the shipped evaluation set takes part.
"""

from __future__ import annotations

import json
import math
import random
import sys
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ai_triage.features import BUCKETS, features
from ai_triage.kinds import EmailType, Urgency
from ai_triage.linear import (
    BLOCKS,
    RESPOND,
    TYPE,
    URGENCY,
    WEIGHTS,
    Header,
    Row,
    RowHeader,
    sigmoid,
    units,
)
from ai_triage.training.mails import Sample, samples

VERSION = "linear-3"
PER_TEMPLATE = 3
SEED = 7
EPOCHS = 10
RATE = 0.03
FOLDS = 6
STRENGTHS = (0.1, 0.5)  # times 1 / number of mails, the L2 penalty


@dataclass(frozen=True)
class Lesson:
    """A mail's buckets by kind, sorted since sums of floats depend on it, and what each counts."""

    blocks: tuple[tuple[int, ...], ...]
    units: tuple[float, float, float]


def main() -> None:
    """Choose the strength by folds, calibrate on what they left out, write all mails' weights."""
    mails = samples(per_template=PER_TEMPLATE, seed=SEED)
    lessons = [lesson_of(mail) for mail in mails]
    due = [mail.decision == "respond" for mail in mails]
    trials = {strength: held_out_scores(mails, lessons, due, strength) for strength in STRENGTHS}
    fitted = {strength: calibrate(scores, due) for strength, scores in trials.items()}
    best = min(STRENGTHS, key=lambda s: log_loss(trials[s], due, *fitted[s]))
    slope, offset = fitted[best]
    report(mails, best, [slope * score + offset for score in trials[best]])
    write(fit_all(mails, lessons, due, best), slope, offset)


def stamp() -> str:
    """Return what tells one making from another: the mails and some of them as numbers."""
    digest = sha256(f"{VERSION} {PER_TEMPLATE} {SEED} {EPOCHS} {RATE} {STRENGTHS}".encode())
    mails = samples(per_template=1, seed=SEED)
    digest.update(repr(mails).encode())
    for mail in mails[::20]:
        digest.update(repr(lesson_of(mail).blocks).encode())
    return digest.hexdigest()[:16]


def lesson_of(mail: Sample) -> Lesson:
    """Return one training mail as numbers."""
    found = features(from_address=mail.from_address, subject=mail.subject, body=mail.body)
    return Lesson(tuple(tuple(sorted(block)) for block in found), units(found))


def fit_all(
    mails: Sequence[Sample], lessons: Sequence[Lesson], due: Sequence[bool], strength: float
) -> dict[str, Row]:
    """Return a row for the decision and one for each type and each urgency."""
    rows = {RESPOND: fit(lessons, due, strength)}
    for kind in EmailType:
        rows[TYPE + kind] = fit(lessons, [mail.email_type == kind for mail in mails], strength)
    answered = [i for i, yes in enumerate(due) if yes]
    for level in Urgency:
        rows[URGENCY + level] = fit(
            [lessons[i] for i in answered], [mails[i].urgency == level for i in answered], strength
        )
    return rows


def fit(lessons: Sequence[Lesson], labels: Sequence[bool], strength: float) -> Row:
    """Return a class-balanced logistic regression with an L2 penalty, by gradient descent."""
    rarity = squared_rarity(lessons)
    yes = sum(labels)
    importance = {
        label: len(labels) / 2 / count for label, count in ((True, yes), (False, len(labels) - yes))
    }
    weights = [0.0] * BUCKETS
    bias = 0.0
    order = list(range(len(lessons)))
    chance = random.Random(SEED)  # noqa: S311  not a secret
    for epoch in range(EPOCHS):
        chance.shuffle(order)
        rate = RATE / (1 + epoch / 3)
        for i in order:
            error = labels[i] - sigmoid(score(lessons[i], weights, bias))
            push = rate * importance[labels[i]] * error
            bias += push
            _push(lessons[i], push, weights, rarity)
        keep = math.exp(-rate * strength)
        weights = [weight * keep for weight in weights]
    return Row(bias, (1.0, 1.0, 1.0), weights)


def squared_rarity(lessons: Sequence[Lesson]) -> list[float]:
    """Return for each bucket the square of its inverse document frequency; marks count as 1.

    The weights we learn are already multiplied by it, so it is needed here only.
    """
    counts = Counter(bucket for lesson in lessons for block in lesson.blocks for bucket in block)
    rarity = [0.0] * BUCKETS
    for bucket, count in counts.items():
        is_mark = bucket >= BLOCKS[0] + BLOCKS[1]
        rarity[bucket] = 1.0 if is_mark else (math.log(len(lessons) / count) + 1) ** 2
    return rarity


def score(lesson: Lesson, weights: Sequence[float], bias: float) -> float:
    """Return the log-odds of yes."""
    value = weights.__getitem__
    parts = zip(lesson.units, lesson.blocks, strict=True)
    return bias + sum(unit * sum(map(value, block)) for unit, block in parts)


def _push(lesson: Lesson, push: float, weights: list[float], rarity: Sequence[float]) -> None:
    if abs(push) < 1e-5:
        return
    for unit, block in zip(lesson.units, lesson.blocks, strict=True):
        change = push * unit
        for bucket in block:
            weights[bucket] += change * rarity[bucket]


def held_out_scores(
    mails: Sequence[Sample], lessons: Sequence[Lesson], due: Sequence[bool], strength: float
) -> list[float]:
    """Return each mail's raw score from a model that has seen none of its group."""
    groups = sorted({mail.group for mail in mails})
    random.Random(SEED).shuffle(groups)  # noqa: S311  not a secret
    fold = {group: number % FOLDS for number, group in enumerate(groups)}
    scores = [0.0] * len(mails)
    for held_out in range(FOLDS):
        known = [i for i, mail in enumerate(mails) if fold[mail.group] != held_out]
        row = fit([lessons[i] for i in known], [due[i] for i in known], strength)
        for i, mail in enumerate(mails):
            if fold[mail.group] == held_out:
                scores[i] = score(lessons[i], row.weights, row.bias)
    return scores


def calibrate(scores: Sequence[float], due: Sequence[bool]) -> tuple[float, float]:
    """Return slope and offset of Platt's scaling, by gradient descent."""
    slope, offset = 1.0, 0.0
    pairs = list(zip(scores, due, strict=True))
    for _ in range(300):
        errors = [sigmoid(slope * score + offset) - yes for score, yes in pairs]
        pull = sum(error * score for error, score in zip(errors, scores, strict=True))
        slope -= 0.3 * pull / len(pairs)
        offset -= 0.3 * sum(errors) / len(pairs)
    return slope, offset


def log_loss(scores: Sequence[float], due: Sequence[bool], slope: float, offset: float) -> float:
    """Return how surprised the calibrated scores are by the truth, on average."""
    chances = [sigmoid(slope * score + offset) for score in scores]
    losses = [-math.log(c if yes else 1 - c) for c, yes in zip(chances, due, strict=True)]
    return sum(losses) / len(losses)


def report(mails: Sequence[Sample], strength: float, scores: Sequence[float]) -> None:
    """Print how often the held-out decision was right, by language and decision."""
    sys.stdout.write(f"{len(mails)} mails, strength {strength}\n")
    for language in ("en", "pt"):
        for decision in ("respond", "ignore"):
            right = [
                (score > 0) == (decision == "respond")
                for mail, score in zip(mails, scores, strict=True)
                if (mail.language, mail.decision) == (language, decision)
            ]
            sys.stdout.write(f"{language} {decision}: {sum(right) / len(right):.3f}\n")


def write(rows: dict[str, Row], slope: float, offset: float) -> None:
    """Store the weights as one byte each behind a line of JSON."""
    headers: list[RowHeader] = []
    blob = array("b")
    for name, row in rows.items():
        scales: list[float] = []
        start = 0
        for size in BLOCKS:
            block = row.weights[start : start + size]
            scale = max(map(abs, block)) / 127
            blob.extend(round(weight / scale) for weight in block)
            scales.append(scale)
            start += size
        headers.append({"name": name, "bias": round(row.bias, 5), "scales": scales})
    header: Header = {
        "version": VERSION,
        "stamp": stamp(),
        "slope": round(slope, 5),
        "offset": round(offset, 5),
        "rows": headers,
    }
    WEIGHTS.write_bytes(json.dumps(header).encode() + b"\n" + blob.tobytes())


if __name__ == "__main__":
    main()
