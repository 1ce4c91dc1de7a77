"""Whether what waits for a review is found by its index, as the database itself explains it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ai_triage import tryouts
from ai_triage.models import TriageResult
from ai_triage.tests.counted import results, unsaved
from ai_triage.tests.mails import EMAILS
from ai_triage.waiting import waiting
from logs.tests.builders import NOON

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = TriageResult._meta.db_table


@pytest.fixture(autouse=True)
def history(tenant, other_tenant) -> None:
    """Much mail that waits for nobody, a little that does, all analysed."""
    for one in (tenant, other_tenant):
        results(one, 1_500)
        results(one, 20, needs_review=True)
    analyze()


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE TABLE {TABLE}" if connection.vendor == "mysql" else "ANALYZE")
        cursor.fetchall()


def select(work: Callable[[], object]) -> str:
    """The one statement with which ``work`` looks for mail that needs a review."""
    with CaptureQueriesContext(connection) as captured:
        work()
    conditions = {one["sql"]: one["sql"].partition(" WHERE ")[2] for one in captured}
    [found] = [
        sql
        for sql, condition in conditions.items()
        if "needs_review" in condition and "answer_due_at" not in condition  # the navigation's
    ]
    return found


def keys(sql: str) -> list[str]:
    """The indexes that MariaDB takes, or how SQLite says that it reads."""
    is_mysql = connection.vendor == "mysql"
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}" if is_mysql else f"EXPLAIN QUERY PLAN {sql}")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [str(row["key" if is_mysql else "detail"]) for row in rows]


def goes_by(sql: str, *, index: str) -> bool:
    """Whether the database looks into this index, and SQLite for both of its first columns."""
    if connection.vendor == "mysql":
        return index in keys(sql)
    return any(f"{index} (tenant_id=? AND needs_review=?" in one for one in keys(sql))


def test_what_waits_for_a_review_is_counted_by_its_index():
    sql = select(lambda: waiting(at=NOON))

    assert goes_by(sql, index="triage_by_review")


def test_the_api_finds_what_needs_a_review_by_an_index(api):
    sql = select(lambda: api.get(f"{EMAILS}?needs_review=true"))

    assert goes_by(sql, index="triage_by_need")


def test_staff_find_what_needs_a_review_by_an_index(tenant):
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    path = f"/admin/ai_triage/triageresult/?state=all&needs_review__exact=1&tenant={tenant.pk}"

    sql = select(lambda: client.get(path))

    assert goes_by(sql, index="triage_by_need")


def test_where_a_search_for_past_mail_ends_is_found_by_an_index(tenant, monkeypatch):
    monkeypatch.setattr("ai_triage.tryouts.SEARCHED", 1_000)
    with CaptureQueriesContext(connection) as captured:
        assert tryouts.find(tenant, "ana@")

    [sql] = [one["sql"] for one in captured if " OFFSET " in one["sql"]]
    assert any("triage_to_remove" in one for one in keys(sql)), keys(sql)
    assert not any("TEMP B-TREE" in one for one in keys(sql))


def settled(tenant, minutes: int) -> TriageResult:
    at = NOON + timedelta(minutes=minutes)
    return unsaved(tenant, reviewed_at=at, responded_at=at)


def test_what_waits_for_a_person_is_found_by_indexes_alone(tenant):
    TriageResult.objects.filter(needs_review=False).update(
        reviewed_at=F("received_at"), responded_at=F("received_at")
    )
    TriageResult.objects.bulk_create(settled(tenant, minutes) for minutes in range(1_500))
    results(tenant, 20, reviewed_at=NOON, awaits_answer=True)
    analyze()

    with CaptureQueriesContext(connection) as captured:
        assert TriageResult.objects.waiting_for_person(tenants=[tenant.pk]).count() == 40

    used = keys(captured[0]["sql"])
    assert any("triage_by_awaited" in one for one in used), used
    assert not any("SCAN" in one for one in used), used


def test_that_no_answer_is_due_is_asked_of_no_index(tenant):
    """With 40,000 mails MariaDB read all of these for every page of the admin."""
    sql = str(TriageResult.objects.waiting_for_person(tenants=[tenant.pk]).values("pk").query)

    asked = re.findall(r"answer_due_at. IS NULL(\) THEN)?", sql)
    assert asked
    assert all(asked)
