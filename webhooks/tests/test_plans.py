"""However much waits, finding what is due looks at a few rows, as the database itself counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from webhooks import claims, jobs, many, services
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.tests.telling import endpoint_at

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 1_000
FEW = 150
NOW = timezone.now()
TABLE = WebhookDelivery._meta.db_table


@pytest.fixture
def endpoint(tenant) -> WebhookEndpoint:
    """One of two endpoints for which much is due, much waits, and much was delivered."""
    ends = [endpoint_at("http://127.0.0.1:1/", tenant=tenant) for _ in range(2)]
    states = [
        {"status": "pending", "next_attempt_at": NOW - timedelta(minutes=1)},
        {"status": "pending", "next_attempt_at": NOW + timedelta(hours=1)},
        {"status": "delivered", "created_at": NOW},
        {"status": "failed", "created_at": NOW},
    ]
    WebhookDelivery.objects.bulk_create(
        [
            WebhookDelivery(tenant=tenant, endpoint=end, type="email.sent", payload="{}", **state)
            for end in ends
            for state in states
            for _ in range(ROWS)
        ],
        batch_size=1000,
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE TABLE {TABLE}" if connection.vendor == "mysql" else "ANALYZE")
        cursor.fetchall()
    return ends[0]


def assert_reads_few(work: Callable[[], object]) -> None:
    """MariaDB counts the rows that it reads; SQLite tells that it goes by an index and no more."""
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("FLUSH STATUS")
            work()
            cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
            read = {name: int(count) for name, count in cursor.fetchall()}
        assert 0 < sum(read.values()) < FEW, read
        return
    with CaptureQueriesContext(connection) as captured:
        work()
    statements = [one["sql"] for one in captured if TABLE in one["sql"]]
    assert statements
    for sql in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = [row[3] for row in cursor.fetchall()]
        assert any("webhook_due" in line or "webhook_purge" in line for line in plan), plan
        assert not any(f"SCAN {TABLE}" in line for line in plan), plan


def test_a_claim(endpoint):
    assert_reads_few(lambda: claims.claim(at=NOW, most=10, failing=False))


def test_the_sweep(endpoint):
    assert_reads_few(lambda: claims.are_ready(at=NOW))


def test_what_is_due_for_an_endpoint(endpoint):
    assert_reads_few(lambda: claims.due(endpoint, at=NOW, most=20, without=[1, 2, 3]))


def test_the_place_before_all_that_is_due(endpoint):
    before = NOW - timedelta(minutes=1, microseconds=1)
    assert claims.before_what_waits(endpoint.pk, at=NOW) == before
    assert_reads_few(lambda: claims.before_what_waits(endpoint.pk, at=NOW))


def test_a_purge_that_finds_nothing(endpoint):
    assert_reads_few(lambda: jobs.purge(at=NOW))


def test_the_next_of_all_that_failed(endpoint):
    job = many.start_redelivery(endpoint, created_by=None)
    failed = many._deliveries(job).order_by("pk").values_list("pk", flat=True)
    assert len(failed) == ROWS
    coming = failed.filter(pk__gt=failed[ROWS // 2], pk__lte=failed.last())[:50]

    assert_reads_few(lambda: list(coming.all()))
    assert "TEMP B-TREE" not in coming.explain()  # as SQLite calls sorting


def test_switching_on_finds_what_waits_alone(endpoint):
    waiting = endpoint.deliveries.filter(status="pending")
    assert waiting.count() == 2 * ROWS
    services.update_endpoint(endpoint, changes={"is_active": False})
    services.update_endpoint(endpoint, changes={"is_active": True})

    assert not waiting.filter(next_attempt_at__gt=timezone.now()).exists()
