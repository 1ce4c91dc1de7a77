"""What waits for triage or for a person, as Prometheus is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import DatabaseError, InterfaceError
from django.db.models import QuerySet
from django.utils import timezone
from prometheus_client import Histogram
from prometheus_client.core import GaugeMetricFamily

from ai_triage.models import Status, TriageResult
from tenants.models import Tenant

MOST = 10_000
"""So many are counted and no more."""
processing_seconds = Histogram(
    "sendcraft_triage_seconds",
    "Time from a mail's claim to its stored verdict.",
    ["provider"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 25, 60),
)
TEXTS = {
    "queued": "Mails that wait for their triage; 10,000 are counted and no more.",
    "processing": "Mails in a worker's hands.",
    "for_review": "Mails that wait for a person; 10,000 are counted and no more.",
    "oldest_seconds": "Age of the mail whose triage is due for longest.",
}


def observe_processed(result: TriageResult) -> None:
    if result.processing_time_seconds is not None:
        processing_seconds.labels(result.provider).observe(result.processing_time_seconds)


class TriageCollector:
    """Gauges over all tenants, asked at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            found = waiting(at=timezone.now())
        except (DatabaseError, InterfaceError):
            return  # the other metrics must not go with the database
        for name, value in found.items():
            yield GaugeMetricFamily(f"sendcraft_triage_{name}", TEXTS[name], value=value)


def waiting(*, at: datetime) -> dict[str, float]:
    """Return the gauges' values; each costs a look into an index, however much there is."""
    rows = TriageResult.objects.all()
    queued = rows.filter(status=Status.QUEUED)
    first = queued.order_by("next_attempt_at").values_list("created_at", flat=True).first()
    # By tenant, since the index begins with it.
    tenants = list(Tenant.objects.values_list("pk", flat=True))
    return {
        "queued": _count(queued),
        "processing": _count(rows.filter(status=Status.PROCESSING)),
        "for_review": _count(rows.waiting_for_review().filter(tenant__in=tenants)),
        "oldest_seconds": (at - first).total_seconds() if first else 0,
    }


def _count(rows: QuerySet[TriageResult]) -> int:
    return rows.order_by()[:MOST].count()
