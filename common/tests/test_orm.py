"""A drain's database work."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.db import OperationalError, connection

from common.orm import in_thread
from tenants.models import Tenant

pytestmark = pytest.mark.django_db(transaction=True)


def test_work_is_done_again_when_the_database_was_away():
    failures = iter([OperationalError("away"), OperationalError("deadlock")])

    def work() -> str:
        for failure in failures:
            raise failure
        return "stored"

    assert asyncio.run(in_thread(work)) == "stored"


def test_a_connection_that_the_server_ended_is_replaced(tenant):
    has_server = connection.vendor == "mysql"
    tried = []

    def work() -> int:
        tried.append(1)
        if has_server and len(tried) == 1:
            with connection.cursor() as cursor:
                cursor.execute("KILL CONNECTION_ID()")
        return Tenant.objects.count()

    assert asyncio.run(in_thread(work)) == 1


def test_all_work_of_a_process_shares_one_thread():
    async def run() -> set[int]:
        return set(await asyncio.gather(*(in_thread(threading.get_ident) for _ in range(5))))

    first = asyncio.run(run())

    assert asyncio.run(run()) == first
    assert len(first) == 1


def test_what_is_no_fault_of_the_database_comes_through_at_once():
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 / 0))
