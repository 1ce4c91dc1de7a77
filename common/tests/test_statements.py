"""Statements that are written once do what Django's own would do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from common.statements import Lookup, insert
from conftest import client_of
from logs.models import EmailContent
from tenants.api.authentication import KEY_BY_DIGEST
from tenants.models import APIKey

pytestmark = pytest.mark.django_db
BY_MODE = Lookup(
    APIKey,
    lambda tenant, name: APIKey.objects.filter(tenant=tenant, mode="live", name=name),
    takes=2,
)


def test_a_row_is_found_with_what_belongs_to_it_in_one_statement(tenant, django_assert_num_queries):
    row, _ = APIKey.issue(
        tenant=tenant,
        name="k",
        mode="live",
        scopes=["emails:send"],
        expires_at=timezone.now() + timedelta(days=1),
    )
    wanted = APIKey.objects.select_related("tenant").get(pk=row.pk)

    with django_assert_num_queries(1):
        found = KEY_BY_DIGEST.first(row.digest)

        assert found.tenant.name == "Shop"

    fields = [field.attname for field in APIKey._meta.concrete_fields]
    assert [getattr(found, name) for name in fields] == [getattr(wanted, name) for name in fields]
    assert vars(found.tenant) | {"_state": 0} == vars(wanted.tenant) | {"_state": 0}


def test_each_call_uses_its_own_values_and_sees_what_changed(tenant, other_tenant):
    client_of(tenant)
    theirs, _ = APIKey.issue(tenant=other_tenant, name="test", mode="live")

    assert BY_MODE.first(tenant.pk, "test").tenant_id == tenant.pk
    assert BY_MODE.first(other_tenant.pk, "test").pk == theirs.pk
    assert BY_MODE.first(tenant.pk, "unknown") is None
    APIKey.objects.filter(pk=theirs.pk).update(mode="test")
    assert BY_MODE.first(other_tenant.pk, "test") is None


def test_a_new_row_is_stored_as_django_stores_it(tenant):
    given = {
        "subject": "Olá 100%",
        "variables": {"a": [1, None, "é"], "b": {}},
        "headers": [["X-A", "%s"]],
        "is_bulk": True,
    }
    row = EmailContent(tenant=tenant, **given)
    like = EmailContent.objects.create(tenant=tenant, **given)

    insert(row)

    stored = EmailContent.objects.get(pk=row.pk)
    same = [
        f.name for f in EmailContent._meta.concrete_fields if f.name not in ("id", "created_at")
    ]
    like.refresh_from_db()
    assert [getattr(stored, name) for name in same] == [getattr(like, name) for name in same]
    assert timezone.now() - stored.created_at < timedelta(minutes=1)
    row.subject = "changed"
    row.save()
    assert EmailContent.objects.count() == 2
