"""Warnings for slow requests and queries."""

from __future__ import annotations

import logging

import pytest
from django.db import connection

from common.slow import SlowQueries

pytestmark = pytest.mark.django_db


def records(caplog, message):
    return [record for record in caplog.records if record.getMessage() == message]


def test_a_slow_query_is_logged_with_path_and_time_but_without_its_values(settings, caplog):
    settings.SLOW_SECONDS = 0

    with connection.execute_wrapper(SlowQueries(path="/api/v1/x")):
        connection.cursor().execute("SELECT %s", ["hunter2"])

    (record,) = records(caplog, "slow query")
    assert record.levelno == logging.WARNING
    assert record.path == "/api/v1/x"
    assert record.seconds >= 0
    assert record.sql == "SELECT %s"
    assert "hunter2" not in str(vars(record))


def test_a_query_within_the_limit_is_not_logged(caplog):
    with connection.execute_wrapper(SlowQueries(path="/")):
        connection.cursor().execute("SELECT 1")

    assert not records(caplog, "slow query")


def test_a_slow_request_is_logged_with_method_path_and_time(client, settings, caplog):
    settings.SLOW_SECONDS = 0

    client.get("/healthz?secret=hunter2")

    (record,) = records(caplog, "slow request")
    assert (record.method, record.path) == ("GET", "/healthz")
    assert record.seconds >= 0
    assert "hunter2" not in str(vars(record))


def test_a_fast_request_is_not_logged(client, caplog):
    client.get("/healthz")

    assert not records(caplog, "slow request")
