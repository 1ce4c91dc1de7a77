"""``GET /analytics/summary`` tells what triage did in a period of the tenant's days."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_triage import analytics
from ai_triage.models import TriageResult
from ai_triage.tests.counted import NOON, a_result, results
from common.days import day_of
from conftest import client_of

pytestmark = pytest.mark.django_db
URL = "/api/v1/analytics/summary"
PROCESS = "/api/v1/emails/process"
JANUARY = f"{URL}?start_date=2026-01-01&end_date=2026-01-31"


def counted():
    analytics.keep_up(at=timezone.now())


def test_a_month_is_summed_up_over_its_days(api, tenant):
    for days, seconds, confidence in [(0, 1.0, "0.90"), (0, 2.0, "0.70"), (16, 6.0, "0.50")]:
        at = NOON + timedelta(days=days)
        a_result(tenant, processing_time_seconds=seconds, confidence=confidence, processed_at=at)
    a_result(tenant, email_type="complaint", needs_review=True, processing_time_seconds=1)
    a_result(
        tenant,
        decision="ignore",
        email_type="newsletter",
        input_tokens=8,
        output_tokens=2,
        cost="0.0005",
        processing_time_seconds=1,
    )
    a_result(tenant, processed_at=NOON + timedelta(days=17))  # in February
    counted()

    answer = api.get(JANUARY)

    assert answer.status_code == 200
    found = answer.json()
    details = found.pop("details")
    assert found == {
        "period": {"start": "2026-01-01", "end": "2026-01-31"},
        "totals": {
            "emails_processed": 5,
            "emails_responded": 4,
            "emails_ignored": 1,
            "response_rate": 0.8,
        },
        "average_metrics": {"processing_time_seconds": 2.2, "confidence_score": 0.78},
        "top_reasons": {
            "respond": [{"reason": "question", "count": 3}, {"reason": "complaint", "count": 1}],
            "ignore": [{"reason": "newsletter", "count": 1}],
        },
    }
    assert details.pop("p50_processing_time_seconds") == pytest.approx(1, rel=0.05)
    assert details.pop("p95_processing_time_seconds") == pytest.approx(6, rel=0.05)
    assert details == {
        "emails_for_review": 1,
        "review_rate": 0.2,
        "input_tokens": 8,
        "output_tokens": 2,
        "cost": 0.0005,
    }


def test_what_was_processed_today_counts_at_once(api, tenant):
    a_result(tenant, processed_at=timezone.now())
    assert api.get(URL).json()["totals"]["emails_processed"] == 1
    counted()
    a_result(tenant, processed_at=timezone.now())
    assert api.get(URL).json()["totals"]["emails_processed"] == 2


def test_mail_that_was_processed_counts_and_processed_anew_counts_once(api, tenant):
    mail = {
        "email_id": "m1",
        "from": "ana@example.com",
        "to": "support@shop.test",
        "subject": "Delivery",
        "body": "Where is my order? Could you please check the delivery?",
        "received_at": "2026-01-15T10:30:00Z",
    }
    assert api.post(PROCESS, mail).status_code == 200
    assert api.get(URL).json()["totals"]["emails_processed"] == 1

    TriageResult.objects.update(processed_at=NOON)
    counted()
    assert api.get(JANUARY).json()["totals"]["emails_processed"] == 1
    assert api.post(f"{PROCESS}?force=true", mail).status_code == 200
    counted()

    assert api.get(JANUARY).json()["totals"]["emails_processed"] == 0
    assert api.get(URL).json()["totals"]["emails_processed"] == 1


def test_a_large_day_is_told_as_it_was_a_minute_ago(api, tenant, monkeypatch):
    monkeypatch.setattr("ai_triage.summaries.LARGE_DAY", 1)
    now = timezone.now()
    a_result(tenant, processed_at=now)
    analytics.recount(tenant, day=day_of(now, zone=tenant.zone), at=now)
    a_result(tenant, processed_at=now)

    assert api.get(URL).json()["totals"]["emails_processed"] == 1


def test_nothing_is_all_zeros(api):
    found = api.get(JANUARY).json()

    assert found["totals"] == {
        "emails_processed": 0,
        "emails_responded": 0,
        "emails_ignored": 0,
        "response_rate": 0,
    }
    assert found["average_metrics"] == {"processing_time_seconds": 0, "confidence_score": 0}
    assert found["top_reasons"] == {"respond": [], "ignore": []}
    assert set(found["details"].values()) == {0}


def test_a_period_left_out_is_thirty_days_until_today(api, tenant):
    today = day_of(timezone.now(), zone=tenant.zone)

    assert api.get(URL).json()["period"] == {
        "start": str(today - timedelta(days=29)),
        "end": str(today),
    }
    assert api.get(f"{URL}?end_date=2026-01-31").json()["period"]["start"] == "2026-01-02"
    assert api.get(f"{URL}?start_date={today}").json()["period"]["end"] == str(today)


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("start_date=2026-02-30", "start_date"),
        ("end_date=yesterday", "end_date"),
        ("end_date=", "end_date"),
        ("start_date=20260101", "start_date"),
        ("start_date=2026-01-01T00:00:00Z", "start_date"),
        ("start_date=2026-01-02&end_date=2026-01-01", "start_date"),
        ("start_date=2999-01-01", "start_date"),
        ("end_date=0001-01-01", "end_date"),
        ("end_date=9999-12-31", "end_date"),
        ("start_date=%00", "start_date"),
        ("start_date=1990-01-01&end_date=2026-01-01", "start_date"),
        ("from=2026-01-01", "from"),
    ],
)
def test_a_bad_period_is_400_and_named(api, query, attr):
    refused = api.get(f"{URL}?{query}")

    assert refused.status_code == 400
    assert refused.json()["type"] == "validation_error"
    assert [error["attr"] for error in refused.json()["errors"]] == [attr]


def test_the_first_and_the_last_day_are_included_in_the_tenants_zone(api, tenant):
    tenant.timezone = "Asia/Tokyo"
    tenant.save()
    a_result(tenant, processed_at=NOON.replace(hour=15))  # midnight of the 16th in Tokyo
    counted()

    def on(first, last):
        found = api.get(f"{URL}?start_date=2026-01-{first}&end_date=2026-01-{last}").json()
        return found["totals"]["emails_processed"]

    assert (on(15, 15), on(16, 16), on(1, 16), on(16, 31), on(17, 31)) == (0, 1, 1, 1, 0)


def test_a_test_key_is_told_of_test_mail_alone(api, tenant):
    a_result(tenant)
    results(tenant, 2, mode="test")
    counted()

    of_test = client_of(tenant, mode="test").get(JANUARY).json()

    assert of_test["totals"]["emails_processed"] == 2
    assert api.get(JANUARY).json()["totals"]["emails_processed"] == 1


def test_another_tenant_is_told_nothing(other_api, tenant):
    a_result(tenant)
    a_result(tenant, processed_at=timezone.now())
    counted()

    assert other_api.get(JANUARY).json()["totals"]["emails_processed"] == 0
    assert other_api.get(URL).json()["totals"]["emails_processed"] == 0


def test_the_key_needs_the_scope(tenant):
    assert client_of(tenant, scopes=["analytics:read"]).get(URL).status_code == 200
    assert client_of(tenant, scopes=["triage:read", "emails:read"]).get(URL).status_code == 403


def test_a_long_period_with_much_mail_costs_as_many_queries_as_an_empty_day(api, tenant):
    api.get(URL)
    with CaptureQueriesContext(connection) as few:
        api.get(URL)
    for days in range(25):
        results(tenant, 4, processed_at=timezone.now() - timedelta(days=days))
    counted()

    with CaptureQueriesContext(connection) as many:
        found = api.get(URL)

    assert found.json()["totals"]["emails_processed"] == 100
    assert len(many) == len(few)
