"""What the address of a list may ask: what its filters offer, and no more."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from logs.models import DailyFigures
from logs.tests.builders import an_email
from tests.staff import staff

pytestmark = pytest.mark.django_db
MODELS = [model for model in admin.site._registry if model is not DailyFigures]  # has no list


def address(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def status(client, model, query: str) -> int:
    return client.get(f"{address(model)}?{query}").status_code


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_column_tells_what_it_holds_by_a_pattern(model, admin_client):
    assert admin_client.get(address(model)).status_code == 200
    for column in model._meta.concrete_fields:
        for condition in ("startswith", "regex", "iregex"):
            answer = status(admin_client, model, f"{column.name}__{condition}=a")
            assert answer == 400, (column.name, condition)


def test_nor_does_that_of_another_table(tenant, admin_client):
    an_email(tenant)

    for query in ("account__smtp_password_encrypted__startswith=v1", "events__type__in=sent"):
        assert admin_client.get(f"/admin/logs/emaillog/?{query}").status_code == 400


def test_a_viewer_can_not_guess_at_a_stored_password(tenant, account):
    viewer = staff(tenant, "viewer")

    guessed = viewer.get("/admin/accounts/emailaccount/?smtp_password_encrypted__startswith=v")

    assert guessed.status_code == 400


@pytest.mark.parametrize(
    "query", ["is_active__exact=1", "domain__id__exact=1", "q=orders", "o=1", "p=1", "domain=7"]
)
def test_filters_search_order_and_pages_work_as_before(query, account, admin_client):
    assert admin_client.get(f"/admin/accounts/emailaccount/?{query}").status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_keys_that_no_column_can_hold_are_no_fault_of_ours(model, admin_client):
    huge = 10**22
    for query in (f"tenant={huge}", f"tenant__id__exact={huge}", f"account={huge}", "p=-1"):
        assert status(admin_client, model, query) in (200, 302, 400), query


@pytest.mark.parametrize("key", ["abc", "9" * 30, "\0", "²", "-1"])
def test_a_chosen_row_that_is_none_is_refused(key, tenant, admin_client):
    answer = admin_client.post(
        "/admin/logs/emaillog/", {"action": "cancel", "_selected_action": [key]}
    )

    assert answer.status_code == 400


def test_the_audit_log_knows_no_kind_that_it_does_not_offer(admin_client):
    assert User.objects.exists()
    shown = admin_client.get("/admin/auditlog/logentry/?resource_type=abc")

    assert shown.status_code == 200
    assert "0 " in shown.content.decode()


def test_figures_of_days_at_the_end_of_the_calendar_are_refused(tenant):
    query = "start_date=9999-12-01&end_date=9999-12-31"

    shown = staff(tenant, "viewer").get(f"/admin/logs/dailyfigures/?{query}")

    assert shown.status_code == 200
    assert "less than or equal to" in shown.content.decode()
