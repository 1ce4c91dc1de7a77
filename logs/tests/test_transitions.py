"""What workers and people do to messages, and what the history says of it."""

from datetime import timedelta

import pytest
from django.db import transaction

from common.errors import Conflict, Refused
from logs import transitions
from logs.models import EmailEvent, EmailStatus, EventType
from logs.signals import email_events, emails_due
from logs.tests.builders import NOON, an_email, claimed
from logs.transitions import Outcome

LATER = NOON + timedelta(minutes=1)
MUCH_LATER = NOON + timedelta(minutes=10)


@pytest.fixture
def email(tenant):
    return an_email(tenant)


@pytest.fixture
def announced():
    heard = []

    def listen(sender, events, **_rest):
        heard.extend((event.email.pk, event.type, event.email.status) for event in events)

    email_events.connect(listen)
    yield heard
    email_events.disconnect(listen)


def history(email):
    return list(email.events.order_by("at", "id").values_list("type", "at", "data"))


def sent(email, **fields):
    return Outcome(
        email=email, kind=EventType.SENT, began_at=NOON, at=LATER, smtp_response="250 Ok", **fields
    )


# Outcomes


def test_a_taken_message_is_sent_and_its_history_says_how(email, announced):
    held = claimed(email)

    stored = transitions.record([sent(held, data={"smtp_code": 250, "transcript": ["< 250 Ok"]})])

    email.refresh_from_db()
    assert len(stored) == 1
    assert email.status == EmailStatus.SENT
    assert (email.sent_at, email.smtp_response) == (LATER, "250 Ok")
    assert email.next_attempt_at is None
    assert email.leased_until is None
    assert history(email) == [
        ("sending", NOON, {"attempt": 1}),
        ("sent", LATER, {"smtp_code": 250, "transcript": ["< 250 Ok"]}),
    ]
    assert announced == [(email.pk, "sending", "sent"), (email.pk, "sent", "sent")]


def test_a_deferred_message_waits_in_the_queue_and_counts_a_retry(email):
    held = claimed(email)

    transitions.record(
        [
            Outcome(
                email=held,
                kind=EventType.DEFERRED,
                began_at=NOON,
                at=LATER,
                until=MUCH_LATER,
                error_code="greylisted",
                error_message="Try again later.",
                smtp_response="450 4.2.0 Greylisted",
                data={"smtp_code": 450},
            )
        ]
    )

    email.refresh_from_db()
    assert email.status == EmailStatus.QUEUED
    assert (email.retry_count, email.next_attempt_at) == (1, MUCH_LATER)
    assert (email.error_code, email.smtp_response) == ("greylisted", "450 4.2.0 Greylisted")
    assert [kind for kind, _at, _data in history(email)] == ["sending", "deferred"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [(EventType.BOUNCED, EmailStatus.BOUNCED), (EventType.FAILED, EmailStatus.FAILED)],
)
def test_a_refused_message_ends_with_its_reason(email, kind, status):
    held = claimed(email)

    transitions.record(
        [
            Outcome(
                email=held,
                kind=kind,
                began_at=NOON,
                at=LATER,
                error_code="no_such_user",
                error_message="There is nobody of this name.",
                smtp_response="550 5.1.1 Unknown",
            )
        ]
    )

    email.refresh_from_db()
    assert (email.status, email.failed_at, email.next_attempt_at) == (status, LATER, None)
    assert (email.error_code, email.error_message) == (
        "no_such_user",
        "There is nobody of this name.",
    )


def test_a_message_that_failed_before_an_attempt_shows_no_sending(email):
    held = claimed(email)

    transitions.record(
        [Outcome(email=held, kind=EventType.FAILED, at=LATER, error_code="suppressed")]
    )

    assert [kind for kind, _at, _data in history(email)] == ["failed"]


def test_success_forgets_the_error_of_an_earlier_attempt(tenant):
    email = an_email(tenant, error_code="greylisted", error_message="later", retry_count=1)

    transitions.record([sent(claimed(email))])

    email.refresh_from_db()
    assert (email.error_code, email.error_message, email.retry_count) == ("", "", 1)


def test_replies_to_single_recipients_are_kept_for_the_next_attempt(tenant):
    email = an_email(tenant, cc_addresses=["b@example.com"])

    transitions.record([sent(claimed(email), recipient_outcomes={"b@example.com": "250"})])

    email.refresh_from_db()
    assert email.recipients == ["ana@example.com"]


def test_an_outcome_needs_a_time_to_try_again_exactly_when_it_is_deferred(email):
    with pytest.raises(ValueError, match="deferred"):
        Outcome(email=email, kind=EventType.DEFERRED, at=LATER)
    with pytest.raises(ValueError, match="deferred"):
        Outcome(email=email, kind=EventType.SENT, at=LATER, until=MUCH_LATER)
    with pytest.raises(ValueError, match="deferred"):
        Outcome(email=email, kind=EventType.OPENED, at=LATER)


def test_many_outcomes_are_stored_together_in_few_queries(tenant, django_assert_max_num_queries):
    emails = [an_email(tenant) for _ in range(50)]
    claimed(emails[0])
    held = [email.__class__.objects.get(pk=email.pk) for email in emails]

    with django_assert_max_num_queries(54):
        stored = transitions.record([sent(email) for email in held])

    assert len(stored) == 50
    assert EmailEvent.objects.filter(type="sent").count() == 50


def test_outcomes_of_all_kinds_are_stored_together_each_as_its_own(tenant):
    emails = [an_email(tenant, cc_addresses=["b@example.com"]) for _ in range(4)]
    claimed(emails[0])
    first, second, third, fourth = [type(email).objects.get(pk=email.pk) for email in emails]
    later = {"kind": EventType.DEFERRED, "at": LATER, "until": MUCH_LATER}

    transitions.record(
        [
            Outcome(email=first, kind=EventType.SENT, at=NOON, smtp_response="250 é 1"),
            Outcome(email=second, kind=EventType.SENT, at=LATER, smtp_response="250 2"),
            Outcome(email=third, recipient_outcomes={"b@example.com": {"reply": "250"}}, **later),
            Outcome(email=fourth, kind=EventType.BOUNCED, at=LATER, error_code="no_such_user"),
        ]
    )

    for email in emails:
        email.refresh_from_db()
    assert [email.status for email in emails] == ["sent", "sent", "queued", "bounced"]
    assert [email.sent_at for email in emails] == [NOON, LATER, None, None]
    assert [email.smtp_response for email in emails[:2]] == ["250 é 1", "250 2"]
    assert emails[2].recipient_outcomes == {"b@example.com": {"reply": "250"}}
    assert emails[2].next_attempt_at == MUCH_LATER
    assert emails[3].error_code == "no_such_user"


def test_outcomes_are_the_same_when_a_broken_transaction_is_repeated(email):
    outcome = Outcome(email=claimed(email), kind=EventType.DEFERRED, at=LATER, until=MUCH_LATER)

    with transaction.atomic():
        transitions.record([outcome])
        transaction.set_rollback(True)
    transitions.record([outcome])

    email.refresh_from_db()
    assert (email.status, email.retry_count) == (EmailStatus.QUEUED, 1)


# Fencing


def test_a_late_worker_changes_nothing_after_its_message_was_taken_back(email, announced):
    late = claimed(email, lasting=timedelta(seconds=30))
    transitions.take_back_expired(at=LATER)
    current = claimed(email, at=LATER)

    stored = transitions.record([sent(late)])

    email.refresh_from_db()
    assert stored == []
    assert email.status == EmailStatus.SENDING
    assert announced == []
    assert history(email) == []
    assert not transitions.note_data([late])
    assert transitions.release([late], at=LATER) == 0
    assert transitions.note_data([current]) == [current]


def test_one_lost_message_does_not_spoil_the_rest_of_the_batch(tenant):
    first, second = an_email(tenant), an_email(tenant)
    claimed(first)
    first.refresh_from_db()
    second.refresh_from_db()
    transitions.record([sent(first)])

    stored = transitions.record([sent(first), sent(second)])

    assert [outcome.email.pk for outcome in stored] == [second.pk]
    assert EmailEvent.objects.filter(email=first, type="sent").count() == 1


def test_a_broken_receiver_undoes_status_and_history_together(email):
    def break_down(sender, **_rest):
        raise RuntimeError("receiver")

    held = claimed(email)
    email_events.connect(break_down)
    try:
        with pytest.raises(RuntimeError), transaction.atomic():
            transitions.record([sent(held)])
    finally:
        email_events.disconnect(break_down)

    email.refresh_from_db()
    assert email.status == EmailStatus.SENDING
    assert history(email) == []


# Giving back and taking back


def test_a_released_message_is_due_at_once_and_counts_no_retry(email):
    held = claimed(email)

    assert transitions.release([held], at=LATER) == 1

    email.refresh_from_db()
    assert (email.status, email.retry_count, email.attempt) == (EmailStatus.QUEUED, 0, 1)
    assert claimed(email, at=LATER).attempt == 2


def test_an_expired_lease_before_the_data_makes_the_message_due_without_a_trace(email):
    claimed(email, lasting=timedelta(seconds=30))

    accounts = transitions.take_back_expired(at=LATER)

    email.refresh_from_db()
    assert accounts == [email.account_id]
    assert (email.status, email.next_attempt_at) == (EmailStatus.QUEUED, LATER)
    assert (email.retry_count, history(email)) == (0, [])


def test_a_lease_that_still_runs_is_left_alone(email):
    claimed(email, lasting=timedelta(minutes=3))

    assert transitions.take_back_expired(at=LATER) == []

    email.refresh_from_db()
    assert email.status == EmailStatus.SENDING


def test_a_lease_that_expired_in_the_data_goes_again_and_says_that_nobody_knows(email):
    transitions.note_data([claimed(email, lasting=timedelta(seconds=30))])

    transitions.take_back_expired(at=LATER)

    email.refresh_from_db()
    assert (email.status, email.next_attempt_at) == (EmailStatus.QUEUED, LATER)
    assert (email.retry_count, email.error_code) == (1, "outcome_unknown")
    assert history(email) == [("deferred", LATER, {"reason": "outcome_unknown", "attempt": 1})]
    assert claimed(email, at=LATER).in_data is False


def test_a_message_that_is_lost_again_and_again_waits_longer_and_is_given_up_in_the_end(tenant):
    email = an_email(tenant)
    waits, at = [], NOON
    while email.status == EmailStatus.QUEUED:
        transitions.note_data([claimed(email, at=at, lasting=timedelta(seconds=30))])
        at += timedelta(minutes=1)
        transitions.take_back_expired(at=at)
        email.refresh_from_db()
        waits.append((email.next_attempt_at or at) - at)
        at = email.next_attempt_at or at

    assert waits[:4] == [timedelta(seconds=seconds) for seconds in (0, 1, 3, 7)]
    assert max(waits) == timedelta(hours=4)
    assert (email.status, email.error_code) == (EmailStatus.FAILED, "outcome_unknown")
    assert len(waits) < 60


def test_a_tenant_that_wants_nothing_twice_gets_a_failure_instead_of_a_copy(tenant):
    tenant.never_twice = True
    tenant.save()
    email = an_email(tenant)
    transitions.note_data([claimed(email, lasting=timedelta(seconds=30))])

    transitions.take_back_expired(at=LATER)

    email.refresh_from_db()
    assert (email.status, email.error_code) == (EmailStatus.FAILED, "outcome_unknown")
    assert email.failed_at == LATER
    assert [kind for kind, _at, _data in history(email)] == ["failed"]


def test_taking_back_works_through_more_than_one_bounded_batch(tenant, monkeypatch):
    monkeypatch.setattr(transitions, "BATCH", 2)
    emails = [an_email(tenant) for _ in range(5)]
    transitions.note_data([claimed(emails[0], lasting=timedelta(seconds=30))])

    assert transitions.take_back_expired(at=LATER) == [emails[0].account_id]

    for email in emails:
        email.refresh_from_db()
    assert [email.status for email in emails] == [EmailStatus.QUEUED] * 5


# What people ask for


def test_a_queued_message_can_be_cancelled_and_is_never_claimed_again(email, announced):
    transitions.cancel(email, at=LATER)

    email.refresh_from_db()
    assert (email.status, email.next_attempt_at) == (EmailStatus.CANCELLED, None)
    assert history(email) == [("cancelled", LATER, {})]
    assert announced == [(email.pk, "cancelled", "cancelled")]


def test_who_cancelled_a_message_or_sent_it_now_stands_in_its_history(email):
    transitions.retry(email, at=LATER, by="ana")
    transitions.cancel(email, at=MUCH_LATER, by="rui")

    assert history(email) == [
        ("queued", LATER, {"by": "ana"}),
        ("cancelled", MUCH_LATER, {"by": "rui"}),
    ]


def test_a_scheduled_message_that_goes_now_keeps_for_when_it_was_meant(tenant):
    tomorrow = NOON + timedelta(days=1)
    email = an_email(tenant, send_at=tomorrow, next_attempt_at=tomorrow)

    transitions.retry(email, at=LATER)
    transitions.retry(email, at=MUCH_LATER)

    assert history(email) == [("queued", LATER, {"send_at": tomorrow.isoformat()})]


def test_a_message_on_its_way_can_not_be_cancelled(email):
    claimed(email)

    with pytest.raises(Conflict, match="sending"):
        transitions.cancel(email, at=LATER)

    assert history(email) == []


def test_a_queued_message_goes_at_another_time(email):
    tomorrow = NOON + timedelta(days=1)

    transitions.reschedule(email, send_at=tomorrow, at=LATER)

    email.refresh_from_db()
    assert (email.send_at, email.next_attempt_at) == (tomorrow, tomorrow)
    assert email.age_limit == tomorrow + timedelta(days=5)


@pytest.mark.parametrize("away", [timedelta(minutes=-6), timedelta(days=367)])
def test_a_message_can_not_go_in_the_past_or_the_far_future(email, away):
    with pytest.raises(Refused) as refusal:
        transitions.reschedule(email, send_at=LATER + away, at=LATER)

    assert refusal.value.attr == "send_at"


@pytest.mark.parametrize("status", ["sending", "sent", "failed", "bounced", "cancelled"])
def test_only_a_queued_message_is_rescheduled(tenant, status):
    email = an_email(tenant, status=status)

    with pytest.raises(Conflict):
        transitions.reschedule(email, send_at=MUCH_LATER, at=LATER)


def test_a_failed_message_is_tried_again_as_the_same_message_and_the_bell_rings(
    tenant, django_capture_on_commit_callbacks
):
    email = an_email(
        tenant,
        status="failed",
        failed_at=NOON,
        next_attempt_at=None,
        error_code="expired",
        error_message="Too old.",
        attempt=7,
    )
    message_id, date = email.smtp_message_id, email.date
    rung = []

    def ring(sender, account_ids, **_rest):
        rung.append(account_ids)

    emails_due.connect(ring)
    with django_capture_on_commit_callbacks(execute=True):
        transitions.retry(email, at=MUCH_LATER)
    emails_due.disconnect(ring)

    email.refresh_from_db()
    assert (email.status, email.next_attempt_at) == (EmailStatus.QUEUED, MUCH_LATER)
    assert (email.failed_at, email.error_code, email.error_message) == (None, "", "")
    assert (email.smtp_message_id, email.date) == (message_id, date)
    assert email.age_limit > MUCH_LATER
    assert rung == [[email.account_id]]
    assert claimed(email, at=MUCH_LATER).attempt == 8


@pytest.mark.parametrize("status", ["sending", "sent", "delivered", "bounced", "spam", "cancelled"])
def test_what_went_out_or_was_refused_for_good_is_not_tried_again(tenant, status):
    email = an_email(tenant, status=status)

    with pytest.raises(Conflict):
        transitions.retry(email, at=LATER)

    email.refresh_from_db()
    assert email.status == status


def test_of_cancelling_and_claiming_at_once_one_wins(tenant, email):
    stale = email.__class__.objects.get(pk=email.pk)
    with transaction.atomic():
        held = claimed(email)

    with pytest.raises(Conflict):
        transitions.cancel(stale, at=LATER)

    assert transitions.record([sent(held)])
