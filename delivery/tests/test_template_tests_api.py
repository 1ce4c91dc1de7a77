"""A template is sent as a test."""

from __future__ import annotations

import pytest

from conftest import client_of
from logs.models import EmailLog
from tests.factories import make_account, make_domain

URL = "/api/v1/templates/order/test"
WANTED = {"to_address": "Ana <ana@example.com>", "variables": {"number": 7, "name": "Ana"}}


@pytest.fixture(autouse=True)
def _with_default_account(template, account):
    template.default_account = account
    template.save()


def test_a_test_is_a_message_with_a_tag(api, template):
    response = api.post(URL, WANTED)

    assert response.status_code == 202, response.content
    email = EmailLog.objects.get(tracking_id=response.json()["tracking_id"])
    assert response.json()["template_id"] == "order"
    assert (email.to_address, email.subject) == ("ana@example.com", "Order 7")
    assert email.tags == ["test"]
    assert email.mode == "live"


def test_it_is_found_by_number_and_with_the_scope_of_templates_alone(tenant, template):
    api = client_of(tenant, mode="test", scopes=["templates:write"])

    response = api.post(f"/api/v1/templates/{template.pk}/test", WANTED)

    assert response.status_code == 202
    assert EmailLog.objects.get().mode == "test"


def test_another_account_may_be_named(api, domain):
    make_account(domain, "other")

    response = api.post(URL, WANTED | {"from_account": "other@shop.test"})

    assert response.json()["from_address"] == "other@shop.test"


def test_the_same_key_sends_one_test(api):
    first = api.post(URL, WANTED, headers={"Idempotency-Key": "k1"})
    again = api.post(URL, WANTED, headers={"Idempotency-Key": "k1"})

    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert EmailLog.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "code", "attr"),
    [
        ({"variables": {"name": "Ana"}}, "missing_variable", "variables.number"),
        ({"to_address": "nobody"}, "invalid", "to_address"),
        ({"tags": ["x"]}, "unknown_field", "tags"),
        ({"template_id": "x"}, "unknown_field", "template_id"),
        ({"from_account": "nobody@shop.test"}, "not_found", "from_account"),
    ],
)
def test_it_is_refused_as_any_message(api, fields, code, attr):
    response = api.post(URL, WANTED | fields)

    assert response.status_code == 422
    assert [(e["code"], e["attr"]) for e in response.json()["errors"]] == [(code, attr)]
    assert not EmailLog.objects.exists()


def test_another_tenant_finds_no_template_and_no_account(api, other_api, other_tenant, template):
    foreign = make_account(make_domain(other_tenant))

    assert other_api.post(URL, WANTED).status_code == 404
    assert other_api.post(f"/api/v1/templates/{template.pk}/test", WANTED).status_code == 404
    response = api.post(URL, WANTED | {"from_account": foreign.email_address})
    assert response.status_code == 422
    assert not EmailLog.objects.exists()
