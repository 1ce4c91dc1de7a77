"""What a person did last with a mail can be taken back, as long as nothing came of it yet."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ai_triage import review
from ai_triage.models import Draft, Feedback, TriageResult
from ai_triage.replies import Reply
from ai_triage.review import Correction
from ai_triage.tests.waiting import DRAFT, a_result
from common.errors import Conflict
from logs.models import EmailLog, EventType
from logs.tests.builders import claimed
from tests.factories import make_account, make_domain

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def orders(tenant, account):
    account.default_for = tenant
    account.save()
    return account


@pytest.fixture
def now():
    return timezone.now()


def answered(result, now, body=DRAFT, by="rita", **reply):
    review.answer(result, Reply(body, **reply), by=by, at=now, send_at=now + timedelta(seconds=10))
    return result.feedback.order_by("pk").last()


def test_an_answer_waits_for_its_time_and_goes_then(tenant, now):
    answered(a_result(tenant), now)

    email = EmailLog.objects.get()
    assert email.send_at == email.next_attempt_at == now + timedelta(seconds=10)


def test_an_undone_answer_does_not_go_and_its_mail_waits_again(tenant, now):
    result = a_result(tenant)
    said = answered(result, now)

    again = review.undo(said, by="rita", at=now)

    email = EmailLog.objects.get()
    assert email.status == "cancelled"
    assert EventType.CANCELLED in email.events.values_list("type", flat=True)
    assert TriageResult.objects.waiting_for_person().get() == again
    assert (again.responded_at, again.response, again.reviewed_by) == (None, None, "")
    assert Feedback.objects.count() == Draft.objects.count() == 0


def test_the_mail_can_be_answered_anew_after_its_answer_was_undone(tenant, now):
    said = answered(a_result(tenant), now)

    again = review.undo(said, by="rita", at=now)
    answered(again, now, body="Another one")

    assert EmailLog.objects.filter(status="queued").get().content.text.startswith("Another one")


def test_what_was_written_comes_back_exactly_as_the_mails_draft(tenant, domain, now):
    other = make_account(domain, "support")
    body = "Hi,\r\n\r\n-- \r\nRita > On Monday, she wrote:"

    said = answered(a_result(tenant), now, body=body, subject="Soon", account=other.pk)
    review.undo(said, by="rita", at=now)

    kept = Draft.objects.get()
    assert kept.body == body.replace("\r\n", "\n")
    assert (kept.subject, kept.account, kept.by) == ("Soon", other, "rita")


def test_an_answer_that_a_worker_has_in_hand_can_not_be_undone(tenant, now):
    result = a_result(tenant)
    said = answered(result, now)
    claimed(EmailLog.objects.get(), at=now + timedelta(seconds=11))

    with pytest.raises(Conflict) as caught:
        review.undo(said, by="rita", at=now)

    assert caught.value.code == "already_sent"
    result.refresh_from_db()
    assert result.response_sent
    assert Feedback.objects.count() == 1
    assert EmailLog.objects.get().status == "sending"


def test_an_answer_that_was_tried_can_not_be_undone_though_it_waits_again(tenant, now):
    said = answered(a_result(tenant), now)
    EmailLog.objects.update(attempt=1)

    with pytest.raises(Conflict) as caught:
        review.undo(said, by="rita", at=now)

    assert caught.value.code == "already_sent"
    assert EmailLog.objects.get().status == "queued"


def test_a_purged_answer_has_gone(tenant, now):
    said = answered(a_result(tenant), now)
    TriageResult.objects.update(response=None)

    with pytest.raises(Conflict) as caught:
        review.undo(said, by="rita", at=now)

    assert caught.value.code == "already_sent"


def test_what_was_ignored_waits_again(tenant, now):
    said = review.ignore(a_result(tenant), by="rita", at=now)

    review.undo(said, by="rita", at=now)

    assert TriageResult.objects.waiting_for_person().count() == 1
    assert Feedback.objects.count() == 0


def test_to_undo_the_second_act_leaves_the_first(tenant, now):
    result = a_result(tenant)
    first = review.correct(result, Correction(urgency="high"), by="ana", at=now)
    result.refresh_from_db()
    second = review.ignore(result, by="rita", at=now)

    again = review.undo(second, by="rita", at=now)

    assert again.reviewed_by == "ana"
    assert list(Feedback.objects.all()) == [first]
    assert TriageResult.objects.waiting_for_person().get() == again


def test_a_corrected_mail_waits_again_once_its_answer_was_undone(tenant, now):
    result = a_result(tenant)
    review.correct(result, Correction(urgency="high"), by="ana", at=now)
    result.refresh_from_db()
    said = answered(result, now)

    again = review.undo(said, by="rita", at=now)

    assert TriageResult.objects.waiting_for_person().get() == again


def test_to_undo_that_a_mail_was_to_be_answered_leaves_it_ignored(tenant, now):
    result = a_result(tenant, decision="ignore")
    said = review.correct(result, Correction(decision="respond"), by="rita", at=now)

    review.undo(said, by="rita", at=now)

    assert not TriageResult.objects.waiting_for_person().exists()


def test_to_undo_a_word_on_an_answered_mail_does_not_let_it_wait_again(tenant, now):
    result = a_result(tenant)
    answered(result, now)
    said = review.correct(result, Correction(urgency="high"), by="rita", at=now)

    review.undo(said, by="rita", at=now)

    assert not TriageResult.objects.waiting_for_person().exists()


def test_nobody_undoes_what_a_colleague_did_or_what_somebody_went_on_from(tenant, now):
    result = a_result(tenant)
    first = review.correct(result, Correction(urgency="high"), by="rita", at=now)
    result.refresh_from_db()
    second = review.ignore(result, by="ana", at=now)

    for said in (first, second):
        with pytest.raises(Conflict) as caught:
            review.undo(said, by="rita", at=now)
        assert caught.value.code == "moved_on"
    assert Feedback.objects.count() == 2


def test_a_mail_that_was_judged_anew_is_left_alone(tenant, now):
    result = a_result(tenant)
    said = review.ignore(result, by="rita", at=now)
    TriageResult.objects.update(reviewed_at=None)

    with pytest.raises(Conflict):
        review.undo(said, by="rita", at=now)


# Drafts


def test_a_draft_is_kept_while_the_mail_goes_on_waiting(tenant, now):
    result = a_result(tenant)

    first = review.keep_draft(result, Reply("So far"), by="rita", at=now)
    stamp = review.draft_stamp(first)
    review.keep_draft(result, Reply("Further"), by="ana", at=now + timedelta(seconds=1), seen=stamp)

    kept = Draft.objects.get()
    assert (kept.body, kept.by) == ("Further", "ana")
    assert TriageResult.objects.waiting_for_person().count() == 1


def test_nobody_writes_over_a_draft_that_they_have_not_seen(tenant, now):
    result = a_result(tenant)
    review.keep_draft(result, Reply("Hers"), by="ana", at=now)

    with pytest.raises(Conflict) as caught:
        review.keep_draft(result, Reply("His"), by="rui", at=now + timedelta(seconds=1))

    assert caught.value.code == "draft_changed"
    assert Draft.objects.get().body == "Hers"


def test_an_answered_mail_takes_no_draft_and_keeps_none(tenant, now):
    result = a_result(tenant)
    review.keep_draft(result, Reply("So far"), by="rita", at=now)
    answered(result, now)
    assert Draft.objects.count() == 0

    with pytest.raises(Conflict):
        review.keep_draft(result, Reply("More"), by="rita", at=now)


def test_a_draft_takes_no_account_of_another_tenant(tenant, other_tenant, now):
    foreign = make_account(make_domain(other_tenant, "foreign.test"))

    kept = review.keep_draft(a_result(tenant), Reply("x", account=foreign.pk), by="rita", at=now)

    assert kept.account is None
