"""Rate limits and their headers."""

from __future__ import annotations

import re
import socket

import pytest
from rest_framework.test import APIClient

from common import counters
from conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tenants.tests.urls")]
NOTES = "/api/v1/notes"


def test_the_policy_and_what_is_left_stand_on_every_answer(tenant):
    api = client_of(tenant, rate="5/day")

    first, second = api.get(NOTES), api.get(NOTES)

    assert first["RateLimit-Policy"] == '"default";q=5;w=86400'
    assert re.fullmatch(r'"default";r=4;t=\d{1,5}', first["RateLimit"])
    assert second["RateLimit"].startswith('"default";r=3;')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", NOTES, 401),
        ("get", "/api/v1/nowhere", 404),
        ("get", "/api", 404),
        ("get", "/api/v1/health", 200),
        ("get", "/api/v1/schema", 200),
    ],
)
def test_the_headers_stand_on_answers_to_strangers(method, path, status, db):
    answer = getattr(APIClient(), method)(path)

    assert answer.status_code == status
    assert answer["RateLimit-Policy"] == '"default";q=600;w=60'
    assert answer["RateLimit"].startswith('"default";r=')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("get", f"{NOTES}/1", 404), ("put", NOTES, 405), ("get", "/api/v1/nowhere", 404)],
)
def test_the_headers_stand_on_errors(api, method, path, status):
    answer = getattr(api, method)(path)

    assert answer.status_code == status
    assert answer["RateLimit-Policy"] == '"default";q=600;w=60'


def test_over_the_limit_is_429_with_the_time_to_wait(tenant):
    api = client_of(tenant, rate="2/day")
    allowed = [api.get(NOTES).status_code for _ in range(2)]

    answer = api.get(NOTES)

    assert allowed == [200, 200]
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 86400
    assert answer["RateLimit"].startswith('"default";r=0;')
    assert answer.json()["errors"][0]["code"] == "throttled"


def test_one_keys_limit_is_not_anothers(tenant):
    api = client_of(tenant, rate="1/day")
    api.get(NOTES)
    assert api.get(NOTES).status_code == 429

    assert client_of(tenant, rate="1/day").get(NOTES).status_code == 200


def test_rate_0_means_no_limit(tenant, settings):
    settings.RATE_LIMIT = "1/day"
    api = client_of(tenant, rate="0")

    assert {api.get(NOTES).status_code for _ in range(3)} == {200}


def test_the_installations_limit_holds_where_the_key_has_none(tenant, settings):
    settings.RATE_LIMIT = "1/day"
    api = client_of(tenant)

    assert [api.get(NOTES).status_code for _ in range(2)] == [200, 429]


def test_guessing_keys_is_limited_by_address(db, settings):
    settings.RATE_LIMIT = "2/day"

    answers = [
        APIClient(headers={"X-API-Key": f"sk_live_{number}"}).get(NOTES) for number in range(3)
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert int(answers[2]["Retry-After"]) > 0


def test_an_address_that_was_limited_still_gets_in_with_a_key(api, settings):
    settings.RATE_LIMIT = "2/day"
    for _ in range(3):
        APIClient().get(NOTES)

    assert api.get(NOTES).status_code == 200


def test_refusals_for_want_of_a_scope_are_limited_too(tenant, settings):
    settings.RATE_LIMIT = "1/day"
    api = client_of(tenant, scopes=["emails:send"])

    assert [api.get(NOTES).status_code for _ in range(2)] == [403, 429]


def test_a_forwarded_address_is_believed_from_trusted_proxies_alone(db, settings):
    settings.RATE_LIMIT = "1/day"

    def ask(forwarded: str) -> int:
        return APIClient(headers={"X-Forwarded-For": forwarded}).get(NOTES).status_code

    assert [ask("192.0.2.1"), ask("192.0.2.2")] == [401, 429]


@pytest.fixture
def dead_cache(settings, monkeypatch):
    """A Redis URL that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(counters, "_silent_until", 0.0)
    settings.CACHES = {
        "default": {
            "BACKEND": "common.cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{port}",
            "OPTIONS": {"socket_connect_timeout": 0.5},
        }
    }


def test_with_the_cache_down_requests_are_served(tenant, dead_cache):
    api = client_of(tenant, rate="1/day")

    answers = [api.get(NOTES) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0]["RateLimit-Policy"] == '"default";q=1;w=86400'
