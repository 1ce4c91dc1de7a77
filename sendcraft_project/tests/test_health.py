"""Health, for people and for orchestrators."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from common import counters
from sendcraft_project.celery import app as celery

pytestmark = pytest.mark.django_db
DEAD_REDIS = "redis://127.0.0.1:1"


@pytest.fixture
def dead_cache(settings, monkeypatch):
    monkeypatch.setattr(counters, "_silent_until", 0.0)
    settings.CACHES = {
        "default": {
            "BACKEND": "common.cache.RedisCache",
            "LOCATION": DEAD_REDIS,
        }
    }


@pytest.fixture
def dead_broker(monkeypatch):
    monkeypatch.setattr(celery.conf, "broker_url", DEAD_REDIS)
    monkeypatch.setattr(celery, "_pool", None)


def refuse(execute, sql, params, many, context):
    raise OperationalError("gone away: secret-host")


@pytest.fixture
def dead_database():
    with connection.execute_wrapper(refuse):
        yield


def test_health_needs_no_key_and_names_every_part(client):
    answer = client.get("/api/v1/health")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": "0.1.0",
        "checks": {"database": "ok", "broker": "ok", "cache": "ok"},
    }


def test_a_dead_cache_is_named_and_traffic_still_welcome(client, dead_cache):
    answer = client.get("/api/v1/health")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "broker": "ok", "cache": "unavailable"}
    assert client.get("/readyz").status_code == 200


def test_a_dead_broker_is_named_and_traffic_still_welcome(client, dead_broker):
    answer = client.get("/api/v1/health")

    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == "unavailable"
    assert client.get("/readyz").status_code == 200


def test_a_filesystem_broker_without_its_folder_is_named(client, monkeypatch, tmp_path):
    options = {"data_folder_out": str(tmp_path / "gone")}
    monkeypatch.setattr(celery.conf, "broker_url", "filesystem://")
    monkeypatch.setitem(celery.conf, "broker_transport_options", options)

    answer = client.get("/api/v1/health")

    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == "unavailable"


def test_a_dead_database_turns_traffic_away_without_saying_why(client, dead_database):
    health, ready, alive = (client.get(path) for path in ("/api/v1/health", "/readyz", "/healthz"))

    assert (health.status_code, ready.status_code, alive.status_code) == (503, 503, 200)
    assert health.json()["checks"]["database"] == "unavailable"
    assert b"secret-host" not in health.content + ready.content


def test_the_api_says_503_while_the_database_is_away(api, dead_database):
    api.raise_request_exception = False

    answer = api.get("/api/v1/logs")

    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "unavailable"
    assert b"secret-host" not in answer.content
