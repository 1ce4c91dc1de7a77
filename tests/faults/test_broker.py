"""P5: a lost Redis costs time and nothing else."""

from __future__ import annotations

import subprocess

import pytest
import requests

from common.tests.smtp_server import ScriptedServer
from tests.faults.form import size
from tests.faults.tally import Tally, accept, settled_rows, statuses
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def redis_afterwards(production):
    yield
    if not production.redis.process.is_running():
        production.redis.start()


def test_a_broker_that_was_killed_with_mail_queued_and_comes_back_empty_loses_none(
    production, count
):
    queued, installation = size(100, long=1000), production.installation
    with ScriptedServer() as server, installation.web():
        account = production.account(port=server.port)
        before = accept(installation, account, queued)
        production.redis.kill()
        meanwhile = accept(installation, account, 10)
        ready = requests.get(f"{installation.url}/readyz", timeout=30)
        health = requests.get(f"{installation.url}/api/v1/health", timeout=30)
        production.redis.start()
        with installation.worker():
            rows = settled_rows(installation, account, before | meanwhile)
        tally = Tally(before | meanwhile, [message.data for message in server.messages])

    count("P5", "kill -9 of Redis with mail queued, then an empty one", 1, tally)
    tally.assert_nothing_lost_or_invented()
    assert (ready.status_code, health.status_code) == (200, 503)
    assert health.json()["checks"] == {
        "database": "ok",
        "broker": "unavailable",
        "cache": "unavailable",
    }
    assert statuses(rows) == {"sent": queued + 10}
    assert tally.extra == 0


def test_a_broker_that_is_emptied_and_killed_under_running_workers_loses_none_and_ends_none(
    production, count
):
    messages, installation = size(200, long=1000), production.installation
    with ScriptedServer() as server, installation.web():
        account = production.account(port=server.port, max_connections=1, limit_per_second=100)
        accepted = accept(installation, account, messages)
        with installation.worker() as worker, installation.urgent_worker() as urgent:
            until(lambda: server.messages, timeout=60, what="the first mail")
            flush(production)
            until(lambda: len(server.messages) > messages // 4, timeout=60, what="a quarter")
            production.redis.kill()
            more = accept(installation, account, 10)
            production.redis.start()
            rows = settled_rows(installation, account, accepted | more)
            assert worker.is_running()
            assert urgent.is_running()
        tally = Tally(accepted | more, [message.data for message in server.messages])

    count("P5", "FLUSHALL, then kill -9 of Redis, under running workers", 2, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages + 10}
    assert tally.extra == 0


def flush(production) -> None:
    command = ["redis-cli", "-p", str(production.redis.port), "FLUSHALL"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"OK\n"
