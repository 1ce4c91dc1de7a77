"""Who gets in with which key."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from tenants.models import APIKey, Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tenants.tests.urls")]
NOTES = "/api/v1/notes"


def issue(tenant: Tenant, **fields) -> tuple[APIKey, str]:
    return APIKey.issue(tenant=tenant, name="test", mode="live", **fields)


@pytest.mark.parametrize(
    "header", [("X-API-Key", "{}"), ("Authorization", "Bearer {}"), ("Authorization", "bearer  {}")]
)
def test_a_key_is_taken_from_either_header(tenant, header):
    _, key = issue(tenant)

    answer = APIClient().get(NOTES, headers={header[0]: header[1].format(key)})

    assert answer.status_code == 200


def refused_keys(tenant: Tenant) -> dict[str, str]:
    revoked, revoked_text = issue(tenant)
    revoked.revoke(at=timezone.now())
    _, expired_text = issue(tenant, expires_at=timezone.now() - timedelta(seconds=1))
    _, good = issue(tenant)
    stopped = Tenant.objects.create(slug="stopped", name="Stopped", is_active=False)
    _, of_stopped = issue(stopped)
    return {
        "revoked": revoked_text,
        "expired": expired_text,
        "unknown": "sk_live_" + "A" * 32,
        "wrong": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "prefix alone": good[:16],
        "no key at all": "\x00é",
        "of a stopped tenant": of_stopped,
    }


def test_every_useless_key_gets_the_same_401(tenant):
    answers = {
        kind: APIClient().get(NOTES, headers={"X-API-Key": key})
        for kind, key in refused_keys(tenant).items()
    }

    assert {kind: answer.status_code for kind, answer in answers.items()} == dict.fromkeys(
        answers, 401
    )
    assert len({answer.content for answer in answers.values()}) == 1
    body = answers["unknown"].json()
    assert body["type"] == "client_error"
    assert body["errors"][0]["code"] == "authentication_failed"
    assert all(a["WWW-Authenticate"] == 'Bearer realm="sendcraft"' for a in answers.values())


def test_without_a_key_the_answer_says_where_it_goes(db):
    answer = APIClient().get(NOTES)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert "X-API-Key" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("name", ["api_key", "X-API-Key", "key", "access_token", "Authorization"])
def test_a_key_in_the_address_opens_nothing(tenant, name):
    _, key = issue(tenant)

    answer = APIClient().get(NOTES, {name: key})

    assert answer.status_code == 401


def test_revocation_counts_from_the_next_request(tenant):
    row, key = issue(tenant)
    client = APIClient(headers={"X-API-Key": key})
    assert client.get(NOTES).status_code == 200

    row.revoke(at=timezone.now())

    assert client.get(NOTES).status_code == 401


def updates(client: APIClient) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(NOTES).status_code == 200
    return [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]


def test_the_last_use_is_written_once_a_minute_at_the_most(tenant):
    row, key = issue(tenant)
    client = APIClient(headers={"X-API-Key": key})

    assert len(updates(client)) == 1
    assert updates(client) == []
    APIKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now() - timedelta(seconds=61))
    assert len(updates(client)) == 1


def test_the_database_holds_nothing_that_opens_the_api(tenant):
    row, key = issue(tenant)
    row.refresh_from_db()

    stored = [str(value) for value in vars(row).values()]
    assert not any(key in value for value in stored)
    for value in stored:
        if value.isascii() and value.isprintable():
            answer = APIClient().get(NOTES, headers={"X-API-Key": value})
            assert answer.status_code == 401


def test_a_key_has_at_least_128_random_bits(tenant):
    keys = {issue(tenant)[1] for _ in range(20)}

    assert len(keys) == 20
    assert all(len(key.removeprefix("sk_live_")) == 32 for key in keys)


def test_a_key_shows_itself_in_no_repr(tenant):
    row, key = issue(tenant)

    assert key not in repr(row) + str(row) + repr(vars(row))
