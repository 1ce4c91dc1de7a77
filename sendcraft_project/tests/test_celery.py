"""What every task does besides its work."""

from __future__ import annotations

import pytest
from django.db import connection

from sendcraft_project.celery import app

pytestmark = pytest.mark.django_db


@app.task(name="tests.ask")
def ask() -> None:
    connection.cursor().execute("SELECT 1")


def test_a_slow_task_and_its_slow_query_are_logged_by_name_and_time(settings, caplog):
    settings.SLOW_SECONDS = 0

    ask.apply()

    told = {record.getMessage(): record for record in caplog.records}
    assert told["slow task"].path == told["slow query"].path == "tests.ask"
    assert told["slow task"].seconds >= 0


def test_a_fast_task_is_not_logged_and_leaves_the_connection_as_it_was(caplog):
    before = list(connection.execute_wrappers)

    ask.apply()

    assert not [record for record in caplog.records if "slow" in record.getMessage()]
    assert connection.execute_wrappers == before
