"""``/metrics``: what this process, or all of this machine's, count, and the queues as they are."""

from __future__ import annotations

import os

from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)

from ai_triage.waiting import TriageCollector
from delivery.metrics import QueueCollector

MANY = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which processes share their counters; set before they start."""


def metrics(request: HttpRequest) -> HttpResponse:
    own = generate_latest(_of_all_processes() if MANY in os.environ else REGISTRY)
    return HttpResponse(own + generate_latest(_queues()), content_type=CONTENT_TYPE_LATEST)


def _of_all_processes() -> CollectorRegistry:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _queues() -> CollectorRegistry:
    """A registry of its own: in one of many processes the usual one is not read at all."""
    registry = CollectorRegistry()
    registry.register(QueueCollector())
    registry.register(TriageCollector())
    return registry
