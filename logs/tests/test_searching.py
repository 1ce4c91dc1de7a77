"""The list of messages finds what people know of them and reads no whole table for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from delivery.tests.test_plans import TABLE, explained, multiply
from logs import searching
from logs.admin import message_list
from logs.models import EmailLog, EmailTag
from logs.searching import search
from logs.tests.builders import NOON, an_email
from logs.tests.test_admin import LIST
from tenants.models import Membership
from tests.staff import staff

ROWS = 3_000


def found(text, tenant, **more) -> set[str]:
    ids = search(text, tenants=[tenant.pk], **more).ids
    return set(EmailLog.objects.filter(pk__in=ids).values_list("subject", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["ana@example.com", "ana@", "Ana@Example", "an"])
def test_an_address_is_found_by_how_it_begins(tenant, text, monkeypatch):
    monkeypatch.setattr(searching, "LOOKED_AT", 1)
    an_email(tenant, subject="Old", to_address="ana@example.com")
    an_email(tenant, subject="New", to_address="rui@example.com", queued_at=NOON + timedelta(1))

    assert found(text, tenant) == {"Old"}


@pytest.mark.django_db
def test_an_id_is_found_by_itself_and_in_a_message_id(tenant, monkeypatch):
    monkeypatch.setattr(searching, "LOOKED_AT", 1)
    email = an_email(tenant, subject="Wanted")
    an_email(tenant, subject="Other", queued_at=NOON + timedelta(1))

    for text in (str(email.tracking_id), email.tracking_id.hex, email.smtp_message_id):
        assert found(text, tenant) == {"Wanted"}


@pytest.mark.django_db
def test_subjects_are_found_by_all_words_in_the_newest_messages(tenant, monkeypatch):
    monkeypatch.setattr(searching, "LOOKED_AT", 2)
    for day, subject in enumerate(["Blue moon, old", "Blue sun", "Full moon, so blue"]):
        an_email(tenant, subject=subject, queued_at=NOON + timedelta(day))

    result = search("moon blue", tenants=[tenant.pk])

    assert found("moon blue", tenant) == {"Full moon, so blue"}
    assert result.since == NOON + timedelta(1)
    assert found("moon blue", tenant, until=NOON + timedelta(2)) == {"Blue moon, old"}


@pytest.mark.django_db
def test_signs_of_patterns_are_but_signs(tenant):
    an_email(tenant, subject="100 % wool")
    an_email(tenant, subject="All of it")

    assert found("%", tenant) == {"100 % wool"}
    assert found("_", tenant) == set()


@pytest.mark.django_db
def test_nothing_is_found_of_another_tenant(tenant, other_tenant):
    email = an_email(other_tenant, subject="Theirs")

    for text in ("ana@", "Theirs", str(email.tracking_id)):
        assert found(text, tenant) == set()


@pytest.mark.django_db
def test_what_is_cut_says_so(tenant, monkeypatch):
    monkeypatch.setattr(searching, "FOUND", 2)
    for _ in range(3):
        an_email(tenant)

    assert search("ana@", tenants=[tenant.pk]).is_cut
    assert len(search("ana@", tenants=[tenant.pk]).ids) <= 4
    assert not search("rui@", tenants=[tenant.pk]).is_cut


@pytest.mark.django_db
def test_the_list_says_how_far_it_looked(tenant, monkeypatch):
    monkeypatch.setattr(searching, "LOOKED_AT", 1)
    an_email(tenant, subject="Blue")

    shown = staff(tenant, "viewer").get(LIST, {"q": "blue"}).content.decode()

    assert "Blue" in shown
    assert "back to 1 Mar 2026, 12:00:00" in shown


# As the database explains it


@pytest.fixture
def many(tenant):
    """Messages of a year, analysed; of the statuses only a few are not sent."""
    email = an_email(tenant, status="sent", next_attempt_at=None)
    for day in range(30):
        multiply(
            email,
            rows=ROWS // 30,
            queued_at=NOON + timedelta(days=day),
            to_address=f"r{day}@example.com",
        )
    multiply(email, rows=5, status="bounced")
    multiply(email, rows=3, mode="test")
    keys = list(EmailLog.objects.order_by("pk").values_list("pk", flat=True))
    for tag, tagged in (("news", keys[::2]), ("rare", keys[:3])):
        EmailTag.objects.bulk_create(
            EmailTag(tenant=tenant, email_id=key, tag=tag) for key in tagged
        )
    with connection.cursor() as cursor:
        tables = f"{TABLE}, {EmailTag._meta.db_table}"
        cursor.execute(f"ANALYZE TABLE {tables}" if connection.vendor == "mysql" else "ANALYZE")
        cursor.fetchall()
    return email


QUERIES: list[dict[str, str]] = [
    {},
    {"q": "r7@"},
    {"q": "r7@example.com"},
    {"q": "thank you"},
    {"q": "019dd8f0-1111-7222-8333-444455556666"},
    {"status__exact": "bounced"},
    {"status__exact": "queued"},
    {"mode__exact": "test"},
    {"queued_at_from": "2026-03-04", "queued_at_to": "2026-03-05"},
    {"status__exact": "bounced", "queued_at_from": "2026-03-04"},
    {"tag": "news"},
    {"tag": "rare"},
    {"tag": "news", "status__exact": "queued"},
    {"tag": "news", "queued_at_from": "2026-03-04", "queued_at_to": "2026-03-05"},
]


@pytest.mark.django_db(transaction=True)
def test_no_list_reads_the_whole_table(many, tenant, monkeypatch):
    monkeypatch.setattr(searching, "LOOKED_AT", 100)
    viewer = staff(tenant, "viewer")
    for query in QUERIES:
        assert_no_scan(viewer, query)


OF_ALL_TENANTS: list[dict[str, str]] = [
    {},
    {"q": "r7@"},
    {"q": "r7@example.com"},
    {"q": "thank you"},
    {"mode__exact": "test"},
    {"tag": "news"},
    {"tag": "rare"},
    {"status__exact": "bounced"},
    {"queued_at_from": "2026-03-04", "queued_at_to": "2026-03-05"},
]


@pytest.mark.django_db(transaction=True)
def test_neither_does_that_of_somebody_who_sees_all_tenants(
    many, other_tenant, admin_client, monkeypatch
):
    monkeypatch.setattr(searching, "LOOKED_AT", 100)
    an_email(other_tenant)
    for query in OF_ALL_TENANTS:
        assert_no_scan(admin_client, query)


@pytest.mark.django_db(transaction=True)
def test_neither_does_that_of_somebody_who_belongs_to_very_many_tenants(
    many, tenant, other_tenant, monkeypatch, django_user_model
):
    monkeypatch.setattr(message_list, "MOST_LANES", 1)
    an_email(other_tenant)
    client = staff(tenant, "viewer")
    user = django_user_model.objects.get()
    Membership.objects.create(tenant=other_tenant, user=user, role="viewer")

    with CaptureQueriesContext(connection) as captured:
        assert client.get(LIST).status_code == 200

    pages = [one["sql"] for one in captured if TABLE in one["sql"] and "LIMIT" in one["sql"]]
    assert pages
    assert not any(table["sorts"] for sql in pages for table in explained(sql))


def assert_no_scan(client, query) -> None:
    client.get(LIST)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(LIST, query).status_code == 200

    statements = [one["sql"] for one in captured if TABLE in one["sql"]]
    assert statements
    for sql in statements:
        assert "COUNT(" not in sql, query
        for table in explained(sql):
            is_walk = not query and not table["sorts"]  # backwards by key, for a page of its rows
            is_scan = table["key"] == "none" or table["key"] == f"SCAN {TABLE}"
            assert is_walk or not is_scan, (query, sql, table)
