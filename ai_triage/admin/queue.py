"""What waits for a person in the user's tenants, the most urgent first, then the oldest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from ai_triage import presence
from ai_triage.api.serializers import HEAVY
from ai_triage.kinds import Urgency
from ai_triage.models import TriageResult, TriageResultQuerySet
from ai_triage.models.results import urgency_rank
from tenants.admin_base import roles_in

PAGE = 40
MOST_COUNTED = 1000
LOOKED_AHEAD = 10
URGENCY_COLOURS: dict[str, str] = {
    Urgency.HIGH: "danger",
    Urgency.MEDIUM: "warning",
    Urgency.LOW: "default",
    "": "default",
}
"""A badge whose key stands in no such table would show the key itself."""
NOT_KNOWN = "none"


@dataclass(frozen=True)
class Choice:
    """What of the queue the user wants to see; empty and None: all."""

    urgency: str = ""
    tenant: int | None = None

    @classmethod
    def of(cls, given: QueryDict) -> Self:
        """Return what a query string says; what makes no sense there counts as all."""
        urgency, tenant = given.get("urgency", ""), given.get("tenant", "")
        is_known = urgency in [*Urgency, NOT_KNOWN]
        is_id = tenant.isascii() and tenant.isdecimal() and len(tenant) < 19
        return cls(urgency if is_known else "", int(tenant) if is_id else None)

    def query(self, **more: object) -> str:
        """Return this choice and ``more`` as a query string with its question mark, or ""."""
        given = {"urgency": self.urgency, "tenant": self.tenant, **more}
        text = urlencode({name: value for name, value in given.items() if value})
        return f"?{text}" if text else ""

    def of_rows(self, rows: TriageResultQuerySet) -> TriageResultQuerySet:
        if self.tenant:
            rows = rows.filter(tenant=self.tenant)
        if self.urgency:
            rows = rows.filter(urgency="" if self.urgency == NOT_KNOWN else self.urgency)
        return rows


ALL = Choice()


@dataclass(frozen=True)
class Place:
    """Where a mail stands in the queue."""

    rank: int
    received_at: datetime
    pk: int

    @classmethod
    def of(cls, result: TriageResult) -> Self:
        order = list(Urgency)
        rank = order.index(Urgency(result.urgency)) if result.urgency else len(order)
        return cls(rank, result.received_at, result.pk)


def waiting_for(request: HttpRequest, rows: QuerySet[Any]) -> TriageResultQuerySet:
    """Return those of ``rows`` that wait in the user's tenants, which a superuser's all are."""
    tenants = list(roles_in(request))
    waiting: TriageResultQuerySet = rows.waiting_for_person(tenants=tenants)  # type: ignore[attr-defined]  # ours
    return waiting


def queue_of(request: HttpRequest, choice: Choice = ALL) -> TriageResultQuerySet:
    """Return the chosen part of the queue in its order, without the mails' texts."""
    rows = choice.of_rows(waiting_for(request, TriageResult.objects.all()))
    ranked = rows.annotate(rank=urgency_rank()).order_by("rank", "received_at", "pk")
    return ranked.select_related("tenant").defer(*HEAVY)


def behind(queue: QuerySet[Any], place: Place) -> QuerySet[Any]:
    """Return what comes after a place, whether or not its mail still waits."""
    later = queue.filter(rank__gte=place.rank)
    later = later.exclude(rank=place.rank, received_at__lt=place.received_at)
    return later.exclude(rank=place.rank, received_at=place.received_at, pk__lte=place.pk)


def following(
    request: HttpRequest, result: TriageResult, choice: Choice = ALL
) -> TriageResult | None:
    """Return the next mail that waits, else the first; rather one that nobody looks at."""
    queue = queue_of(request, choice).exclude(pk=result.pk)
    return free(behind(queue, Place.of(result)), request) or free(queue, request)


def free(queue: QuerySet[Any], request: HttpRequest) -> TriageResult | None:
    """Return the first that nobody else looks at, else the first; None where there is none."""
    candidates = list(queue[:LOOKED_AHEAD])
    held = presence.lookers([row.pk for row in candidates], user=user_of(request))
    alone = (row for row in candidates if row.pk not in held)
    return next(alone, candidates[0] if candidates else None)


def user_of(request: HttpRequest) -> int:
    """Return the key of the person who is signed in, as everybody in the admin is."""
    return request.user.pk or 0


def counts(request: HttpRequest, choice: Choice) -> dict[str, str]:
    """Return how much waits by urgency, and under "" in all; ``+``: at least so much."""
    rows = Choice(tenant=choice.tenant).of_rows(waiting_for(request, TriageResult.objects.all()))
    found = Counter(rows.order_by().values_list("urgency", flat=True)[:MOST_COUNTED])
    more = "+" if found.total() >= MOST_COUNTED else ""
    by_name = {name or NOT_KNOWN: count for name, count in found.items()}
    return {name: f"{count}{more}" for name, count in {**by_name, "": found.total()}.items()}
