"""Counting messages by day, and keeping the counts up with what becomes of them.

A message counts on its tenant's local day of ``queued_at``. What changes later leaves a mark
(:mod:`logs.marks`), which is deleted together with the count that has seen it. A count reads the
messages of its day by the index of ``queued_at`` and never their events.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery

from common.days import bounds, day_of
from logs.marks import mark_quarters
from logs.models import (
    TOTALS,
    ChangeMark,
    CountedDay,
    DailyFigures,
    DailyTagFigures,
    EmailLog,
    EmailStatus,
    EmailTag,
)
from tenants.models import Tenant

LATE = timedelta(minutes=5)
"""So much later than its ``queued_at`` a message may be committed, clocks included."""

SLICE = 100_000
TAGS_A_DAY = 1000
DUTY = 20
"""Beat leaves a day alone for so many times as long as its last count took."""
ABANDONED = timedelta(minutes=10)
SECONDS = 60.0
MOST_AT_ONCE = 20_000
DAYS_AT_ONCE = 31
ROWS_AT_ONCE = 500
SETTLED = (
    EmailStatus.SENT,
    EmailStatus.DELIVERED,
    EmailStatus.FAILED,
    EmailStatus.BOUNCED,
    EmailStatus.SPAM,
)

Day = tuple[Tenant, date]


def keep_up(*, at: datetime) -> int:
    """Count the days that changed, for about a minute; return how many.

    Two that run at once share the work. A day that takes long to count is counted less often.
    """
    until = time.monotonic() + SECONDS
    number = 0
    for tenant, day in _changed(at=at):
        if time.monotonic() > until:
            break
        if _claim(tenant, day, at=at):
            number += recount(tenant, day=day, at=at)
    return number


def rebuild(tenant: Tenant, *, at: datetime) -> int:
    """Count every day anew from the first one with messages on; return how many."""
    days = set(_days_with_messages(tenant, since=None))
    if days:
        kept = CountedDay.objects.filter(tenant=tenant, day__gte=min(days))
        days.update(kept.values_list("day", flat=True))
    for day in sorted(days):
        while not recount(tenant, day=day, at=at):
            pass
    return len(days)


def recount(tenant: Tenant, *, day: date, at: datetime) -> bool:
    """Store the day's figures, unless somebody else did since this count began.

    Nobody waits for a lock while the messages are counted; what changes meanwhile keeps its mark.
    """
    row, _is_new = CountedDay.objects.get_or_create(
        tenant=tenant, day=day, defaults={"next_at": at}
    )
    seen = list(_marks(tenant, *bounds(day, zone=tenant.zone)).values_list("pk", flat=True))
    began = time.monotonic()
    counts = count_day(tenant, day=day)
    took = timedelta(seconds=time.monotonic() - began)
    return _store(row, counts, seen=seen, at=at, next_at=at + DUTY * took)


def mark_every_day(tenant: Tenant) -> None:
    """Have all of the tenant's days counted anew: what a day is has changed."""
    around = {
        day + timedelta(days=step)
        for day in CountedDay.objects.filter(tenant=tenant).values_list("day", flat=True)
        for step in (-1, 0, 1)
    }
    mark_quarters((tenant.pk, bounds(day, zone=tenant.zone)[0]) for day in around)


def freshen(
    tenant: Tenant, *, first: date, last: date, at: datetime, most: int | None = None
) -> None:
    """Count changed days of a period anew, the latest first, as far as that is cheap.

    That is ``most`` messages; beat counts the others.
    """
    room = MOST_AT_ONCE if most is None else most
    for day in sorted(_stale(tenant, first=first, last=last), reverse=True)[:DAYS_AT_ONCE]:
        start, end = bounds(day, zone=tenant.zone)
        size = _queued(tenant, start, end)[: room + 1].count()
        if size <= room:
            room -= size
            recount(tenant, day=day, at=at)


# What is to be counted


def _changed(*, at: datetime) -> list[Day]:
    """Return the days of all tenants that may have changed, each once."""
    tenants = {tenant.pk: tenant for tenant in _with_newest()}
    for tenant in tenants.values():
        _mark_new_days(tenant)
    marks = ChangeMark.objects.values_list("tenant_id", "quarter").distinct()
    days = {(pk, day_of(quarter, zone=tenants[pk].zone)) for pk, quarter in marks if pk in tenants}
    days.update(CountedDay.objects.filter(confirm_at__lte=at).values_list("tenant_id", "day"))
    return [(tenants[pk], day) for pk, day in sorted(days) if pk in tenants]


def _with_newest() -> QuerySet[Any]:
    """Return all tenants with the last ``queued_at``, and with that of a counted message."""
    newest = EmailLog.objects.filter(tenant=OuterRef("pk")).order_by("-queued_at")
    counted = CountedDay.objects.filter(tenant=OuterRef("pk"), newest__isnull=False)
    return Tenant.objects.annotate(
        newest=Subquery(newest.values("queued_at")[:1]),
        counted=Subquery(counted.order_by("-newest").values("newest")[:1]),
    )


def _mark_new_days(tenant: Any) -> None:
    """Mark the days with messages later than all that are counted: acceptance marks nothing."""
    if tenant.newest is not None and (tenant.counted is None or tenant.newest > tenant.counted):
        days = _days_with_messages(tenant, since=tenant.counted)
        mark_quarters((tenant.pk, bounds(day, zone=tenant.zone)[0]) for day in days)


def _days_with_messages(tenant: Tenant, *, since: datetime | None) -> Iterator[date]:
    """Return the days with messages accepted after ``since`` (None: ever), the first first."""
    instants = EmailLog.objects.for_tenant(tenant).order_by("queued_at")
    later = instants.filter(queued_at__gt=since) if since else instants
    while first := later.values_list("queued_at", flat=True).first():
        day = day_of(first, zone=tenant.zone)
        yield day
        later = instants.filter(queued_at__gte=bounds(day, zone=tenant.zone)[1])


def _stale(tenant: Tenant, *, first: date, last: date) -> set[date]:
    """Return the days of the period that may have changed."""
    _mark_new_days(_with_newest().get(pk=tenant.pk))
    start, end = bounds(first, zone=tenant.zone)[0], bounds(last, zone=tenant.zone)[1]
    quarters = _marks(tenant, start, end).values_list("quarter", flat=True).distinct()
    unconfirmed = CountedDay.objects.filter(
        tenant=tenant, day__range=(first, last), confirm_at__isnull=False
    )
    days = {day_of(quarter, zone=tenant.zone) for quarter in quarters}
    return days.union(unconfirmed.values_list("day", flat=True))


def _marks(tenant: Tenant, start: datetime, end: datetime) -> QuerySet[ChangeMark]:
    return ChangeMark.objects.filter(tenant=tenant, quarter__gte=start, quarter__lt=end)


def _claim(tenant: Tenant, day: date, *, at: datetime) -> bool:
    """Tell whether it is the day's turn; nobody else of beat counts it meanwhile."""
    CountedDay.objects.get_or_create(tenant=tenant, day=day, defaults={"next_at": at})
    turn = CountedDay.objects.filter(tenant=tenant, day=day, next_at__lte=at)
    return bool(turn.update(next_at=at + ABANDONED))


# Counting


def count_day(tenant: Tenant, *, day: date) -> Counts:
    """Return what became of the day's messages, read in slices that no time-out cuts off."""
    counts = Counts()
    for start, end in _slices(tenant, *bounds(day, zone=tenant.zone)):
        rows = _queued(tenant, start, end).order_by()
        for group in rows.values("mode", "account_id", "template_id").annotate(
            **_counted(), last=Max("queued_at")
        ):
            counts.add(group)
        for tagged in _by_tag(tenant, start, end):
            counts.add_tag(tagged)
    return counts


@dataclass
class Counts:
    """A day's counts by what they are kept by, and the last ``queued_at`` among them."""

    figures: dict[tuple[str, int, int | None], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    tags: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    newest: datetime | None = None

    def add(self, group: Mapping[str, Any]) -> None:
        key = (group["mode"], group["account_id"], group["template_id"])
        self.figures[key].update({name: group[name] for name in TOTALS})
        self.newest = max(self.newest or group["last"], group["last"])

    def add_tag(self, group: Mapping[str, Any]) -> None:
        self.tags[group["mode"], group["tag"]].update({name: group[name] for name in TOTALS})

    @property
    def frequent_tags(self) -> list[tuple[tuple[str, str], Counter[str]]]:
        """The tags that most messages have: somebody may give each message its own."""
        ordered = sorted(self.tags.items(), key=lambda item: (-item[1]["queued"], item[0]))
        return ordered[:TAGS_A_DAY]


def _queued(tenant: Tenant, start: datetime, end: datetime) -> QuerySet[EmailLog]:
    rows = EmailLog.objects.for_tenant(tenant).filter(queued_at__gte=start, queued_at__lt=end)
    return rows.order_by("queued_at")


def _by_tag(tenant: Tenant, start: datetime, end: datetime) -> QuerySet[Any, dict[str, Any]]:
    tagged: QuerySet[Any] = EmailTag.objects.filter(
        tenant=tenant,
        email__tenant=tenant,
        email__queued_at__gte=start,
        email__queued_at__lt=end,
    )
    groups = tagged.values("tag", mode=F("email__mode")).annotate(**_counted("email__"))
    most: QuerySet[Any, dict[str, Any]] = groups.order_by("-queued")[: 2 * TAGS_A_DAY]
    return most


def _slices(tenant: Tenant, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Cut a time into parts in which about ``SLICE`` messages were accepted, by the index."""
    while start < end:
        rows = _queued(tenant, start, end).values_list("queued_at", flat=True)
        stop = next(iter(rows[SLICE : SLICE + 1]), end)
        stop = max(stop, start + timedelta(microseconds=1))
        yield start, stop
        start = stop


def _counted(of: str = "") -> dict[str, Count]:
    """Return what is counted of messages; ``of`` leads to them."""

    def having(**condition: object) -> Count:
        given = Q(**{f"{of}{name}": value for name, value in condition.items()})
        return Count(f"{of}pk", filter=given)

    return {
        "queued": Count(f"{of}pk"),
        "settled": having(status__in=SETTLED),
        "sent": Count(f"{of}sent_at"),
        "delivered": Count(f"{of}delivered_at"),
        "failed": having(status=EmailStatus.FAILED),
        "bounced": having(status=EmailStatus.BOUNCED),
        "spam": having(status=EmailStatus.SPAM),
        "opened": having(opens_count__gt=0),
        "clicked": having(clicks_count__gt=0),
        "machine_opened": having(machine_opens_count__gt=0),
        "machine_clicked": having(machine_clicks_count__gt=0),
        "unsubscribed": Count(f"{of}unsubscribed_at"),
    }


# Storing


@transaction.atomic
def _store(
    row: CountedDay, counts: Counts, *, seen: list[int], at: datetime, next_at: datetime
) -> bool:
    """Replace the day's figures; the row of the day is the lock, its version the fence."""
    newest = counts.newest
    confirm_at = newest + LATE if newest and newest + LATE > at else None
    same = CountedDay.objects.filter(pk=row.pk, version=row.version)
    if not same.update(
        version=F("version") + 1, newest=newest, confirm_at=confirm_at, next_at=next_at
    ):
        return False
    day = {"tenant_id": row.tenant_id, "day": row.day}
    DailyFigures.objects.filter(**day).delete()
    DailyFigures.objects.bulk_create(
        (
            DailyFigures(**day, mode=mode, account_id=account, template_id=template, **totals)
            for (mode, account, template), totals in counts.figures.items()
        ),
        batch_size=ROWS_AT_ONCE,
    )
    DailyTagFigures.objects.filter(**day).delete()
    DailyTagFigures.objects.bulk_create(
        (
            DailyTagFigures(**day, mode=mode, tag=tag, **totals)
            for (mode, tag), totals in counts.frequent_tags
        ),
        batch_size=ROWS_AT_ONCE,
    )
    for start in range(0, len(seen), ROWS_AT_ONCE):
        ChangeMark.objects.filter(pk__in=seen[start : start + ROWS_AT_ONCE]).delete()
    return True
