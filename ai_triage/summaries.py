"""The figures of a period, added up from those of its days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypedDict

from ai_triage.analytics import Reason, count_day, ranked
from ai_triage.durations import added_up, percentile
from ai_triage.models import TriageAnalytics
from common.days import day_of
from common.rates import mean
from tenants.models import Tenant

LARGE_DAY = 10_000
FRESH = timedelta(minutes=2)


class Period(TypedDict):
    start: date
    end: date


class Totals(TypedDict):
    emails_processed: int
    emails_responded: int
    emails_ignored: int
    response_rate: float


class Averages(TypedDict):
    processing_time_seconds: float
    confidence_score: float


class Reasons(TypedDict):
    respond: list[Reason]
    ignore: list[Reason]


class Details(TypedDict):
    p50_processing_time_seconds: float
    p95_processing_time_seconds: float
    emails_for_review: int
    review_rate: float
    input_tokens: int
    output_tokens: int
    cost: float


class Summary(TypedDict):
    period: Period
    totals: Totals
    average_metrics: Averages
    top_reasons: Reasons
    details: Details


def summarize(tenant: Tenant, *, mode: str, first: date, last: date, at: datetime) -> Summary:
    """Return the figures of the days from ``first`` to ``last``, both included."""
    days = _days(tenant, mode=mode, first=first, last=last, at=at)
    processed = sum(day.total_processed for day in days)
    responded = sum(day.total_responded for day in days)
    return {
        "period": {"start": first, "end": last},
        "totals": {
            "emails_processed": processed,
            "emails_responded": responded,
            "emails_ignored": sum(day.total_ignored for day in days),
            "response_rate": round(mean(responded, processed), 4),
        },
        "average_metrics": {
            "processing_time_seconds": round(_average(days, "avg_processing_time"), 3),
            "confidence_score": round(_average(days, "avg_confidence"), 3),
        },
        "top_reasons": {
            "respond": _merged(day.top_respond_reasons for day in days),
            "ignore": _merged(day.top_ignore_reasons for day in days),
        },
        "details": _details(days, processed=processed),
    }


def _days(
    tenant: Tenant, *, mode: str, first: date, last: date, at: datetime
) -> list[TriageAnalytics]:
    """Return the kept days; today is counted now, unless it is a large one counted of late."""
    rows = TriageAnalytics.objects.for_tenant(tenant).filter(mode=mode)
    kept = {day.date: day for day in rows.filter(date__range=(first, last))}
    today = day_of(at, zone=tenant.zone)
    if first <= today <= last and not _is_good_enough(kept.get(today), at=at):
        counted = count_day(tenant, day=today, at=at)
        kept[today] = next(day for day in counted if day.mode == mode)
    return list(kept.values())


def _is_good_enough(day: TriageAnalytics | None, *, at: datetime) -> bool:
    if day is None or day.counted_until is None or day.total_processed < LARGE_DAY:
        return False
    return day.counted_until >= at - FRESH


def _details(days: Sequence[TriageAnalytics], *, processed: int) -> Details:
    times = added_up(day.processing_times for day in days)
    reviewed = sum(day.total_reviewed for day in days)
    return {
        "p50_processing_time_seconds": round(percentile(times, 0.50), 3),
        "p95_processing_time_seconds": round(percentile(times, 0.95), 3),
        "emails_for_review": reviewed,
        "review_rate": round(mean(reviewed, processed), 4),
        "input_tokens": sum(day.input_tokens for day in days),
        "output_tokens": sum(day.output_tokens for day in days),
        "cost": round(float(sum((day.cost for day in days), Decimal(0))), 6),
    }


def _average(days: Sequence[TriageAnalytics], name: str) -> float:
    """Return the mean over all mails, not over days."""
    total = sum(getattr(day, name) * day.total_processed for day in days)
    return mean(total, sum(day.total_processed for day in days))


def _merged(lists: Iterable[list[Reason]]) -> list[Reason]:
    counts: Counter[str] = Counter()
    for reasons in lists:
        for one in reasons:
            counts[one["reason"]] += one["count"]
    return ranked(counts)
