"""Whether the queue's queries go by their indexes, as the database itself explains them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import EmailAccount
from delivery import jobs, soft_bounces
from delivery.admin import counts_by_status
from delivery.failures import last_failure
from delivery.models import SendBatch
from delivery.status import account_queues
from delivery.tests.sending import ANA, account_at, queue
from logs import claiming, transitions
from logs.models import EmailLog, Lease
from tenants.models import Mode
from tests.factories import make_template

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 1_500
TABLE = EmailLog._meta.db_table
FEW = 10


class Nowhere:
    host, port = "127.0.0.1", 1


def multiply(email: EmailLog, *, rows: int, **changes: Any) -> None:
    """Store copies of the message, with other values where ``changes`` say so."""
    copies = []
    for _ in range(rows):
        copy = EmailLog.objects.get(pk=email.pk) if not copies else copies[0]
        fields = {f.attname: getattr(copy, f.attname) for f in EmailLog._meta.concrete_fields}
        for name in ("id", "tracking_id"):
            del fields[name]
        copies.append(EmailLog(**(fields | changes)))
    EmailLog.objects.bulk_create(copies, batch_size=500)


@pytest.fixture
def account(tenant) -> EmailAccount:
    """An account with a queue, a history, and mail that waits for its time, all analysed."""
    account = account_at(Nowhere, tenant=tenant)
    email = queue(account)
    now = timezone.now()
    multiply(email, rows=ROWS)
    multiply(email, rows=ROWS, next_attempt_at=now + timedelta(hours=1))
    multiply(email, rows=ROWS, status="sent", next_attempt_at=None)
    held = {"status": "sending", "lease_token": "x", "attempt": 1}
    multiply(email, rows=50, **held, leased_until=now + timedelta(hours=1))
    multiply(email, rows=3, **held, leased_until=now - timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE TABLE {TABLE}" if connection.vendor == "mysql" else "ANALYZE")
        cursor.fetchall()
    return account


def selects(work: Callable[[], object]) -> list[str]:
    """The statements with which ``work`` looks for messages."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return [
        each["sql"]
        for each in captured
        if each["sql"].startswith(("SELECT", "(SELECT", "WITH")) and TABLE in each["sql"]
    ]


def explained(sql: str) -> list[dict[str, Any]]:
    """How each table is reached: ``key`` the index, ``rows`` the estimate, ``sorts`` or not."""
    with connection.cursor() as cursor:
        if connection.vendor != "mysql":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            lines = [row[3] for row in cursor.fetchall()]
            return [
                {"key": line, "rows": 0, "sorts": "TEMP B-TREE" in line}
                for line in lines
                if TABLE in line or "TEMP B-TREE" in line
            ]
        cursor.execute(f"EXPLAIN FORMAT=JSON {sql}")
        return list(_tables(json.loads(cursor.fetchone()[0]), sorts=False))


def _tables(part: Any, *, sorts: bool) -> Iterator[dict[str, Any]]:
    if isinstance(part, list):
        for each in part:
            yield from _tables(each, sorts=sorts)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if name == "table" and inner.get("table_name") == TABLE:
                key, rows = inner.get("key", "none"), inner.get("rows", 0)
                yield {"key": key, "rows": rows, "sorts": sorts}
            else:
                yield from _tables(inner, sorts=sorts or name == "filesort")


def tables(sql: str) -> list[dict[str, Any]]:
    return [each for each in explained(sql) if "TEMP B-TREE" not in each["key"]]


def assert_by_index(statements: list[str], *, index: str) -> None:
    """Each reads the table by ``index``, or a few rows by their keys, and sorts no queue."""
    assert any(index in table["key"] for sql in statements for table in explained(sql))
    for sql in statements:
        tables = explained(sql)
        by_key = any("PRIMARY" in each["key"] for each in tables)
        for table in tables:
            if by_key and (table["rows"] <= 500):
                continue  # rows that were found before, put in order
            if 0 < table["rows"] <= FEW and "email_claim" in table["key"]:
                continue  # where next to nothing waits, MariaDB takes any of the claim's indexes
            assert not table["sorts"], sql
            assert index in table["key"] or "PRIMARY" in table["key"], (sql, table)


def test_a_claim_walks_its_index_and_sorts_nothing(account):
    lease = Lease(account.pk, until=timezone.now() + timedelta(minutes=3))

    found = selects(lambda: claiming.claim(lease, at=timezone.now(), most=50))

    assert_by_index(found, index="email_claim")


def test_a_claim_of_test_mail_does_not_walk_the_live_mail_before_it(account):
    lease = Lease(account.pk, until=timezone.now() + timedelta(minutes=3))

    found = selects(lambda: claiming.claim(lease, at=timezone.now(), most=50, mode=Mode.TEST))

    assert_by_index(found, index="email_claim_by_mode")


def test_expired_leases_are_found_among_the_leases(account):
    found = selects(lambda: transitions.take_back_expired(at=timezone.now()))

    assert all("email_lease" in table["key"] for table in tables(found[0])), explained(found[0])


@pytest.mark.parametrize("is_held", [False, True])
def test_the_sweep_looks_for_due_mail_in_the_claims_index(account, is_held):
    if is_held:
        account.pause("by a test", at=timezone.now())

    found = selects(lambda: jobs.accounts_to_ring(at=timezone.now()))

    assert found
    for table in (table for sql in found for table in tables(sql)):
        assert "email_claim" in table["key"], table


def test_queues_are_counted_in_the_claims_index_no_further_than_the_bound(account):
    found = selects(lambda: account_queues(at=timezone.now()))

    assert_by_index([sql for sql in found if "UNION ALL" in sql], index="email_claim")


def test_a_soft_bounce_looks_at_the_recipients_newest_messages_alone(account, tenant):
    EmailLog.objects.filter(pk__lte=EmailLog.objects.first().pk + ROWS).update(
        to_address="rui@example.com"
    )
    now = timezone.now()

    found = selects(lambda: soft_bounces._bad_days(ANA, tenant=tenant, at=now))

    assert_by_index(found[:1], index="email_by_recipient")
    assert f"LIMIT {soft_bounces.LOOKED_AT}" in found[0]


def test_the_last_failed_delivery_is_looked_for_at_the_end_of_the_claims_index(account):
    found = selects(lambda: last_failure(account, at=timezone.now()))

    lanes = [sql for sql in found if "next_attempt_at" in sql]
    assert len(lanes) == 3
    assert_by_index(lanes, index="email_claim")


def test_a_batchs_messages_are_counted_by_its_own_index(account):
    tenant = account.domain.tenant
    template = make_template(tenant, "news")
    batch = SendBatch.objects.create(tenant=tenant, template=template, accepted=FEW)
    email = EmailLog.objects.filter(account=account).first()
    assert email is not None
    multiply(email, rows=FEW, batch_id=batch.public_id)

    statements = selects(lambda: counts_by_status(batch))

    assert len(statements) == 1
    assert_by_index(statements, index="email_by_batch")
