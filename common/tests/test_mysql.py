"""The backend for MySQL and MariaDB: transactions, and connections that broke."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db import DatabaseError, close_old_connections, connection, transaction

from tenants.models import Tenant

pytestmark = pytest.mark.django_db(transaction=True)


def is_autocommit() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@autocommit, @@in_transaction")
        return cursor.fetchone() == (1, 0)


def test_a_transaction_ends_with_its_block_either_way():
    with transaction.atomic():
        Tenant.objects.create(slug="kept", name="Kept")
        assert not is_autocommit()
    with suppress(RuntimeError), transaction.atomic():
        Tenant.objects.create(slug="undone", name="Undone")
        raise RuntimeError

    assert is_autocommit()
    assert [tenant.slug for tenant in Tenant.objects.all()] == ["kept"]


def test_a_connection_that_broke_within_a_transaction_is_replaced_by_one_that_commits():
    with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        Tenant.objects.create(slug="undone", name="Undone")
        cursor.execute("KILL CONNECTION_ID()")

    close_old_connections()
    Tenant.objects.create(slug="kept", name="Kept")

    assert is_autocommit()
    assert [tenant.slug for tenant in Tenant.objects.all()] == ["kept"]


def test_a_connection_is_pinged_after_a_pause_but_not_at_each_request(monkeypatch):
    connection.ensure_connection()
    connection.health_check_enabled = True
    close_old_connections()
    close_old_connections()
    assert connection.health_check_done

    monkeypatch.setattr(connection, "_in_order_at", 0.0)
    close_old_connections()

    assert not connection.health_check_done
