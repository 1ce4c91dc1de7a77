"""What people say of a verdict is kept, and two of them never both act on one mail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ai_triage import claims, review
from ai_triage.judging import opinion
from ai_triage.models import Feedback, TriageResult
from ai_triage.replies import Reply
from ai_triage.review import Correction
from ai_triage.tests.waiting import DRAFT, a_result
from common.errors import Conflict, Refused
from delivery import services as delivery
from logs.models import EmailLog
from logs.tests.builders import NOON

pytestmark = pytest.mark.django_db
WHO = {"by": "rita", "at": NOON + timedelta(minutes=3)}


@pytest.fixture(autouse=True)
def orders(tenant, account):
    account.default_for = tenant
    account.save()


def said(result):
    return list(
        result.feedback.order_by("pk").values_list("action", "decision", "email_type", "urgency")
    )


@pytest.mark.parametrize("body", [DRAFT, DRAFT.replace("\n", "\r\n") + "\r\n"])
def test_to_send_the_draft_as_it_is_approves_the_verdict(tenant, body):
    result = a_result(tenant)

    review.answer(result, Reply(body, subject="Re: My order"), **WHO)

    result.refresh_from_db()
    assert said(result) == [("approved", "", "", "")]
    assert (result.reviewed_at, result.reviewed_by) == (WHO["at"], "rita")
    assert result.response_sent


def test_to_send_something_else_is_an_edit(tenant):
    result = a_result(tenant)

    review.answer(result, Reply("It left yesterday."), **WHO)

    result.refresh_from_db()
    assert said(result) == [("edited", "", "", "")]
    assert result.suggested_body == DRAFT


def test_to_answer_what_was_to_be_ignored_corrects_the_decision(tenant):
    result = a_result(tenant, decision="ignore", suggested_body="", email_type="spam")

    review.answer(result, Reply("Hi"), correction=Correction(email_type="request"), **WHO)

    result.refresh_from_db()
    assert said(result) == [("edited", "respond", "request", "")]
    assert (result.decision, result.email_type) == ("ignore", "spam")
    assert opinion(result, *result.feedback.all()).decision == "respond"


def test_to_ignore_a_mail_sends_nothing_and_corrects_the_decision(tenant):
    result = a_result(tenant)

    review.ignore(result, **WHO)

    assert said(result) == [("ignored", "ignore", "", "")]
    assert EmailLog.objects.count() == 0
    assert result not in TriageResult.objects.waiting_for_person()


def test_a_correction_keeps_the_first_verdict_and_what_was_said(tenant):
    result = a_result(tenant)

    review.correct(result, Correction("respond", "complaint", "high", "Furious"), **WHO)

    result.refresh_from_db()
    assert said(result) == [("corrected", "respond", "complaint", "high")]
    assert result.feedback.get().comment == "Furious"
    assert (result.email_type, result.urgency, result.reviewed_by) == (
        "question",
        "medium",
        "rita",
    )


def test_to_say_what_was_decided_anyway_approves_it(tenant):
    result = a_result(tenant)

    review.correct(result, Correction(decision="respond", email_type="question"), **WHO)

    assert said(result) == [("approved", "respond", "question", "")]


def test_a_correction_needs_a_verdict(tenant):
    with pytest.raises(Conflict):
        review.correct(a_result(tenant, status="queued"), Correction(urgency="low"), **WHO)
    assert Feedback.objects.count() == 0


def test_a_corrected_mail_can_still_be_answered(tenant):
    result = a_result(tenant)
    review.correct(result, Correction(urgency="high"), **WHO)
    result.refresh_from_db()

    assert review.answer(result, Reply(DRAFT), **WHO)


def waits(result):
    return result in TriageResult.objects.waiting_for_person(tenants=[result.tenant_id])


@pytest.mark.parametrize(
    ("verdict", "correction"),
    [
        ({}, Correction(email_type="complaint", urgency="high")),
        ({}, Correction(decision="respond")),
        ({"needs_review": True}, Correction(urgency="low")),
        ({"decision": "ignore", "needs_review": True}, Correction(decision="respond")),
        ({"decision": "ignore"}, Correction(decision="respond")),
    ],
)
def test_a_corrected_mail_that_is_to_be_answered_waits_until_somebody_does(
    tenant, verdict, correction
):
    result = a_result(tenant, **verdict)
    review.correct(result, correction, **WHO)
    assert waits(result)

    result.refresh_from_db()
    review.answer(result, Reply(DRAFT), **WHO)
    assert not waits(result)


def test_a_corrected_mail_waits_until_it_is_ignored(tenant):
    result = a_result(tenant)
    review.correct(result, Correction(urgency="high"), **WHO)
    result.refresh_from_db()

    review.ignore(result, **WHO)

    assert not waits(result)


@pytest.mark.parametrize("verdict", [{}, {"decision": "ignore", "needs_review": True}])
def test_a_mail_that_is_corrected_to_be_ignored_waits_for_nobody(tenant, verdict):
    result = a_result(tenant, **verdict)
    review.correct(result, Correction(urgency="high"), **WHO)

    review.correct(result, Correction(decision="ignore"), **WHO)

    assert not waits(result)


def test_a_correction_brings_back_neither_what_was_answered_nor_what_was_ignored(tenant):
    answered, ignored = a_result(tenant), a_result(tenant)
    review.answer(answered, Reply(DRAFT), **WHO)
    review.ignore(ignored, **WHO)

    for result in (answered, ignored):
        review.correct(result, Correction(urgency="high"), **WHO)
        assert not waits(result)


def test_a_corrected_mail_that_is_judged_anew_waits_as_its_new_verdict_says(tenant):
    result = a_result(tenant)
    review.correct(result, Correction(urgency="high"), **WHO)

    assert claims.begin_anew(result, at=NOON, lease=None)

    assert not waits(result)


@pytest.mark.parametrize("first", [review.answer, review.ignore])
@pytest.mark.parametrize("second", [review.answer, review.ignore])
def test_of_two_people_who_act_on_what_they_saw_only_one_does(tenant, first, second):
    result = a_result(tenant)
    same = TriageResult.objects.get(pk=result.pk)

    def act(verb, row):
        return verb(row, *([Reply(DRAFT)] if verb is review.answer else []), **WHO)

    act(first, result)
    with pytest.raises(Conflict):
        act(second, same)

    assert Feedback.objects.count() == 1
    assert EmailLog.objects.count() == (1 if first is review.answer else 0)


def test_a_refused_answer_leaves_no_feedback(tenant):
    result = a_result(tenant)
    delivery.suppress("ana@example.com", tenant=tenant)

    with pytest.raises(Refused):
        review.answer(result, Reply(DRAFT), **WHO)

    assert Feedback.objects.count() == 0
    assert TriageResult.objects.get().reviewed_at is None


def test_the_queue_holds_what_is_to_answer_or_to_judge_the_most_urgent_first(tenant):
    def waiting(name, **fields):
        return a_result(tenant, email_id=name, **fields)

    waiting("later", received_at=NOON + timedelta(hours=1))
    waiting("earlier")
    waiting("urgent", urgency="high", received_at=NOON + timedelta(hours=2))
    waiting("doubtful", decision="ignore", needs_review=True, urgency="low")
    waiting("unjudged", status="failed", decision="", urgency="", needs_review=True)
    waiting("ignored", decision="ignore")
    waiting("seen", reviewed_at=NOON)
    waiting("answered", responded_at=NOON)
    waiting("corrected", reviewed_at=NOON, awaits_answer=True, urgency="low")
    waiting("about to be answered", answer_due_at=NOON)
    waiting("queued", status="queued", decision="")

    queue = TriageResult.objects.waiting_for_person().most_urgent_first()

    assert [row.email_id for row in queue] == [
        "urgent",
        "earlier",
        "later",
        "doubtful",
        "corrected",
        "unjudged",
    ]
