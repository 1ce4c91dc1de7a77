"""``GET /analytics/delivery`` tells what became of the messages of a period."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.days import day_of
from conftest import client_of
from logs import afterwards, figures
from logs.models import TOTALS, EmailLog, EventType
from logs.tests.builders import NOON, an_account, an_email
from logs.tests.test_figures import LATER, a_sent_email, reported
from tests.factories import make_template

pytestmark = pytest.mark.django_db
URL = "/api/v1/analytics/delivery"
MARCH = f"{URL}?start_date=2026-03-01&end_date=2026-03-31"


def of(totals: dict) -> dict:
    """The totals that are not 0."""
    return {name: count for name, count in totals.items() if count}


def by(api, name: str, url: str = MARCH) -> dict:
    return {
        one["key"]: of(one["totals"]) for one in api.get(f"{url}&group_by={name}").json()["groups"]
    }


def test_a_month_is_told_with_rates_and_what_they_are_of(api, tenant):
    for _message in range(6):
        a_sent_email(tenant)
    a_sent_email(tenant, opens_count=2, clicks_count=1, status="delivered", delivered_at=NOON)
    a_sent_email(tenant, machine_opens_count=2, status="spam", unsubscribed_at=NOON)
    a_sent_email(tenant, status="bounced", sent_at=None)
    a_sent_email(tenant, status="failed", sent_at=None)
    an_email(tenant)
    a_sent_email(tenant, queued_at=NOON + timedelta(days=31))  # in April

    answer = api.get(MARCH)

    assert answer.status_code == 200
    assert answer.json() == {
        "period": {"start": "2026-03-01", "end": "2026-03-31"},
        "totals": {
            "queued": 11, "settled": 10, "sent": 8, "delivered": 1, "failed": 1, "bounced": 1,
            "spam": 1, "opened": 1, "clicked": 1, "machine_opened": 1, "machine_clicked": 0,
            "unsubscribed": 1,
        },
        "rates": {
            "delivery_rate": 0.125, "failure_rate": 0.1, "bounce_rate": 0.1,
            "complaint_rate": 0.125, "open_rate": 0.125, "click_rate": 0.125,
            "unsubscribe_rate": 0.125,
        },
        "denominators": {
            "delivery_rate": "sent", "failure_rate": "settled", "bounce_rate": "settled",
            "complaint_rate": "sent", "open_rate": "sent", "click_rate": "sent",
            "unsubscribe_rate": "sent",
        },
        "groups": [],
    }  # fmt: skip


def test_what_happens_counts_at_once(api, tenant):
    email = a_sent_email(tenant, queued_at=timezone.now())
    assert of(api.get(URL).json()["totals"]) == {"queued": 1, "settled": 1, "sent": 1}
    a_sent_email(tenant, queued_at=timezone.now())

    afterwards.note(email, reported(EventType.BOUNCED, at=timezone.now()))

    told = api.get(URL).json()["totals"]
    assert of(told) == {"queued": 2, "settled": 2, "sent": 2, "bounced": 1}


def test_a_late_event_counts_at_once_on_its_old_day(api, tenant):
    email = a_sent_email(tenant)
    figures.keep_up(at=LATER)
    assert "spam" not in by(api, "day")["2026-03-01"]

    afterwards.note(email, reported(EventType.COMPLAINED, at=LATER))

    assert by(api, "day")["2026-03-01"]["spam"] == 1


def test_groups_are_days_templates_accounts_domains_and_tags(api, tenant):
    news, template = an_account(tenant, "news@mail.shop.test"), make_template(tenant)
    a_sent_email(tenant, tags=["order", "vip"])
    a_sent_email(tenant, tags=["order"], template=template)
    a_sent_email(tenant, account=news, template=template, queued_at=NOON + timedelta(days=2))

    one, two = ({"queued": n, "settled": n, "sent": n} for n in (1, 2))
    days = by(api, "day")
    assert len(days) == 31
    assert (days["2026-03-01"], days["2026-03-02"], days["2026-03-03"]) == (two, {}, one)
    assert by(api, "template") == {template.slug: two, None: one}
    assert by(api, "account") == {"orders@shop.test": two, "news@mail.shop.test": one}
    assert by(api, "domain") == {"shop.test": two, "mail.shop.test": one}
    assert by(api, "tag") == {"order": two, "vip": one}
    first = api.get(f"{MARCH}&group_by=tag").json()["groups"][0]
    assert first["key"] == "order"
    assert first["rates"]["open_rate"] == 0


def test_days_follow_the_clocks_of_the_tenant(api, tenant):
    for at in (
        "2026-03-28T23:59", "2026-03-29T00:00", "2026-03-29T22:59", "2026-03-29T23:00",
        "2026-10-24T22:59", "2026-10-24T23:00", "2026-10-25T23:59", "2026-10-26T00:00",
    ):  # fmt: skip
        an_email(tenant, queued_at=f"{at}:00Z")

    def queued(start, end):
        days = by(api, "day", f"{URL}?start_date={start}&end_date={end}")
        return [totals.get("queued", 0) for totals in days.values()]

    assert queued("2026-03-28", "2026-03-30") == [1, 2, 1]
    assert queued("2026-10-24", "2026-10-26") == [1, 2, 1]


def test_a_rate_is_never_over_one(api, tenant):
    a_sent_email(tenant, status="failed", sent_at=None, opens_count=1)
    a_sent_email(tenant, opens_count=1)

    assert api.get(MARCH).json()["rates"]["open_rate"] == 1


def test_a_large_day_is_left_to_the_next_count(api, tenant, monkeypatch):
    monkeypatch.setattr(figures, "MOST_AT_ONCE", 2)
    for _message in range(3):
        a_sent_email(tenant)
    a_sent_email(tenant, queued_at=NOON + timedelta(days=3))

    assert by(api, "day")["2026-03-01"] == {}
    assert by(api, "day")["2026-03-04"]["sent"] == 1
    figures.keep_up(at=LATER)
    assert by(api, "day")["2026-03-01"]["sent"] == 3


def test_nothing_is_all_zeros(api):
    found = api.get(MARCH).json()

    assert found["totals"] == dict.fromkeys(TOTALS, 0)
    assert set(found["rates"].values()) == {0}


def test_a_period_left_out_is_thirty_days_until_today(api, tenant):
    today = day_of(timezone.now(), zone=tenant.zone)

    assert api.get(URL).json()["period"] == {
        "start": str(today - timedelta(days=29)),
        "end": str(today),
    }


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("start_date=2026-02-30", "start_date"),
        ("end_date=yesterday", "end_date"),
        ("start_date=2026-01-02&end_date=2026-01-01", "start_date"),
        ("group_by=hour", "group_by"),
        ("group_by=", "group_by"),
        ("group_by=account__domain__tenant", "group_by"),
        ("from=2026-01-01", "from"),
    ],
)
def test_a_bad_query_is_400_and_named(api, query, attr):
    refused = api.get(f"{URL}?{query}")

    assert refused.status_code == 400
    assert refused.json()["type"] == "validation_error"
    assert [error["attr"] for error in refused.json()["errors"]] == [attr]


def test_a_test_key_is_told_of_test_mail_alone(api, tenant):
    a_sent_email(tenant, tags=["a"])
    a_sent_email(tenant, tags=["a", "b"], mode="test")

    of_test = client_of(tenant, mode="test")

    assert set(by(of_test, "tag")) == {"a", "b"}
    assert set(by(api, "tag")) == {"a"}
    assert of_test.get(MARCH).json()["totals"]["sent"] == 1


@pytest.mark.parametrize("name", ["", "day", "template", "account", "domain", "tag"])
def test_another_tenant_is_told_nothing(other_api, tenant, name):
    a_sent_email(tenant, tags=["a"])
    a_sent_email(tenant, queued_at=timezone.now())
    figures.keep_up(at=timezone.now())

    for url in (MARCH, f"{URL}?"):
        told = other_api.get(f"{url}&group_by={name}" if name else url).json()
        assert of(told["totals"]) == {}
        assert all(of(group["totals"]) == {} for group in told["groups"])


def test_the_key_needs_the_scope(tenant):
    assert client_of(tenant, scopes=["analytics:read"]).get(URL).status_code == 200
    assert client_of(tenant, scopes=["emails:read", "emails:send"]).get(URL).status_code == 403


@pytest.mark.parametrize("name", ["day", "template", "account", "domain", "tag"])
def test_much_mail_of_many_kinds_costs_as_many_queries_as_none(api, tenant, name):
    url = f"{MARCH}&group_by={name}"
    api.get(url)
    with CaptureQueriesContext(connection) as few:
        api.get(url)
    for number in range(12):
        a_sent_email(
            tenant,
            account=an_account(tenant, f"a{number}@d{number}.test"),
            template=make_template(tenant, slug=f"t{number}"),
            queued_at=NOON + timedelta(days=number),
            tags=[f"tag{number}"],
        )
    figures.keep_up(at=LATER)

    with CaptureQueriesContext(connection) as many:
        groups = api.get(url).json()["groups"]

    assert len([one for one in groups if one["totals"]["sent"]]) == 12
    assert len(many) == len(few)
    assert EmailLog.objects.count() == 12
