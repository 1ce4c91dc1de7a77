"""Prometheus is told what waits for triage and for a person, and how long mails took."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_triage.models import TriageResult
from ai_triage.signals import triage_completed
from ai_triage.tests.counted import a_result, results

pytestmark = pytest.mark.django_db(transaction=True)
QUEUED = {"status": "queued", "processed_at": None, "decision": "", "confidence": None}


def value(client, name: str) -> float:
    lines = client.get("/metrics").content.decode().splitlines()
    return float(next((one.split()[1] for one in lines if one.startswith(f"{name} ")), 0))


def test_what_waits_is_counted_over_all_tenants(client, tenant, other_tenant):
    now = timezone.now()
    first = a_result(tenant, next_attempt_at=now - timedelta(seconds=5), **QUEUED)
    TriageResult.objects.filter(pk=first.pk).update(created_at=now - timedelta(minutes=10))
    a_result(other_tenant, next_attempt_at=now, **QUEUED)
    a_result(tenant, **{**QUEUED, "status": "processing"})
    a_result(tenant, needs_review=True)
    a_result(other_tenant, needs_review=True)
    a_result(tenant, needs_review=True, reviewed_at=now)

    assert value(client, "sendcraft_triage_queued") == 2
    assert value(client, "sendcraft_triage_processing") == 1
    assert value(client, "sendcraft_triage_for_review") == 2
    assert 600 <= value(client, "sendcraft_triage_oldest_seconds") < 660


def test_nothing_waiting_is_zero(client, db):
    assert value(client, "sendcraft_triage_queued") == 0
    assert value(client, "sendcraft_triage_oldest_seconds") == 0


def test_each_live_mail_is_timed_once_it_is_stored(client, tenant):
    line = 'sendcraft_triage_seconds_count{provider="rules"}'
    before = value(client, line)

    with transaction.atomic():
        triage_completed.send(TriageResult, result=a_result(tenant))
        triage_completed.send(TriageResult, result=a_result(tenant, mode="test"))
        assert value(client, line) == before

    assert value(client, line) == before + 1


def test_a_scrape_costs_as_many_queries_for_much_mail_as_for_none(client, tenant):
    client.get("/metrics")
    with CaptureQueriesContext(connection) as few:
        client.get("/metrics")
    results(tenant, 50, next_attempt_at=timezone.now(), **QUEUED)

    with CaptureQueriesContext(connection) as many:
        client.get("/metrics")

    assert len(many) == len(few)
