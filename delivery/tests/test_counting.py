"""What hits become: events and figures, each once, people's and machines' apart."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from delivery import counting
from delivery.tests.test_machines import FIREFOX, GMAIL
from logs.models import EmailEvent, EmailLog, EventType, TrackingHit
from logs.signals import email_events
from logs.tests.builders import an_email

pytestmark = pytest.mark.django_db(transaction=True)
AMERICAN, PORTUGUESE = "8.8.8.8", "193.136.128.1"


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def email(tenant) -> EmailLog:
    return an_email(tenant, status="sent", track_opens=True, track_clicks=True)


def ago(seconds: float) -> datetime:
    return (timezone.now() - timedelta(seconds=seconds)).replace(microsecond=0)


def hit(email: EmailLog, at: datetime, *, kind=EventType.OPENED, **fields) -> TrackingHit:
    given = {"user_agent": FIREFOX, "ip_address": AMERICAN, **fields}
    return TrackingHit.objects.create(tracking_id=email.tracking_id, kind=kind, at=at, **given)


def click(email: EmailLog, at: datetime, url: str = "https://x.test/1", **fields) -> TrackingHit:
    return hit(email, at, kind=EventType.CLICKED, url=url, **fields)


def counted(email: EmailLog) -> EmailLog:
    counting.count_hits()
    assert not TrackingHit.objects.exists()
    return EmailLog.objects.get(pk=email.pk)


def figures(email: EmailLog) -> tuple[int, int, int, int]:
    return (
        email.opens_count,
        email.clicks_count,
        email.machine_opens_count,
        email.machine_clicks_count,
    )


def test_an_open_stands_on_the_message_and_in_its_history(email):
    at = ago(60)
    hit(email, at)

    email = counted(email)

    event = EmailEvent.objects.get()
    assert figures(email) == (1, 0, 0, 0)
    assert (email.first_opened_at, email.last_opened_at) == (at, at)
    assert (email.user_agent, email.ip_address, email.country) == (FIREFOX, AMERICAN, "US")
    assert email.status == "sent"
    assert (event.type, event.at, event.tenant_id) == ("opened", at, email.tenant_id)
    assert event.data == {
        "user_agent": FIREFOX,
        "ip_address": AMERICAN,
        "country": "US",
        "machine": False,
        "machine_reason": None,
    }


def test_a_click_is_no_open_and_says_where_it_led(email):
    click(email, ago(60))

    email = counted(email)

    assert figures(email) == (0, 1, 0, 0)
    assert email.first_opened_at is None
    assert EmailEvent.objects.get().data["url"] == "https://x.test/1"


def test_machines_are_recorded_apart(email):
    at = ago(60)
    hit(email, at, user_agent=GMAIL)
    click(email, at, sign="head")
    click(email, at + timedelta(seconds=9), user_agent="scanner x")
    click(email, at + timedelta(seconds=9), "https://x.test/2", user_agent="scanner x")

    email = counted(email)

    assert figures(email) == (0, 0, 1, 3)
    assert (email.first_opened_at, email.user_agent, email.ip_address) == (None, "", None)
    events = EmailEvent.objects.order_by("at", "pk")
    assert [event.data["machine_reason"] for event in events] == [
        "gmail_proxy",
        "head",
        "many_links",
        "many_links",
    ]
    assert all(event.data["machine"] for event in events)


def test_the_first_open_is_the_earliest_in_whatever_order_they_are_counted(email):
    late, early = ago(60), ago(600)
    hit(email, late)
    counted(email)
    hit(email, early, ip_address=PORTUGUESE, user_agent="early")
    hit(email, ago(2000), user_agent=GMAIL)

    email = counted(email)

    assert (email.opens_count, email.machine_opens_count) == (2, 1)
    assert (email.first_opened_at, email.last_opened_at) == (early, late)
    assert (email.user_agent, email.country) == ("early", "PT")


def test_what_is_not_ripe_waits_for_what_may_belong_to_it(email):
    click(email, timezone.now())

    counting.count_hits()

    assert TrackingHit.objects.count() == 1
    assert EmailLog.objects.get().clicks_count == 0


def test_a_scanner_is_known_across_two_counts(email):
    at = ago(60)
    click(email, at, ip_address=PORTUGUESE)
    click(email, at, "https://x.test/2", ip_address=PORTUGUESE)
    counted(email)
    click(email, at + timedelta(milliseconds=900), "https://x.test/3", ip_address=PORTUGUESE)

    email = counted(email)

    assert figures(email) == (0, 0, 0, 3)


def test_a_scanner_whose_other_link_is_not_ripe_yet_is_known_too(email, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(counting, "RIPE", timedelta(milliseconds=500))
    click(email, now - timedelta(milliseconds=900))
    click(email, now - timedelta(milliseconds=200), "https://x.test/2")

    counting._count_some(at=now)

    assert figures(EmailLog.objects.get()) == (0, 0, 0, 1)
    assert TrackingHit.objects.count() == 1


def test_a_private_tenant_keeps_the_country_but_no_personal_data(tenant, email):
    tenant.private_tracking = True
    tenant.save()
    at = ago(60)
    hit(email, at)
    click(email, at)
    click(email, at, "https://x.test/2")

    email = counted(email)

    assert figures(email) == (0, 0, 1, 2)
    hit(email, ago(10))
    email = counted(email)
    assert figures(email) == (1, 0, 1, 2)
    assert (email.user_agent, email.ip_address, email.country) == ("", None, "US")
    for event in EmailEvent.objects.all():
        assert (event.data["user_agent"], event.data["ip_address"]) == (None, None)


def test_a_hit_of_a_message_that_is_gone_is_dropped(email):
    hit(email, ago(60))
    EmailEvent.objects.all().delete()
    email.delete()

    counting.count_hits()

    assert not TrackingHit.objects.exists()
    assert not EmailEvent.objects.exists()


def test_a_hit_from_a_host_whose_clock_is_ahead_is_counted_all_the_same(email):
    hit(email, ago(-3600))

    assert counted(email).opens_count == 1


def test_nothing_is_counted_twice_and_nothing_is_lost_by_workers_at_once(tenant, monkeypatch):
    monkeypatch.setattr(counting, "AT_ONCE", 20)  # so that all of them work on the same messages
    emails = [an_email(tenant, status="sent") for _ in range(5)]
    at = ago(60)
    for number in range(60):
        for email in emails:
            hit(email, at + timedelta(milliseconds=number))

    def count(_: int) -> None:
        try:
            counting.count_hits()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(8)))
    counting.count_hits()

    assert not TrackingHit.objects.exists()
    assert [email.opens_count for email in EmailLog.objects.all()] == [60] * 5
    assert EmailEvent.objects.count() == 300


def test_nothing_to_do_costs_one_query(django_assert_num_queries):
    with django_assert_num_queries(1 if connection.vendor == "sqlite" else 2):
        counting.count_hits()


def test_the_cost_of_counting_does_not_grow_with_the_number_of_hits(
    tenant, django_assert_max_num_queries
):
    emails = [an_email(tenant, status="sent") for _ in range(40)]
    for number, email in enumerate(emails):
        hit(email, ago(60 + number))
        click(email, ago(30 + number))

    with django_assert_max_num_queries(16):
        counting.count_hits()


def test_events_are_announced_together_with_their_messages(email, other_tenant):
    announced: list[Sequence[EmailEvent]] = []

    def listen(events, **kwargs):
        announced.append(events)

    hit(email, ago(60))
    click(email, ago(60))
    email_events.connect(listen)
    try:
        counting.count_hits()
    finally:
        email_events.disconnect(listen)

    (events,) = announced
    assert [event.type for event in events] == ["opened", "clicked"]
    assert {event.email.tracking_id for event in events} == {email.tracking_id}
