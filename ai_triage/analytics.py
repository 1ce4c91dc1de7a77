"""The figures of each day, counted from the results and kept up with them.

A minute's work is the days that got results since the last count, found by ``processed_at``;
who takes a result back says so by :func:`count_again`. A count reads its day by the index, in
two queries that the database groups (by kind, and by milliseconds for the percentiles), so that
memory does not grow with the mail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, TypedDict

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Round

from ai_triage.durations import by_steps, percentile
from ai_triage.kinds import Decision
from ai_triage.models import Status, TriageAnalytics, TriageResult, Tryout
from common.days import bounds, day_of
from common.rates import mean
from tenants.models import Mode, Tenant

LATE = timedelta(minutes=10)
"""So much later than its ``processed_at`` a result may be committed, clocks included."""

NOT_FIGURES = frozenset(["id", "tenant_id", "mode", "date", "marks"])
Group = Any
"""Mail of one kind: a row of :func:`_by_kind`, by name."""


class Reason(TypedDict):
    reason: str
    count: int


def keep_up(*, at: datetime) -> int:
    """Count the days that changed since they were counted; return how many.

    Marked days come last: today's, counted before yesterday's end, would hide what is behind.
    """
    counted = sum(_count_since(tenant, since, at=at) for tenant, since in _behind())
    marked = TriageAnalytics.objects.filter(counted_until=None).select_related("tenant")
    days = {(row.tenant_id, row.date): row.tenant for row in marked}
    for (_pk, day), tenant in days.items():
        recount(tenant, day=day, at=at)
    return counted + len(days)


def rebuild(tenant: Tenant, *, at: datetime) -> int:
    """Count every day anew from the first one with results on; return how many.

    Earlier days stay: their mail is gone.
    """
    days = set(_days_with_results(tenant, since=None))
    if days:
        kept = TriageAnalytics.objects.for_tenant(tenant).filter(date__gte=min(days))
        days.update(kept.values_list("date", flat=True))
    for day in sorted(days):
        recount(tenant, day=day, at=at)
    return len(days)


def count_again(result: TriageResult) -> None:
    """Have the result's day counted anew.

    Called in the transaction that takes a processed result back, before it changes.
    """
    if result.processed_at is not None:
        day = day_of(result.processed_at, zone=result.tenant.zone)
        rows = TriageAnalytics.objects.filter(tenant=result.tenant_id, date=day)
        rows.update(counted_until=None, marks=F("marks") + 1)


def count_today_again(tenant: Tenant, *, at: datetime) -> None:
    """Have the day counted anew, also where nothing was processed on it."""
    own: dict[str, Any] = {"tenant": tenant, "date": day_of(at, zone=tenant.zone)}
    TriageAnalytics.objects.get_or_create(**own, mode=Mode.LIVE)
    TriageAnalytics.objects.filter(**own).update(counted_until=None, marks=F("marks") + 1)


def recount(tenant: Tenant, *, day: date, at: datetime) -> None:
    """Store the day's figures, unless it is marked meanwhile: then the next count does.

    Nobody waits for a lock while the mail is counted.
    """
    rows = TriageAnalytics.objects.filter(tenant=tenant, date=day)
    TriageAnalytics.objects.get_or_create(tenant=tenant, mode=Mode.LIVE, date=day)
    marks = dict(rows.values_list("mode", "marks"))
    for figures in count_day(tenant, day=day, at=at):
        mode = figures.mode
        if mode in marks:
            rows.filter(mode=mode, marks=marks[mode]).update(**_columns(figures))
        elif figures.total_processed:
            rows.get_or_create(tenant=tenant, mode=mode, date=day, defaults=_columns(figures))


def count_day(tenant: Tenant, *, day: date, at: datetime) -> list[TriageAnalytics]:
    """Return the day's figures as they are, one unsaved row for each mode."""
    start, end = bounds(day, zone=tenant.zone)
    rows = TriageResult.objects.for_tenant(tenant).filter(
        status=Status.COMPLETED, processed_at__gte=start, processed_at__lt=end
    )
    groups = _by_kind(rows)
    times = list(_times(rows))
    tried = _tried_out(tenant, start, end)
    # Test mail first: the live row tells where to go on, so it is stored last.
    return [
        TriageAnalytics(
            tenant=tenant,
            mode=mode,
            date=day,
            counted_until=min(at, end + LATE),
            **_totals(
                [group for group in groups if group["mode"] == mode],
                tried if mode == Mode.LIVE else {},
            ),
            **_durations([(seconds, count) for one, seconds, count in times if one == mode]),
        )
        for mode in (Mode.TEST, Mode.LIVE)
    ]


def _columns(figures: TriageAnalytics) -> dict[str, Any]:
    names = [field.attname for field in TriageAnalytics._meta.concrete_fields]
    return {name: getattr(figures, name) for name in names if name not in NOT_FIGURES}


# What is behind


def _behind() -> list[tuple[Tenant, datetime | None]]:
    """Return the tenants with results that may not be counted, and since when (None: ever)."""
    results = TriageResult.objects.filter(tenant=OuterRef("pk"), processed_at__isnull=False)
    counted = TriageAnalytics.objects.filter(tenant=OuterRef("pk"), mode=Mode.LIVE).order_by()
    tenants: QuerySet[Any] = Tenant.objects.annotate(
        processed=Subquery(results.order_by("-processed_at").values("processed_at")[:1]),
        counted=Subquery(
            counted.values("tenant").annotate(last=Max("counted_until")).values("last")
        ),
    )
    return [
        (tenant, tenant.counted and tenant.counted - LATE)
        for tenant in tenants.filter(processed__isnull=False)
        if tenant.counted is None or tenant.processed >= tenant.counted - LATE
    ]


def _count_since(tenant: Tenant, since: datetime | None, *, at: datetime) -> int:
    """Count the oldest day first: what was counted last tells where to go on after a crash."""
    number = 0
    for day in _days_with_results(tenant, since=since):
        recount(tenant, day=day, at=at)
        number += 1
    return number


def _days_with_results(tenant: Tenant, *, since: datetime | None) -> Iterator[date]:
    rows = TriageResult.objects.for_tenant(tenant).filter(processed_at__isnull=False)
    ordered = rows.order_by("processed_at").values_list("processed_at", flat=True)
    first = (ordered.filter(processed_at__gte=since) if since else ordered).first()
    while first is not None:
        day = day_of(first, zone=tenant.zone)
        yield day
        first = ordered.filter(processed_at__gte=bounds(day, zone=tenant.zone)[1]).first()


# What a day holds


def _by_kind(rows: QuerySet[TriageResult]) -> list[Group]:
    kinds = rows.order_by().values("mode", "decision", "email_type", "review_reason")
    counted = kinds.annotate(
        count=Count("pk"),
        reviewed=Count("pk", filter=Q(needs_review=True)),
        timed=Count("processing_time_seconds"),
        seconds=Sum("processing_time_seconds"),
        sure=Count("confidence"),
        confidence=Sum("confidence"),
        input=Sum("input_tokens"),
        output=Sum("output_tokens"),
        spent=Sum("cost"),
    )
    return list(counted)


def _times(rows: QuerySet[TriageResult]) -> Iterable[tuple[str, float, int]]:
    """Count the results of each millisecond, which bounds the rows of the longest day."""
    timed = rows.filter(processing_time_seconds__isnull=False).order_by()
    rounded = timed.annotate(took=Round("processing_time_seconds", precision=3))
    return rounded.values_list("mode", "took").annotate(count=Count("pk"))


def _tried_out(tenant: Tenant, start: datetime, end: datetime) -> Group:
    """Return what try-outs of prompts were billed: no mail was processed by them."""
    rows = Tryout.objects.filter(tenant=tenant, at__gte=start, at__lt=end)
    return rows.aggregate(input=Sum("input_tokens"), output=Sum("output_tokens"), spent=Sum("cost"))


def _totals(groups: list[Group], tried: Group) -> dict[str, Any]:
    by_decision: Counter[str] = Counter()
    for group in groups:
        by_decision[group["decision"]] += group["count"]
    return {
        "total_processed": by_decision.total(),
        "total_responded": by_decision[Decision.RESPOND],
        "total_ignored": by_decision[Decision.IGNORE],
        "total_reviewed": _sum(groups, "reviewed"),
        "avg_processing_time": _mean(groups, "seconds", of="timed"),
        "avg_confidence": _mean(groups, "confidence", of="sure"),
        "top_respond_reasons": _reasons(groups, Decision.RESPOND),
        "top_ignore_reasons": _reasons(groups, Decision.IGNORE),
        "input_tokens": _sum(groups, "input") + (tried.get("input") or 0),
        "output_tokens": _sum(groups, "output") + (tried.get("output") or 0),
        "cost": _sum(groups, "spent") + (tried.get("spent") or 0),
    }


def _durations(times: list[tuple[float, int]]) -> dict[str, Any]:
    return {
        "p50_processing_time": percentile(times, 0.50),
        "p95_processing_time": percentile(times, 0.95),
        "processing_times": by_steps(times),
    }


def _sum(groups: list[Group], name: str) -> Any:
    return sum(group[name] or 0 for group in groups)


def _mean(groups: list[Group], name: str, *, of: str) -> float:
    """Return the mean to a millionth: databases add up floats in no fixed order."""
    return round(mean(_sum(groups, name), _sum(groups, of)), 6)


def _reasons(groups: list[Group], decision: Decision) -> list[Reason]:
    """Count by type, or by why a person must look where the mail got no type."""
    counts: Counter[str] = Counter()
    for group in groups:
        if group["decision"] == decision:
            counts[group["email_type"] or group["review_reason"] or "other"] += group["count"]
    return ranked(counts)


def ranked(counts: Counter[str]) -> list[Reason]:
    """Return the reasons, the most frequent first; the closed lists bound their number."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"reason": reason, "count": count} for reason, count in ordered]
