"""What a worker gets when it claims, and what others then see."""

from __future__ import annotations

from datetime import timedelta

import pytest

from logs.claiming import NAMES, claim
from logs.models import EmailLog, EmailStatus, Lease, Priority
from logs.tests.builders import NOON, an_account, an_email

pytestmark = pytest.mark.django_db

UNTIL = NOON + timedelta(minutes=3)


def lease_of(email: EmailLog) -> Lease:
    return Lease(account_id=email.account_id, until=UNTIL)


def test_the_most_urgent_come_first_and_no_more_than_asked_for(tenant):
    low, early, late, high = (
        an_email(tenant, priority=priority, next_attempt_at=NOON - timedelta(minutes=age))
        for priority, age in [
            (Priority.LOW, 9),
            (Priority.NORMAL, 2),
            (Priority.NORMAL, 1),
            (Priority.HIGH, 0),
        ]
    )

    assert claim(lease_of(low), at=NOON, most=3) == [high, early, late]
    assert claim(lease_of(low), at=NOON, most=3) == [low]
    assert claim(lease_of(low), at=NOON, most=3) == []


def test_a_claimed_message_is_as_its_row_says(tenant, django_assert_num_queries):
    email = an_email(
        tenant,
        cc_addresses=["bob@example.com"],
        cc_names={"bob@example.com": "Bob"},
        own_variables={"name": "José", "items": [1, None]},
        send_at=NOON,
        track_opens=True,
    )
    lease = lease_of(email)

    (held,) = claim(lease, at=NOON, most=5)

    row = EmailLog.objects.get()
    with django_assert_num_queries(0):
        assert [getattr(held, name) for name in NAMES] == [getattr(row, name) for name in NAMES]
    assert (row.status, row.attempt, row.lease_token) == (EmailStatus.SENDING, 1, lease.token)
    assert (held.status, held.leased_until, row.leased_until) == (row.status, UNTIL, UNTIL)
    assert held.metadata == {}  # loaded when it is asked for


def test_a_noted_claim_says_that_data_may_go_but_not_that_it_has_begun(tenant):
    email = an_email(tenant)

    (held,) = claim(lease_of(email), at=NOON, most=5, noted=True)

    email.refresh_from_db()
    assert (email.in_data, held.in_data) == (True, False)


def test_what_is_not_due_or_of_another_account_or_mode_stays_where_it_is(tenant):
    wanted = an_email(tenant, mode="test")
    an_email(tenant)
    an_email(tenant, mode="test", next_attempt_at=NOON + timedelta(seconds=1))
    an_email(tenant, mode="test", account=an_account(tenant, "other@shop.test"))

    assert claim(lease_of(wanted), at=NOON, most=9, mode="test") == [wanted]
    assert EmailLog.objects.filter(status=EmailStatus.QUEUED).count() == 3
