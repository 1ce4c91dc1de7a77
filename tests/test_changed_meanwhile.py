"""Two people have a page of the admin open: neither undoes the other's change unknowingly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ai_triage import prompting
from ai_triage.models import AutoReplyRule, Snippet, TriageSettings
from ai_triage.prompting import Changes
from tenants.models import Role, Tenant
from tests.factories import make_account, make_domain, make_template
from tests.staff import filled_in, staff
from webhooks.tests.telling import endpoint_at

pytestmark = pytest.mark.django_db
AS_SHOWN = "as_shown"
WARNING = "Somebody changed this meanwhile."


def a_webhook(tenant: Tenant) -> Model:
    return endpoint_at("http://127.0.0.1:1/hook", tenant=tenant)


def an_account(tenant: Tenant) -> Model:
    return make_account(make_domain(tenant))


def a_snippet(tenant: Tenant) -> Model:
    return Snippet.objects.create(tenant=tenant, question="Hours?", answer="9 to 5")


def settings(tenant: Tenant) -> Model:
    return TriageSettings.objects.get_or_create(tenant=tenant)[0]


def settings_with_a_rule(tenant: Tenant) -> Model:
    row = settings(tenant)
    AutoReplyRule.objects.create(settings=row, email_type="question", min_confidence="0.90")
    return row


def a_prompt(tenant: Tenant) -> Model:
    prompting.ensure_default(tenant)
    return prompting.create(tenant, Changes("curt", "Be curt.", ["questions"], ["spam"]), author="")


# A row, what a colleague changes in it (None: a box is unticked), and what one changes oneself.
PAGES: list[Any] = [
    pytest.param(a_webhook, {"is_active": None}, {"description": "Mine"}, id="webhook"),
    pytest.param(make_domain, {"is_active": None}, {"description": "Mine"}, id="domain"),
    pytest.param(an_account, {"limit_per_hour": "7"}, {"display_name": "Mine"}, id="account"),
    pytest.param(a_snippet, {"answer": "Never"}, {"question": "Mine"}, id="snippet"),
    pytest.param(settings, {"automatic_per_hour": "7"}, {"company_name": "Mine"}, id="settings"),
    pytest.param(
        settings_with_a_rule,
        {"rules-0-min_confidence": "0.99"},
        {"company_name": "Mine"},
        id="rule of the settings",
    ),
    pytest.param(make_template, {"is_active": None}, {"name": "Mine"}, id="template"),
    pytest.param(a_prompt, {"ignore": "ads"}, {"name": "Mine"}, id="prompt"),
]


def page_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def values(form: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What a form shows in these fields; a box that is not ticked is None."""
    return {name: form.get(name) for name in names}


def changed(form: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


@pytest.fixture
def me(tenant) -> Client:
    return staff(tenant, Role.ADMIN)


@pytest.fixture
def colleague(tenant) -> Client:
    return staff(tenant, Role.OWNER)


@pytest.mark.parametrize(("make", "theirs", "mine"), PAGES)
def test_who_saves_over_a_colleagues_change_is_told_first_and_then_decides(
    tenant, me, colleague, make, theirs, mine
):
    page = page_of(make(tenant))
    form, names = filled_in(me.get(page)), [*theirs, *mine]
    assert colleague.post(page, changed(form, theirs)).status_code == 302
    before = values(filled_in(colleague.get(page)), names)

    refused = me.post(page, changed(form, mine))

    assert WARNING in refused.content.decode()
    again = filled_in(refused)
    assert values(again, names) == {**values(form, names), **mine}
    assert values(filled_in(colleague.get(page)), names) == before

    assert me.post(page, again).status_code == 302
    assert values(filled_in(colleague.get(page)), names) == {**values(form, names), **mine}


@pytest.mark.parametrize(("make", "theirs", "mine"), PAGES)
def test_who_saves_alone_is_never_stopped(tenant, me, make, theirs, mine):
    page = page_of(make(tenant))

    for changes in (theirs, mine, {}):
        answer = me.post(page, changed(filled_in(me.get(page)), changes))
        assert answer.status_code == 302, answer.context["adminform"].form.errors


@pytest.mark.parametrize(("make", "theirs", "mine"), PAGES)
def test_a_request_that_says_nothing_of_what_it_was_shown_is_saved(
    tenant, me, colleague, make, theirs, mine
):
    page = page_of(make(tenant))
    form = filled_in(me.get(page))
    colleague.post(page, changed(form, theirs))

    assert me.post(page, changed(form, {**mine, AS_SHOWN: None})).status_code == 302


@pytest.mark.parametrize(
    ("make", "written", "mine"),
    [
        (a_webhook, {"failures": 3}, {"description": "Mine"}),
        (make_domain, {"dns_checked_at": timezone.now()}, {"description": "Mine"}),
        (an_account, {"last_used": timezone.now()}, {"display_name": "Mine"}),
        (make_template, {"usage_count": 12}, {"name": "Mine"}),
    ],
)
def test_what_the_product_writes_by_itself_stops_nobody(tenant, me, make, written, mine):
    row = make(tenant)
    form = filled_in(me.get(page_of(row)))
    type(row)._default_manager.filter(pk=row.pk).update(**written)

    assert me.post(page_of(row), changed(form, mine)).status_code == 302


def test_the_warning_comes_with_the_other_errors_of_the_form(tenant, me, colleague):
    page = page_of(make_domain(tenant))
    form = filled_in(me.get(page))
    colleague.post(page, changed(form, {"description": "Theirs"}))

    body = me.post(page, changed(form, {"tracking_host": "not a name"})).content.decode()

    assert WARNING in body
    assert "This is not a domain name" in body
