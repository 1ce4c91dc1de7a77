"""The figures of a period, added up from those of its days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, TypedDict

from django.db.models import Sum

from common.rates import mean
from logs.figures import freshen
from logs.models import TOTALS, DailyFigures, DailyTagFigures
from tenants.models import Tenant

RATES = {
    "delivery_rate": ("delivered", "sent"),
    "failure_rate": ("failed", "settled"),
    "bounce_rate": ("bounced", "settled"),
    "complaint_rate": ("spam", "sent"),
    "open_rate": ("opened", "sent"),
    "click_rate": ("clicked", "sent"),
    "unsubscribe_rate": ("unsubscribed", "sent"),
}
"""Each rate's numerator and denominator."""

DENOMINATORS = {name: below for name, (_above, below) in RATES.items()}
KEYS = {
    "day": "day",
    "template": "template__slug",
    "account": "account__email_address",
    "domain": "account__domain__name",
    "tag": "tag",
}
MOST_GROUPS = 2000


class Period(TypedDict):
    start: date
    end: date


class Group(TypedDict):
    """``key`` None: messages without a template."""

    key: str | None
    totals: dict[str, int]
    rates: dict[str, float]


class Summary(TypedDict):
    period: Period
    totals: dict[str, int]
    rates: dict[str, float]
    denominators: dict[str, str]
    groups: list[Group]


def summarize(
    tenant: Tenant, *, mode: str, first: date, last: date, at: datetime, group_by: str = ""
) -> Summary:
    """Return the figures of the days from ``first`` to ``last``, both included.

    ``group_by`` is a name of ``KEYS``; days come in their order and all of them, other groups
    with most messages first and not more than ``MOST_GROUPS``.
    """
    freshen(tenant, first=first, last=last, at=at)
    rows = DailyFigures.objects.of_days(tenant, mode=mode, first=first, last=last)
    totals = _totals(rows.aggregate(**_sums()))
    return {
        "period": {"start": first, "end": last},
        "totals": totals,
        "rates": rates_of(totals),
        "denominators": DENOMINATORS,
        "groups": _groups(tenant, mode=mode, first=first, last=last, by=group_by),
    }


def days_of(tenant: Tenant, *, mode: str, first: date, last: date) -> list[Group]:
    """Return each day from ``first`` to ``last`` as it is counted by now, by one query."""
    return _groups(tenant, mode=mode, first=first, last=last, by="day")


def rates_of(totals: Mapping[str, int]) -> dict[str, float]:
    """Return the rates, 0 of nothing.

    Never over 1: a message that is not known to be sent may have been opened all the same.
    """
    return {
        name: round(min(mean(totals[above], totals[below]), 1.0), 4)
        for name, (above, below) in RATES.items()
    }


def _groups(tenant: Tenant, *, mode: str, first: date, last: date, by: str) -> list[Group]:
    if not by:
        return []
    model = DailyTagFigures if by == "tag" else DailyFigures
    rows = model.objects.of_days(tenant, mode=mode, first=first, last=last)
    grouped = rows.order_by().values(KEYS[by]).annotate(**_sums())
    if by == "day":
        found = {row["day"]: _totals(row) for row in grouped}
        every = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return [
            _group(day.isoformat(), found.get(day) or dict.fromkeys(TOTALS, 0)) for day in every
        ]
    largest = grouped.order_by("-sum_queued", KEYS[by])[:MOST_GROUPS]
    return [_group(row[KEYS[by]], _totals(row)) for row in largest]


def _group(key: str | None, totals: dict[str, int]) -> Group:
    return {"key": key, "totals": totals, "rates": rates_of(totals)}


def _sums() -> dict[str, Sum]:
    return {f"sum_{name}": Sum(name) for name in TOTALS}


def _totals(row: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(row[f"sum_{name}"] or 0) for name in TOTALS}
