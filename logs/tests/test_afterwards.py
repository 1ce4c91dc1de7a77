"""What reports change of a message that a server took, and what they can't."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from common.errors import Conflict, OutcomeUnknown
from logs import afterwards
from logs.afterwards import Report
from logs.models import EmailLog, EmailStatus, EventType
from logs.tests.builders import an_email

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def of_status(tenant, status, **fields):
    email = an_email(tenant)
    EmailLog.objects.filter(pk=email.pk).update(status=status, **fields)
    email.refresh_from_db()
    return email


def report(kind, email, **fields):
    return Report(kind=kind, recipient=email.to_address, at=NOON, **fields)


@pytest.mark.parametrize(
    ("before", "kind", "after"),
    [
        ("sent", EventType.DELIVERED, "delivered"),
        ("sent", EventType.BOUNCED, "bounced"),
        ("delivered", EventType.BOUNCED, "bounced"),
        ("sent", EventType.COMPLAINED, "spam"),
        ("bounced", EventType.COMPLAINED, "spam"),
        ("sent", EventType.DEFERRED, "sent"),
    ],
)
def test_a_report_moves_a_taken_message_and_stands_in_its_history(tenant, before, kind, after):
    email = of_status(tenant, before)

    assert afterwards.note(email, report(kind, email, reason="550 5.1.1 No such user"))

    email.refresh_from_db()
    (event,) = email.events.all()
    assert email.status == after
    assert event.type == kind
    assert event.data == {"recipient": email.to_address, "reason": "550 5.1.1 No such user"}


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ("queued", EventType.BOUNCED),
        ("failed", EventType.DELIVERED),
        ("cancelled", EventType.COMPLAINED),
        ("bounced", EventType.DELIVERED),
        ("bounced", EventType.BOUNCED),
        ("spam", EventType.COMPLAINED),
        ("delivered", EventType.DELIVERED),
    ],
)
def test_what_is_known_or_can_not_be_changes_nothing(tenant, before, kind):
    email = of_status(tenant, before)

    assert not afterwards.note(email, report(kind, email))

    email.refresh_from_db()
    assert email.status == before
    assert not email.events.exists()


def test_a_report_that_is_faster_than_our_own_record_must_come_again(tenant):
    email = of_status(tenant, EmailStatus.SENDING)

    with pytest.raises(Conflict):
        afterwards.note(email, report(EventType.BOUNCED, email))


@pytest.mark.parametrize("before", ["queued", "failed"])
def test_a_report_settles_a_message_whose_outcome_nobody_knew(tenant, before):
    email = of_status(tenant, before, error_code=OutcomeUnknown.code, next_attempt_at=NOON)

    assert afterwards.note(email, report(EventType.DELIVERED, email))

    email.refresh_from_db()
    assert (email.status, email.next_attempt_at, email.error_code) == ("delivered", None, "")
    assert email.sent_at == email.delivered_at == NOON


def test_a_bounced_copy_is_history_and_leaves_the_status_alone(tenant):
    email = of_status(tenant, "sent", bcc_addresses=["b@example.com"])
    bounce = Report(kind=EventType.BOUNCED, recipient="b@example.com", at=NOON)

    assert afterwards.note(email, bounce)
    assert not afterwards.note(email, bounce)

    email.refresh_from_db()
    assert email.status == "sent"
    assert email.recipient_outcomes["b@example.com"]["status"] == "bounced"
    assert email.events.get().data == {"recipient": "b@example.com"}


def test_only_the_first_unsubscription_through_a_message_is_history(tenant):
    email = of_status(tenant, "sent")

    assert afterwards.note_unsubscribed(email, at=NOON, topic="news")
    assert not afterwards.note_unsubscribed(email, at=NOON + timedelta(hours=1), topic="news")

    email.refresh_from_db()
    assert email.unsubscribed_at == NOON
    assert email.events.get().data == {"topic": "news"}
