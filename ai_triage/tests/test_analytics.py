"""Each day of a tenant is counted from its results and kept up with them."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext

from ai_triage import analytics
from ai_triage.durations import added_up, by_steps, percentile
from ai_triage.models import TriageAnalytics, TriageResult
from ai_triage.tests.counted import NOON, a_result, results

pytestmark = pytest.mark.django_db
JANUARY_15 = date(2026, 1, 15)
SOON = NOON + timedelta(minutes=1)


def day(tenant, on=JANUARY_15, mode="live") -> TriageAnalytics:
    return TriageAnalytics.objects.get(tenant=tenant, date=on, mode=mode)


def all_days() -> list[dict]:
    rows = TriageAnalytics.objects.order_by("tenant", "date", "mode")
    return [model_to_dict(row, exclude=["id", "counted_until"]) for row in rows]


def test_a_day_holds_counts_means_percentiles_tokens_cost_and_reasons(tenant):
    for number in range(1, 101):
        a_result(tenant, processing_time_seconds=number / 100, confidence="0.80")
    a_result(
        tenant,
        decision="ignore",
        email_type="newsletter",
        confidence="1.00",
        processing_time_seconds=0,
        needs_review=True,
        input_tokens=800,
        output_tokens=100,
        cost=Decimal("0.00049"),
    )
    a_result(tenant, decision="ignore", email_type="spam", processing_time_seconds=9, cost=None)
    a_result(tenant, decision="", email_type="", review_reason="blocked", confidence=None)

    analytics.keep_up(at=SOON)

    found = day(tenant)
    assert (found.total_processed, found.total_responded, found.total_ignored) == (103, 100, 2)
    assert found.total_reviewed == 1
    assert found.avg_processing_time == pytest.approx((50.5 + 0 + 9 + 1) / 103, abs=1e-6)
    assert found.avg_confidence == pytest.approx((80 + 1 + 0.9) / 102, abs=1e-6)
    assert (found.p50_processing_time, found.p95_processing_time) == (0.51, 0.97)
    assert (found.input_tokens, found.output_tokens) == (800, 100)
    assert found.cost == Decimal("0.00049")
    assert found.top_respond_reasons == [{"reason": "question", "count": 100}]
    assert found.top_ignore_reasons == [
        {"reason": "newsletter", "count": 1},
        {"reason": "spam", "count": 1},
    ]


def test_days_are_those_of_the_tenant(tenant, other_tenant):
    tenant.timezone, other_tenant.timezone = "Asia/Tokyo", "America/Sao_Paulo"
    tenant.save()
    other_tenant.save()
    for one in (tenant, other_tenant):
        a_result(one, processed_at=datetime(2026, 1, 15, 1, 30, tzinfo=UTC))
        a_result(one, processed_at=datetime(2026, 1, 15, 15, 30, tzinfo=UTC))

    analytics.keep_up(at=NOON + timedelta(days=1))

    of_tenant = TriageAnalytics.objects.for_tenant(tenant).values_list("date", flat=True)
    of_other = TriageAnalytics.objects.for_tenant(other_tenant).values_list("date", flat=True)
    assert sorted(of_tenant) == [JANUARY_15, date(2026, 1, 16)]
    assert sorted(of_other) == [date(2026, 1, 14), JANUARY_15]


def test_only_what_was_processed_counts_and_test_mail_apart(tenant):
    a_result(tenant)
    a_result(tenant, mode="test", decision="ignore", email_type="spam")
    a_result(tenant, status="failed")
    a_result(tenant, status="queued", processed_at=None, decision="", confidence=None)

    analytics.keep_up(at=SOON)

    assert (day(tenant).total_processed, day(tenant).total_ignored) == (1, 0)
    assert (day(tenant, mode="test").total_processed, day(tenant, mode="test").total_ignored) == (
        1,
        1,
    )


def test_later_results_are_added_and_quiet_tenants_are_left_alone(tenant, other_tenant):
    a_result(tenant)
    a_result(other_tenant, processed_at=NOON - timedelta(hours=1))
    assert analytics.keep_up(at=SOON) == 2

    a_result(tenant, processed_at=SOON)
    assert analytics.keep_up(at=SOON + timedelta(minutes=1)) == 1
    assert day(tenant).total_processed == 2
    assert analytics.keep_up(at=SOON + timedelta(hours=1)) == 1  # what was committed late
    assert analytics.keep_up(at=SOON + timedelta(hours=2)) == 0


def test_what_is_committed_late_is_counted_with_the_day_it_belongs_to(tenant):
    midnight = datetime(2026, 1, 16, tzinfo=UTC)
    a_result(tenant, processed_at=midnight - timedelta(minutes=1))
    analytics.keep_up(at=midnight)
    a_result(tenant, processed_at=midnight + timedelta(seconds=30))
    a_result(tenant, processed_at=midnight - timedelta(seconds=2))

    analytics.keep_up(at=midnight + timedelta(minutes=1))

    assert day(tenant).total_processed == 2
    assert day(tenant, date(2026, 1, 16)).total_processed == 1


def test_a_try_out_after_a_night_without_counts_hides_nothing_of_yesterday(tenant):
    a_result(tenant)
    analytics.keep_up(at=SOON)
    a_result(tenant, processed_at=NOON + timedelta(hours=11))
    morning = NOON + timedelta(hours=20)
    analytics.count_today_again(tenant, at=morning)

    analytics.keep_up(at=morning)
    analytics.keep_up(at=morning + timedelta(minutes=1))

    assert day(tenant).total_processed == 2
    assert day(tenant, date(2026, 1, 16)).total_processed == 0


def test_a_day_is_left_alone_once_it_is_over(tenant):
    midnight = datetime(2026, 1, 16, tzinfo=UTC)
    a_result(tenant, processed_at=midnight - timedelta(seconds=1))
    analytics.keep_up(at=midnight + timedelta(hours=1))

    assert analytics.keep_up(at=midnight + timedelta(hours=2)) == 0


def test_a_count_that_was_cut_off_goes_on_with_the_next_day(tenant):
    for days in range(4):
        a_result(tenant, processed_at=NOON + timedelta(days=days))
    analytics.recount(tenant, day=JANUARY_15, at=NOON + timedelta(days=9))  # then it was killed

    analytics.keep_up(at=NOON + timedelta(days=9))

    assert TriageAnalytics.objects.count() == 4


def test_a_mail_that_is_processed_anew_moves_to_its_new_day(tenant):
    a_result(tenant)
    again = a_result(tenant)
    analytics.keep_up(at=SOON)

    analytics.count_again(again)
    TriageResult.objects.filter(pk=again.pk).update(processed_at=NOON + timedelta(days=3))
    analytics.keep_up(at=SOON + timedelta(days=3))

    assert day(tenant).total_processed == 1
    assert day(tenant, date(2026, 1, 18)).total_processed == 1


def test_a_day_that_changes_while_it_is_counted_is_counted_again(tenant, monkeypatch):
    later = NOON + timedelta(days=2)
    first, second = a_result(tenant), a_result(tenant)
    analytics.keep_up(at=later)
    count = analytics.count_day

    def changing(*args, **kwargs):
        counted = count(*args, **kwargs)
        analytics.count_again(second)
        TriageResult.objects.filter(pk=second.pk).update(processed_at=None, status="queued")
        return counted

    analytics.count_again(first)
    with monkeypatch.context() as patched:
        patched.setattr(analytics, "count_day", changing)
        analytics.recount(tenant, day=JANUARY_15, at=later)
    analytics.keep_up(at=later)

    assert day(tenant).total_processed == 1


def test_a_rebuild_equals_what_was_kept(tenant, other_tenant):
    dice = random.Random(7)
    now = NOON
    for _round in range(12):
        now += timedelta(hours=dice.randrange(1, 30))
        for _mail in range(dice.randrange(1, 15)):
            a_result(
                dice.choice([tenant, other_tenant]),
                mode=dice.choice(["live", "test"]),
                decision=dice.choice(["respond", "ignore"]),
                email_type=dice.choice(["question", "spam", "other"]),
                confidence=Decimal(dice.randrange(101)) / 100,
                processing_time_seconds=dice.random() * 5,
                needs_review=dice.random() < 0.2,
                cost=dice.choice([None, Decimal("0.001")]),
                processed_at=now - timedelta(seconds=dice.randrange(300)),
            )
        analytics.keep_up(at=now)
    kept = all_days()
    TriageAnalytics.objects.update(total_processed=0, cost=9, processing_times={})

    call_command("rebuild_analytics")

    assert len(kept) > 10
    assert all_days() == kept


def test_a_rebuild_keeps_days_whose_mail_is_gone(tenant):
    a_result(tenant)
    analytics.keep_up(at=SOON)
    TriageResult.objects.all().delete()
    a_result(tenant, processed_at=NOON + timedelta(days=2))

    call_command("rebuild_analytics", tenant="shop")

    assert day(tenant).total_processed == 1
    assert day(tenant, date(2026, 1, 17)).total_processed == 1


def test_a_rebuild_of_no_tenant_says_so():
    with pytest.raises(CommandError, match="no tenant nobody"):
        call_command("rebuild_analytics", tenant="nobody")


def test_a_count_costs_as_many_queries_for_many_mails_as_for_one(tenant):
    a_result(tenant)
    analytics.keep_up(at=SOON)
    with CaptureQueriesContext(connection) as few:
        analytics.keep_up(at=SOON)
    results(tenant, 200, processed_at=SOON)

    with CaptureQueriesContext(connection) as many:
        analytics.keep_up(at=SOON)

    assert len(many) == len(few)
    assert day(tenant).total_processed == 201


def test_percentiles_are_those_of_the_nearest_rank():
    assert percentile([], 0.95) == 0
    assert percentile([(2.0, 1)], 0.5) == 2.0
    assert percentile([(3.0, 1), (1.0, 1), (2.0, 1), (4.0, 1)], 0.5) == 2.0
    assert percentile([(1.0, 95), (9.0, 5)], 0.95) == 1.0
    assert percentile([(1.0, 94), (9.0, 6)], 0.95) == 9.0


def test_steps_of_several_days_give_percentiles_within_five_percent():
    dice = random.Random(3)
    days = [[(dice.lognormvariate(-1, 1), 1) for _ in range(300)] for _ in range(3)]
    exact = [time for times in days for time in times]

    added = added_up(by_steps(times) for times in days)

    for share in (0.05, 0.5, 0.95):
        assert percentile(added, share) == pytest.approx(percentile(exact, share), rel=0.05)
    assert len(added) < 100
