"""An address that bounces on several days, though it may exist, is left in peace for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.errors import RefusedTogether
from common.tests.smtp_server import ScriptedServer
from delivery import services
from delivery.models import Suppression
from delivery.tests.sending import ANA, BOB, account_at, drained, queue
from logs.afterwards import Report
from logs.models import EmailLog, EmailStatus, EventType
from tests.factories import make_account, make_domain

pytestmark = pytest.mark.django_db(transaction=True)
FULL = {"bounce_type": "soft", "status_code": "4.2.2"}


def sent(account, *, days_ago: float, **fields) -> EmailLog:
    """A message that a server took so many days ago."""
    at = timezone.now() - timedelta(days=days_ago)
    email = queue(account, **fields)
    EmailLog.objects.filter(pk=email.pk).update(
        status=EmailStatus.SENT, queued_at=at, sent_at=at, next_attempt_at=None
    )
    email.refresh_from_db()
    return email


def bounced(
    account, *, days_ago: float, data=FULL, recipient: str = ANA, is_hard: bool = False, **fields
) -> EmailLog:
    """One that came back within the hour."""
    email = sent(account, days_ago=days_ago, **fields)
    at = email.sent_at + timedelta(hours=1)
    report = Report(EventType.BOUNCED, recipient, at=at, reason="mailbox full", data=data)
    services.apply_report(email, report, is_hard=is_hard)
    return email


def test_the_third_bad_day_within_a_month_rests_the_address_for_a_month(account, tenant):
    bounced(account, days_ago=20)
    bounced(account, days_ago=10)
    assert not Suppression.objects.exists()

    last = bounced(account, days_ago=1)

    entry = Suppression.objects.get()
    assert (entry.address, entry.topic, entry.reason) == (ANA, "", "soft_bounces")
    assert (entry.source, entry.tenant) == (last, tenant)
    assert entry.expires_at == last.sent_at + timedelta(hours=1, days=30)
    with pytest.raises(RefusedTogether):
        queue(account)


def test_many_bounces_in_one_day_are_one_bad_day(account):
    for _ in range(5):
        bounced(account, days_ago=1)

    assert not Suppression.objects.exists()


def test_three_bad_days_over_more_than_a_month_rest_nobody(account):
    for days_ago in (40, 20, 1):
        bounced(account, days_ago=days_ago)

    assert not Suppression.objects.exists()


def test_a_delivery_in_between_begins_the_count_anew(account):
    bounced(account, days_ago=20)
    bounced(account, days_ago=15)
    arrived = sent(account, days_ago=12)
    services.apply_report(arrived, Report(EventType.DELIVERED, ANA, at=arrived.sent_at))

    bounced(account, days_ago=1)

    assert not Suppression.objects.exists()


def test_a_message_that_never_came_back_is_a_sign_of_life(account):
    bounced(account, days_ago=20)
    bounced(account, days_ago=15)
    sent(account, days_ago=12)

    bounced(account, days_ago=1)

    assert not Suppression.objects.exists()


def test_a_message_that_may_still_come_back_is_none(account):
    bounced(account, days_ago=6)
    bounced(account, days_ago=3)
    sent(account, days_ago=2)

    bounced(account, days_ago=1)

    assert Suppression.objects.get().reason == "soft_bounces"


@pytest.mark.parametrize("code", ["5.7.1", "4.7.26", "5.3.4", "5.2.3", "5.6.0", "4.5.3"])
def test_what_is_about_the_message_or_about_us_rests_nobody(account, code):
    for days_ago in (9, 5, 1):
        bounced(account, days_ago=days_ago, data=FULL | {"status_code": code})

    assert not Suppression.objects.exists()


def test_a_test_message_rests_nobody(account):
    for days_ago in (9, 5, 1):
        bounced(account, days_ago=days_ago, mode="test")

    assert not Suppression.objects.exists()


def test_another_tenants_bounces_do_not_count(account, other_tenant):
    theirs = make_account(make_domain(other_tenant), "news")
    bounced(theirs, days_ago=9)
    bounced(theirs, days_ago=5)

    bounced(account, days_ago=1)

    assert not Suppression.objects.exists()


def test_a_copys_bounce_is_not_its_messages_recipients(account):
    for days_ago in (9, 5, 1):
        bounced(account, days_ago=days_ago, recipient=BOB, cc=[BOB])

    assert not Suppression.objects.exists()


def test_a_hard_bounce_after_two_soft_ones_suppresses_for_good(account):
    bounced(account, days_ago=9)
    bounced(account, days_ago=5)

    bounced(account, days_ago=1, data=FULL | {"bounce_type": "hard"}, is_hard=True)

    entry = Suppression.objects.get()
    assert (entry.reason, entry.expires_at) == ("hard_bounce", None)


def test_a_full_mailbox_refused_on_the_wire_counts_like_a_report(tenant):
    with ScriptedServer() as server:
        server.always("RCPT", lambda _line: "552 5.2.2 mailbox full")
        account = account_at(server, tenant=tenant)
        bounced(account, days_ago=9)
        bounced(account, days_ago=5)

        email = drained(queue(account))

    entry = Suppression.objects.get()
    assert (email.status, entry.reason, entry.source) == ("bounced", "soft_bounces", email)
    assert email.failed_at + timedelta(days=30) == entry.expires_at


def test_mail_goes_again_when_the_rest_is_over(account, tenant):
    for days_ago in (9, 5, 1):
        bounced(account, days_ago=days_ago)
    Suppression.objects.update(expires_at=datetime(2026, 1, 1, tzinfo=timezone.now().tzinfo))

    assert queue(account).status == "queued"


def test_the_question_costs_the_same_however_much_was_sent(account):
    def cost() -> int:
        email = sent(account, days_ago=1)
        report = Report(EventType.BOUNCED, ANA, at=timezone.now(), data=FULL)
        with CaptureQueriesContext(connection) as asked:
            services.apply_report(email, report)
        return len(asked)

    bounced(account, days_ago=2)
    few = cost()
    for _ in range(30):
        bounced(account, days_ago=2)

    assert cost() == few
