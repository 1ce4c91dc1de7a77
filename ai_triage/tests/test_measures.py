"""The measures give what was worked out by hand."""

import pytest

from ai_triage.evaluation.mails import read_mails
from ai_triage.evaluation.measures import Judged, calibration_error, measure, threshold
from ai_triage.kinds import Decision, EmailType, Urgency


def judged(right, said, confidence=0.9, kind="question", said_kind="question"):
    return Judged(
        Decision(right), Decision(said), confidence, EmailType(kind), EmailType(said_kind),
        Urgency.HIGH, Urgency.LOW,
    )  # fmt: skip


FOUR = [
    judged("respond", "respond"),
    judged("respond", "ignore", kind="complaint"),
    judged("ignore", "respond", kind="spam", said_kind="spam"),
    judged("ignore", "ignore"),
]


def test_figures_of_four_mails():
    figures = measure(FOUR)
    shares = (figures.accuracy, figures.precision, figures.recall)
    assert [share.value for share in shares] == [0.5, 0.5, 0.5]
    assert figures.macro_f1 == pytest.approx((0.8 + 0 + 1) / 3)
    assert figures.urgency_recall.value == 0
    assert figures.calibration_error == pytest.approx(0.4)


def test_nothing_measured_is_zero():
    assert measure([]).accuracy.value == 0
    assert calibration_error([]) == 0


def test_the_threshold_follows_the_cost_of_a_wrong_answer():
    run = [judged("respond", "respond", c) for c in (0.95, 0.9)] + [
        judged("ignore", "respond", 0.6)
    ]
    assert threshold(run, cost_of_wrong=10) == 0.9
    assert threshold(run, cost_of_wrong=0.5) == 0.6
    assert threshold(run[2:], cost_of_wrong=10) is None


def test_the_own_set_is_large_and_half_portuguese():
    languages = [mail.language for mail in read_mails()]
    assert languages.count("en") == 75
    assert languages.count("pt") == 76
