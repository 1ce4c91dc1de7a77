"""A confidence is measured by the own reviewed mail; a threshold follows from costs."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_triage.calibration import Costs, calibrate
from ai_triage.models import Action, Feedback, TriageResult
from ai_triage.tests.counted import a_result, unsaved

pytestmark = pytest.mark.django_db
USUAL = Costs(wrong=20, look=1)


def reviewed(tenant, confidence, *, right, wrong=0, **fields):
    """Mails of one confidence, some of them corrected by a person."""
    made = [
        unsaved(tenant, confidence=confidence, reviewed_at=timezone.now(), **fields)
        for _ in range(right + wrong)
    ]
    TriageResult.objects.bulk_create(made)
    rows = TriageResult.objects.filter(email_id__in=[one.email_id for one in made])
    Feedback.objects.bulk_create(
        Feedback(
            result=row,
            action=Action.CORRECTED if number < wrong else Action.APPROVED,
            decision="ignore" if number < wrong else "",
        )
        for number, row in enumerate(rows)
    )


def found(tenant, costs=USUAL):
    return calibrate(tenant, costs=costs)


def test_the_curve_says_how_often_each_confidence_was_right(tenant):
    reviewed(tenant, "0.70", right=5, wrong=5)
    reviewed(tenant, "0.95", right=29, wrong=1)

    curve = found(tenant)

    assert [(one.lowest, one.count, one.right.part) for one in curve.bins] == [
        (0.7, 10, 5),
        (0.9, 30, 29),
    ]
    assert curve.bins[0].right.interval == pytest.approx((0.237, 0.763), abs=0.001)
    assert curve.error == pytest.approx(0.25 * 0.2 + 0.75 * abs(0.95 - 29 / 30))
    assert (curve.count, curve.right.part) == (40, 34)


def test_the_threshold_follows_from_what_a_mistake_and_a_look_cost(tenant):
    reviewed(tenant, "0.60", right=15, wrong=15)
    reviewed(tenant, "0.80", right=27, wrong=3)
    reviewed(tenant, "0.95", right=40)

    def threshold(wrong, look):
        return found(tenant, Costs(wrong=wrong, look=look)).suggestions[0].threshold

    assert threshold(20, 1) == 0.95
    assert threshold(5, 1) == threshold(10, 2) == 0.8
    assert threshold(1, 1) == 0.6

    everything = found(tenant, Costs(wrong=5, look=1)).suggestions[0]
    assert (everything.alone, everything.wrong) == (70, 3)


def test_where_every_confidence_is_too_often_wrong_a_person_looks_at_all(tenant):
    reviewed(tenant, "0.90", right=30, wrong=30)

    suggestion = found(tenant).suggestions[0]

    assert suggestion.is_enough
    assert suggestion.threshold is None


def test_a_few_mails_suggest_nothing_and_types_are_told_apart(tenant):
    reviewed(tenant, "0.90", right=60)
    reviewed(tenant, "0.90", right=10, email_type="complaint")
    reviewed(tenant, "0.90", right=10, decision="ignore", email_type="spam")

    told = [(one.email_type, one.count, one.threshold) for one in found(tenant).suggestions]

    assert told == [("", 80, 0.9), ("complaint", 10, None), ("question", 60, 0.9)]


def test_only_this_tenants_live_mail_that_a_person_judged_counts(tenant, other_tenant):
    reviewed(other_tenant, "0.90", right=3)
    reviewed(tenant, "0.90", right=3, mode="test")
    reviewed(tenant, "0.90", right=1)
    a_result(tenant)
    reviewed(tenant, "0.00", right=1, review_reason="blocked")

    assert found(tenant).count == 1


def test_many_reviews_cost_as_many_queries_as_one(tenant):
    reviewed(tenant, "0.90", right=1)
    with CaptureQueriesContext(connection) as few:
        found(tenant)
    reviewed(tenant, "0.80", right=50, wrong=9)

    with CaptureQueriesContext(connection) as many:
        found(tenant)

    assert len(many) == len(few)


def test_the_command_prints_curve_and_thresholds(tenant, capsys):
    reviewed(tenant, "0.95", right=58, wrong=2)

    call_command("triage_calibration", "--tenant", "shop", "--wrong-costs", "5")

    printed = capsys.readouterr().out
    assert "60 reviewed mails, 58 right" in printed
    assert "| 0.9 to 1.0 | 60    | 0.950 | 0.967 | 0.886 to 0.991 |" in printed
    assert "| respond, question | 60       | 0.95         | 2 of 60        |" in printed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--tenant", "nobody"], "no tenant nobody"),
        (["--tenant", "shop"], "No mail was reviewed yet"),
        (["--tenant", "shop", "--wrong-costs", "0"], "a number above 0"),
        (["--tenant", "shop", "--look-costs", "nan"], "a number above 0"),
    ],
)
def test_the_command_says_what_is_missing(tenant, arguments, told):
    with pytest.raises(CommandError, match=told):
        call_command("triage_calibration", *arguments)
