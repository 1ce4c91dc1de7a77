"""Answers that no person has seen: only where a rule says so, within limits, never in a loop."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.db import DataError, OperationalError, connection

from ai_triage import auto_replies, claims, jobs, review
from ai_triage.models import AutoReplyRule, Status, TriageResult, TriageSettings
from ai_triage.replies import Reply
from ai_triage.tests.waiting import (
    DRAFT,
    VERDICT,
    a_mail_in,
    a_result_of,
    answers_automatically,
    numbers,
)
from common.clock import DatabaseClock
from delivery import services as delivery
from delivery.building import build_message
from inbox import services as inbox
from logs.models import EmailLog
from logs.tests.builders import NOON
from tests.factories import make_account, make_domain

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def orders(tenant, account):
    account.default_for = tenant
    account.save()
    return account


def judged(mail, **fields) -> TriageResult:
    """The mail's triage, completed as a worker does it; a rule may make an answer due."""
    row = TriageResult.objects.get(inbound=mail)
    TriageResult.objects.filter(pk=row.pk).update(status=Status.PROCESSING)
    columns = {name: value for name, value in VERDICT.items() if name != "status"}
    at = DatabaseClock().now()
    assert claims.complete(row, **(columns | {"processed_at": at} | fields), at=at)
    row.refresh_from_db()
    return row


def a_question(tenant, **headers):
    number = next(numbers)
    given = {"Message_ID": f"<q{number}@example.com>", "From": f"Ana <ana{number}@example.com>"}
    return a_mail_in(tenant, **(given | headers))


def run():
    jobs.answer_due()


def sent():
    return list(EmailLog.objects.order_by("pk"))


def as_sent(email):
    return message_from_bytes(build_message(email, signers=[]), policy=policy.default)


def test_nothing_is_answered_while_no_rule_says_so(tenant):
    TriageSettings.objects.create(tenant=tenant)
    row = judged(a_question(tenant))

    run()

    row.refresh_from_db()
    assert (sent(), row.answer_due_at, row.needs_review) == ([], None, False)


def test_a_rule_answers_the_sender_alone_and_says_that_a_program_did(tenant):
    answers_automatically(tenant)
    row = judged(a_question(tenant, From="Ana <ana@example.com>", Cc="boss@example.com"))

    run()

    [email] = sent()
    seen = as_sent(email)
    assert (seen["To"], seen["Cc"], seen["Subject"]) == (
        "Ana <ana@example.com>",
        None,
        "Re: My order",
    )
    assert (seen["Auto-Submitted"], seen["In-Reply-To"]) == (
        "auto-replied",
        row.inbound.message_id,
    )
    assert seen.get_content().replace("\r\n", "\n").strip() == DRAFT
    row.refresh_from_db()
    assert (row.response, row.is_automatic, row.answer_due_at) == (email, True, None)
    assert (row.reviewed_at, row.reviewed_by) == (None, "")


@pytest.mark.parametrize(
    "fields",
    [
        {"confidence": "0.94"},
        {"email_type": "complaint"},
        {"decision": "ignore"},
        {"needs_review": True},
        {"never_auto_reply": "list"},
        {"suggested_body": ""},
        {"reviewed_at": NOON},
    ],
)
def test_what_the_rule_does_not_cover_waits_for_a_person(tenant, fields):
    answers_automatically(tenant)
    row = judged(a_question(tenant), **fields)

    run()

    row.refresh_from_db()
    assert (sent(), row.answer_due_at) == ([], None)


def test_a_draft_that_was_written_for_another_mail_is_not_sent_unseen(tenant):
    answers_automatically(tenant)
    earlier = a_result_of(a_question(tenant))
    judged(a_question(tenant), cached_from=earlier)

    run()

    assert sent() == []


def test_test_mail_and_mail_without_a_header_are_not_answered_unseen(tenant):
    answers_automatically(tenant)
    for change in ({"mode": "test"}, {"headers": {}}):
        row = TriageResult.objects.get(inbound=(mail := a_question(tenant)))
        TriageResult.objects.filter(pk=row.pk).update(**change)
        judged(mail)

    run()

    assert sent() == []


@pytest.mark.parametrize(
    ("path", "answers"), [("<ana@example.com>", 1), ("<list-bounce@lists.example>", 0), ("<>", 0)]
)
def test_the_envelopes_sender_must_be_the_one_who_is_answered(tenant, path, answers):
    answers_automatically(tenant)
    mail = a_question(tenant, From="ana@example.com", Return_Path=path)
    judged(mail, never_auto_reply=mail.never_auto_reply)

    run()

    assert len(sent()) == answers


def test_a_ring_that_comes_twice_answers_once_and_a_lost_one_is_made_good(tenant):
    answers_automatically(tenant)
    row = judged(a_question(tenant))
    assert row.answer_due_at is not None

    run()
    run()
    auto_replies.answer_if_due(row.pk, at=DatabaseClock().now())

    assert len(sent()) == 1


def test_a_person_who_was_faster_wins(tenant):
    answers_automatically(tenant)
    row = judged(a_question(tenant))
    review.answer(row, Reply("I am on it."), by="rita", at=DatabaseClock().now())

    run()

    assert [email.content.text[:11] for email in sent()] == ["I am on it."]


def test_where_a_person_wrote_in_the_conversation_nothing_is_sent_and_it_shows(tenant):
    answers_automatically(tenant)
    mail = a_question(tenant)
    row = judged(mail)
    a_mail_in(
        tenant, From="rita@shop.test", Message_ID="<c@shop.test>", In_Reply_To=mail.message_id
    )

    run()

    row.refresh_from_db()
    assert (sent(), row.needs_review, row.review_reason) == ([], True, "answered")


def test_a_rule_that_was_taken_back_meanwhile_answers_nothing(tenant):
    answers_automatically(tenant)
    row = judged(a_question(tenant))
    AutoReplyRule.objects.all().delete()

    run()

    row.refresh_from_db()
    assert (sent(), row.answer_due_at) == ([], None)
    assert row in TriageResult.objects.waiting_for_person()


def test_a_tenant_that_was_switched_off_answers_nobody(tenant):
    answers_automatically(tenant)
    judged(a_question(tenant))
    tenant.is_active = False
    tenant.save()

    run()

    assert sent() == []


def test_a_refused_answer_is_left_to_a_person_with_the_reason(tenant):
    answers_automatically(tenant)
    row = judged(a_question(tenant))
    delivery.suppress(row.from_address, tenant=tenant)

    run()
    run()

    row.refresh_from_db()
    assert (sent(), row.responded_at) == ([], None)
    assert (row.needs_review, row.review_reason, row.error_code) == (
        True,
        "reply_failed",
        "suppressed",
    )


def test_an_hours_limit_holds(tenant, other_tenant):
    answers_automatically(tenant, automatic_per_hour=2)
    rows = [judged(a_question(tenant)) for _ in range(4)]

    run()

    reasons = [TriageResult.objects.get(pk=row.pk).review_reason for row in rows]
    assert reasons == ["", "", "reply_limit", "reply_limit"]
    assert len(sent()) == 2


def test_one_sender_gets_two_answers_in_three_hours_however_it_is_spelt(tenant):
    answers_automatically(tenant, automatic_per_hour=100)
    for sender in ("ana@example.com", "Ana@example.com", "ana+shop@example.com", "ana@EXAMPLE.com"):
        judged(a_question(tenant, From=sender, Subject=f"About {next(numbers)}"))

    run()
    assert len(sent()) == 2

    TriageResult.objects.update(responded_at=DatabaseClock().now() - timedelta(hours=4))
    judged(a_question(tenant, From="ana@example.com", Subject="Something else"))
    run()
    assert len(sent()) == 3


def test_one_conversation_gets_one_answer_a_day(tenant):
    answers_automatically(tenant, automatic_per_hour=100)
    first = a_question(tenant)
    judged(first)
    run()
    TriageResult.objects.update(responded_at=DatabaseClock().now() - timedelta(hours=23))

    row = judged(a_question(tenant, In_Reply_To=first.message_id))
    TriageResult.objects.filter(pk=row.pk).update(received_at=DatabaseClock().now())
    run()

    row.refresh_from_db()
    assert (len(sent()), row.review_reason) == (1, "reply_limit")


def test_one_mail_that_breaks_does_not_stop_the_others(tenant):
    answers_automatically(tenant)
    bad, good = judged(a_question(tenant)), judged(a_question(tenant))
    TriageResult.objects.filter(pk=bad.pk).update(from_address="\x00", headers={"Date": ["now"]})

    run()

    assert [email.to_address for email in sent()] == [good.from_address]
    bad.refresh_from_db()
    assert (bad.answer_due_at, bad.review_reason) == (None, "reply_failed")


def failing_once(error):
    """Refuse the first message that is stored, as the database would."""
    left = [error]

    def execute(run, sql, params, many, context):
        if left and sql.startswith("INSERT") and EmailLog._meta.db_table in sql:
            raise left.pop()
        return run(sql, params, many, context)

    return connection.execute_wrapper(execute)


def test_a_mail_that_the_database_refuses_does_not_stop_the_others(tenant):
    answers_automatically(tenant)
    bad, good = judged(a_question(tenant)), judged(a_question(tenant))

    with failing_once(DataError("too long")):
        run()

    assert [email.to_address for email in sent()] == [good.from_address]
    bad.refresh_from_db()
    assert (bad.answer_due_at, bad.review_reason) == (None, "reply_failed")


def test_while_the_database_is_away_no_mail_is_left_to_a_person(tenant):
    answers_automatically(tenant)
    rows = [judged(a_question(tenant)) for _ in range(2)]

    with failing_once(OperationalError("gone away")), pytest.raises(OperationalError):
        run()
    assert all(TriageResult.objects.get(pk=row.pk).answer_due_at for row in rows)
    run()

    assert len(sent()) == 2


def test_two_tenants_that_answer_each_other_stop_after_one(tenant, other_tenant):
    """Each reads the other's answers as a mail that came in: bytes as they went out."""
    answers_automatically(tenant, "question", "request", "other", automatic_per_hour=100)
    answers_automatically(other_tenant, "question", "request", "other", automatic_per_hour=100)
    helpdesk = make_account(make_domain(other_tenant, "desk.test"), "help")
    helpdesk.default_for = other_tenant
    helpdesk.save()
    # Nobody knows that this address belongs to the other tenant: it is no account's.
    judged(a_question(tenant, From="sales@desk.test"))

    for turn in range(6):
        run()
        if len(sent()) <= turn:
            break
        reader = (other_tenant, tenant)[turn % 2]
        raw = build_message(sent()[turn], signers=[])
        mail = inbox.receive(raw, tenant=reader, at=DatabaseClock().now())
        judged(mail, never_auto_reply=mail.never_auto_reply)

    assert [email.to_address for email in sent()] == ["sales@desk.test"]
    answered = TriageResult.objects.get(tenant=other_tenant)
    assert answered.never_auto_reply == "auto_submitted"


def test_an_answer_that_lost_its_mark_on_the_way_still_ends_in_the_limits(tenant, other_tenant):
    """A server that strips headers: caps of conversation and sender are what is left."""
    answers_automatically(tenant, automatic_per_hour=100)
    judged(a_question(tenant, From="sales@desk.test"))
    for turn in range(6):
        run()
        if len(sent()) <= turn:
            break
        reply_to = sent()[turn].smtp_message_id
        judged(a_question(tenant, From="sales@desk.test", In_Reply_To=reply_to))

    assert len(sent()) == 1
