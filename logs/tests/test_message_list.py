"""The list of messages is in the order of time, page by page, of one tenant and of several."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from logs import searching
from logs.admin import message_list
from logs.admin.emails import EmailLogAdmin
from logs.tests.builders import NOON, an_email
from logs.tests.test_admin import LIST
from tenants.models import Membership
from tests.staff import staff

pytestmark = pytest.mark.django_db
DAYS = {"queued_at_from": "2026-03-01", "queued_at_to": "2026-03-02"}


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch):
    monkeypatch.setattr(EmailLogAdmin, "list_per_page", 2)


@pytest.fixture
def member(tenant, other_tenant, django_user_model):
    """Somebody who belongs to both tenants."""
    client = staff(tenant, "viewer")
    user = django_user_model.objects.get(username=f"viewer-{tenant.slug}")
    Membership.objects.create(tenant=other_tenant, user=user, role="viewer")
    return client


@pytest.fixture
def mail(tenant, other_tenant):
    """Messages of both, one an hour by turns; one a week before, one of a third tenant."""
    an_email(tenant, subject="old", queued_at=NOON - timedelta(days=7))
    third = type(tenant).objects.create(slug="third", name="Third")
    an_email(third, subject="theirs", queued_at=NOON + timedelta(minutes=90))
    for number in range(5):
        an_email(
            (tenant, other_tenant)[number % 2],
            subject=f"m{number}",
            queued_at=NOON + timedelta(hours=number),
            status="sent" if number < 4 else "queued",
        )
    return third


def subjects(client, **query) -> list[str]:
    return [row.subject for row in client.get(LIST, query).context["cl"].result_list]


def shown(client, **query) -> str:
    return client.get(LIST, query).content.decode()


def pages(client, count: int = 4, **query) -> list[list[str]]:
    return [subjects(client, p=number, **query) for number in range(1, count + 1)]


def test_pages_of_several_tenants_follow_each_other_in_time(member, mail):
    assert pages(member) == [["m4", "m3"], ["m2", "m1"], ["m0", "old"], []]


def test_so_do_those_of_some_days_and_of_a_status(member, mail):
    assert pages(member, 3, **DAYS) == [["m4", "m3"], ["m2", "m1"], ["m0"]]
    assert pages(member, 3, status__exact="sent")[:2] == [["m3", "m2"], ["m1", "m0"]]


def test_one_of_several_tenants_can_be_chosen(member, mail, tenant, other_tenant):
    assert pages(member, 3, tenant__id__exact=tenant.pk) == [["m4", "m2"], ["m0", "old"], []]
    assert subjects(member, tenant__id__exact=other_tenant.pk, **DAYS) == ["m3", "m1"]


def test_a_tenant_of_others_can_not_be_chosen(member, mail):
    assert subjects(member, tenant__id__exact=mail.pk) == []
    assert subjects(member, tenant__id__exact=mail.pk, **DAYS) == []


def test_a_tag_narrows_the_list_page_by_page_and_with_other_filters(member, tenant, other_tenant):
    for number in range(5):
        an_email(
            (tenant, other_tenant)[number % 2],
            subject=f"m{number}",
            tags=["news"] if number < 4 else ["order"],
            status="sent" if number else "failed",
            queued_at=NOON + timedelta(days=number),
        )

    assert pages(member, 3, tag="news") == [["m3", "m2"], ["m1", "m0"], []]
    assert subjects(member, tag="order") == ["m4"]
    assert subjects(member, tag="new") == []
    assert subjects(member, tag="news", status__exact="failed") == ["m0"]
    assert subjects(member, tag="news", tenant__id__exact=other_tenant.pk) == ["m3", "m1"]
    assert subjects(member, tag="news", q="m2") == ["m2"]
    assert subjects(member, tag="news", **DAYS) == ["m1", "m0"]


def test_a_tag_of_others_finds_nothing(member, mail, admin_client):
    an_email(mail, subject="theirs too", tags=["news"])

    assert subjects(member, tag="news") == []
    assert subjects(member, tag="news", tenant__id__exact=mail.pk) == []
    assert subjects(admin_client, tag="news") == ["theirs too"]


def test_of_very_many_with_a_tag_the_newest_are_looked_at_and_the_list_says_so(tenant, monkeypatch):
    monkeypatch.setattr(searching, "LOOKED_AT", 2)
    for number in range(4):
        at = NOON + timedelta(days=number)
        an_email(tenant, subject=f"m{number}", tags=["news"], queued_at=at)
    client = staff(tenant, "viewer")

    assert pages(client, 2, tag="news") == [["m3", "m2"], []]
    assert "the newest 2 were looked at, back to 3 Mar 2026, 12:00:00" in shown(client, tag="news")
    assert subjects(client, tag="news", queued_at_to="2026-03-02") == ["m1", "m0"]
    assert "were looked at" not in shown(client, tag="order")


def test_what_a_search_found_is_named_once_however_many_tenants_there_are(member, mail):
    for query in ({"q": "ana@"}, {"mode__exact": "test"}, {"tag": "news"}):
        with CaptureQueriesContext(connection) as captured:
            shown = subjects(member, **DAYS, **query)

        assert shown == (["m4", "m3"] if "q" in query else [])
        assert not any("UNION ALL" in one["sql"] for one in captured)


def test_who_belongs_to_very_many_tenants_gets_the_newest_by_key(member, mail, tenant, monkeypatch):
    monkeypatch.setattr(message_list, "MOST_LANES", 1)
    an_email(tenant, subject="late", queued_at=NOON - timedelta(days=1))

    assert pages(member, 2) == [["late", "m4"], ["m3", "m2"]]
    assert subjects(member, **DAYS) == ["m4", "m3"]


def test_who_sees_all_tenants_gets_the_days_of_all(admin_client, mail):
    assert pages(admin_client, 3, **DAYS) == [["m4", "m3"], ["m2", "theirs"], ["m1", "m0"]]
    assert subjects(admin_client, status__exact="queued") == ["m4", "theirs"]
    assert subjects(admin_client, tenant__id__exact=mail.pk, **DAYS) == ["theirs"]
