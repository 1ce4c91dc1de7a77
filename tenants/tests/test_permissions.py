"""What a key may do, and whose rows it sees."""

from __future__ import annotations

import pytest

from conftest import client_of
from domains.models import Domain

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tenants.tests.urls")]
NOTES = "/api/v1/notes"


def test_a_key_without_the_scope_gets_403(tenant):
    api = client_of(tenant, scopes=["emails:send"])

    answer = api.get(NOTES)

    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "permission_denied"


def test_a_write_scope_includes_reading(tenant):
    api = client_of(tenant, scopes=["domains:write"])

    assert api.get(NOTES).status_code == 200
    assert api.post(NOTES, {"name": "a"}).status_code == 201


def test_a_read_scope_does_not_write(tenant):
    api = client_of(tenant, scopes=["analytics:read"])

    assert api.get(NOTES).status_code == 200
    assert api.post(NOTES, {"name": "a"}).status_code == 403
    assert not Domain.objects.exists()


def test_another_tenants_row_is_not_found_with_the_body_of_no_row(api, other_tenant):
    foreign = Domain.objects.create(tenant=other_tenant, name="other.example")

    theirs, none = api.get(f"{NOTES}/{foreign.pk}"), api.get(f"{NOTES}/{foreign.pk + 1}")

    assert theirs.status_code == none.status_code == 404
    assert theirs.content == none.content


def test_another_tenants_rows_are_in_no_list(api, tenant, other_tenant):
    Domain.objects.create(tenant=tenant, name="own.example")
    Domain.objects.create(tenant=other_tenant, name="other.example")

    answer = api.get(NOTES)

    assert [row["name"] for row in answer.json()["results"]] == ["own.example"]


def test_a_page_of_rows_costs_as_many_queries_as_one_row(api, tenant, django_assert_num_queries):
    Domain.objects.create(tenant=tenant, name="0.example")
    api.get(NOTES)  # notes the key's use
    with django_assert_num_queries(2):
        api.get(NOTES)
    Domain.objects.bulk_create(
        Domain(tenant=tenant, name=f"{number}.example") for number in range(1, 50)
    )

    with django_assert_num_queries(2):
        answer = api.get(NOTES)

    assert len(answer.json()["results"]) == 50
