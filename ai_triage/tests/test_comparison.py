"""Verdicts on simulated reviews whose truth is known, looked at after every few mails."""

from __future__ import annotations

import random

import pytest

from ai_triage.comparison import Arm, Comparison, Outcome, compare

SURE = (Outcome.BETTER, Outcome.WORSE)


def looked_at_often(*, a: float, b: float, mails: int, seed: int) -> list[Comparison]:
    """Return every look at a trial in which A and B are right this often."""
    rng = random.Random(seed)
    right, reviewed = [0, 0], [0, 0]
    looks = []
    for number in range(mails):
        arm = rng.random() < 0.5
        reviewed[arm] += 1
        right[arm] += rng.random() < (b if arm else a)
        if number % 10 == 9:
            looks.append(compare(Arm(right[0], reviewed[0]), Arm(right[1], reviewed[1])))
    return looks


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_equal_prompts_are_seldom_called_different_however_often_one_looks(share):
    trials = [looked_at_often(a=share, b=share, mails=1500, seed=seed) for seed in range(200)]

    false = sum(any(look.outcome in SURE for look in looks) for looks in trials)

    assert false / 200 <= 0.05
    # The same looks with the interval of a single one, to show that the guard is needed.
    naive = sum(
        any(abs(look.difference) > 1.96 * (look.a.variance + look.b.variance) ** 0.5 for look in x)
        for x in trials
    )
    assert naive / 200 > 0.15


@pytest.mark.parametrize(
    ("a", "b", "said"), [(0.7, 0.9, Outcome.BETTER), (0.9, 0.7, Outcome.WORSE)]
)
def test_a_large_difference_is_found_soon_and_its_sign_is_right(a, b, said):
    trials = [looked_at_often(a=a, b=b, mails=500, seed=seed) for seed in range(100)]

    firsts = [next((x.outcome for x in looks if x.outcome in SURE), None) for looks in trials]

    assert firsts.count(said) >= 95
    assert set(firsts) <= {said, None}


def test_a_small_difference_is_not_claimed_from_little_mail():
    looks = looked_at_often(a=0.85, b=0.9, mails=200, seed=1)

    assert {look.outcome for look in looks} == {Outcome.NOT_ENOUGH}
    assert looks[-1].detectable > 0.1


@pytest.mark.parametrize(
    ("a", "b"), [(Arm(0, 0), Arm(0, 0)), (Arm(0, 29), Arm(29, 29)), (Arm(0, 0), Arm(90, 90))]
)
def test_a_handful_of_reviews_never_decides(a, b):
    assert compare(a, b).outcome is Outcome.NOT_ENOUGH


def test_the_interval_holds_the_truth_at_every_look_and_narrows():
    trials = [looked_at_often(a=0.75, b=0.85, mails=1000, seed=seed) for seed in range(100)]

    missed = sum(not all(look.low <= 0.1 <= look.high for look in looks) for looks in trials)

    assert missed <= 5
    assert all(x[-1].high - x[-1].low < x[20].high - x[20].low for x in trials)


def test_the_interval_stays_possible_where_all_was_right():
    found = compare(Arm(40, 40), Arm(40, 40))

    assert (found.difference, found.outcome) == (0, Outcome.NOT_ENOUGH)
    assert -1 <= found.low < 0 < found.high <= 1


def test_wilsons_interval_is_the_published_one():
    low, high = Arm(81, 263).interval(1.96)  # Newcombe 1998, Statistics in Medicine 17:857, table I

    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
