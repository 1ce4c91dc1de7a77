"""Staff see what became of their own tenants' messages, and change none of the figures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from logs import figures
from logs.models import DailyFigures
from logs.tests.builders import NOON, an_account
from logs.tests.test_figures import LATER, a_sent_email
from tests.staff import staff

pytestmark = pytest.mark.django_db
PAGE = "/admin/logs/dailyfigures/"
MARCH = {"start_date": "2026-03-01", "end_date": "2026-03-31"}


@pytest.fixture
def viewer(tenant):
    return staff(tenant)


def test_a_viewer_sees_a_chart_and_the_figures_of_each_day(viewer, tenant):
    a_sent_email(tenant, opens_count=1)
    a_sent_email(tenant)
    a_sent_email(tenant, queued_at=NOON + timedelta(days=1))

    page = viewer.get(PAGE, MARCH).content.decode()

    assert "2026-03-01: 2 sent, 1 opened" in page
    assert 'height="160.0"' in page
    assert "50.0 %" in page
    with override("pt"):
        page_in_portuguese = viewer.get(PAGE, MARCH, headers={"Accept-Language": "pt"})
    assert "50,0 %" in page_in_portuguese.content.decode()
    assert page.rindex("2026-03-02") < page.rindex("2026-03-01")  # the newest first
    assert PAGE in viewer.get("/admin/").content.decode()


def test_the_page_tells_figures_by_account_and_mode(viewer, tenant):
    a_sent_email(tenant, account=an_account(tenant, "news@shop.test"))
    a_sent_email(tenant, mode="test", account=an_account(tenant, "trial@shop.test"))

    live = viewer.get(PAGE, {**MARCH, "group_by": "account"}).content.decode()
    test = viewer.get(PAGE, {**MARCH, "group_by": "template", "mode": "test"}).content.decode()

    assert "news@shop.test" in live
    assert "trial@shop.test" not in live
    assert "(no template)" in test


@pytest.mark.parametrize("language", ["pt", "pt-br"])
def test_the_chart_has_no_decimal_commas(viewer, tenant, language):
    a_sent_email(tenant)

    page = viewer.get(PAGE, MARCH, headers={"accept-language": language}).content.decode()

    assert '<rect x="0.0" width="23.2" height="160.0"' in page


@pytest.mark.parametrize(
    "bad",
    [
        {"start_date": "2026-03-02", "end_date": "2026-03-01"},
        {"start_date": "2020-03-02"},
        {"end_date": "soon"},
        {"group_by": "hour"},
        {"mode": "both"},
    ],
)
def test_a_bad_choice_is_told_and_shows_nothing(viewer, tenant, bad):
    answer = viewer.get(PAGE, {**MARCH, **bad})

    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert "<rect" not in answer.content.decode()


def test_others_see_nothing_of_it(tenant, other_tenant):
    a_sent_email(tenant)
    figures.keep_up(at=LATER)
    row = DailyFigures.objects.get()
    stranger = staff(other_tenant, "owner")

    refused = stranger.get(PAGE, {**MARCH, "tenant": tenant.pk}).content.decode()

    assert "Shop" not in refused
    assert "<rect" not in refused
    assert stranger.get(f"{PAGE}{row.pk}/change/").status_code == 302  # there is none
    assert Client().get(PAGE).status_code == 302


def test_nobody_changes_figures(tenant):
    a_sent_email(tenant)
    figures.keep_up(at=LATER)
    row = DailyFigures.objects.get()
    owner = staff(tenant, "owner")

    assert owner.post(f"{PAGE}{row.pk}/change/", {}).status_code == 403
    assert owner.post(f"{PAGE}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert owner.get(f"{PAGE}add/").status_code == 403


def test_staff_without_a_tenant_are_refused(db):
    client = Client()
    client.force_login(User.objects.create_user("nobody", is_staff=True))

    assert client.get(PAGE).status_code == 403


def test_the_page_costs_as_many_queries_for_many_days_as_for_one(viewer, tenant):
    def queries():
        with CaptureQueriesContext(connection) as caught:
            viewer.get(PAGE, MARCH)
        return len(caught)

    a_sent_email(tenant)
    figures.keep_up(at=LATER)
    viewer.get(PAGE, MARCH)
    few = queries()
    for days in range(1, 25):
        a_sent_email(tenant, queued_at=NOON + timedelta(days=days))
    figures.keep_up(at=LATER + timedelta(minutes=5))

    assert queries() == few
