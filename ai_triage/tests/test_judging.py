"""A verdict is right when decision and type stand after its review."""

import pytest

from ai_triage.judging import judged, opinion
from ai_triage.models import Action, Feedback, TriageResult


def result(decision="respond"):
    return TriageResult(decision=decision, email_type="question", urgency="low")


def said(action, *, pk=1, **corrected):
    return Feedback(pk=pk, action=action, **corrected)


@pytest.mark.parametrize(
    ("decision", "feedback", "right"),
    [
        ("respond", [said(Action.APPROVED)], True),
        ("ignore", [said(Action.APPROVED)], True),
        ("respond", [said(Action.EDITED)], True),
        ("ignore", [said(Action.EDITED)], False),
        ("ignore", [said(Action.IGNORED)], True),
        ("respond", [said(Action.IGNORED)], False),
        ("respond", [said(Action.CORRECTED, decision="ignore")], False),
        ("respond", [said(Action.CORRECTED, email_type="spam")], False),
        ("respond", [said(Action.CORRECTED, urgency="high")], True),
        ("respond", [said(Action.CORRECTED, decision="respond")], True),
    ],
)
def test_a_verdict_is_right_while_decision_and_type_stand(decision, feedback, right):
    assert judged(result(decision), *feedback) is right


def test_a_correction_is_not_undone_by_a_later_approval_but_by_a_later_correction():
    corrected = said(Action.CORRECTED, pk=1, email_type="complaint")

    assert not judged(result(), said(Action.APPROVED, pk=2), corrected)
    assert judged(result(), said(Action.CORRECTED, pk=2, email_type="question"), corrected)


def test_an_opinion_holds_what_was_corrected_and_what_stands():
    final = opinion(result(), said(Action.CORRECTED, email_type="complaint", urgency="high"))

    assert (final.decision, final.email_type, final.urgency) == ("respond", "complaint", "high")
