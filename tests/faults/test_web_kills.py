"""P1: a 202 means durable, whatever becomes of the process that said it."""

from __future__ import annotations

import http.client
import json
import random
import time

import pytest

from common.tests.smtp_server import ScriptedServer
from tests.faults.form import size
from tests.faults.tally import Tally, request_of, settled_rows, statuses
from tests.servers.waiting import answers, until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(900)]


def begun(runtime, account: str, number: int) -> http.client.HTTPConnection:
    """A request to send that is on its way; nothing of its answer is read."""
    installation = runtime.installation
    connection = http.client.HTTPConnection("127.0.0.1", installation.port, timeout=30)
    headers = {
        "X-API-Key": installation.session.headers["X-API-Key"],
        "Content-Type": "application/json",
        "Idempotency-Key": f"{account} {number}",
    }
    body = json.dumps(request_of(account, number))
    connection.request("POST", "/api/v1/emails/send", body, headers)
    return connection


def read_status(connection: http.client.HTTPConnection) -> int:
    """Read the status line and not a byte more."""
    line = b""
    while not line.endswith(b"\r\n"):
        line += connection.sock.recv(1)
    return int(line.split()[1])


@pytest.mark.parametrize("runtime", ["embedded", "production"], indirect=True)
def test_a_killed_web_server_keeps_what_it_accepted_and_a_retry_makes_no_second_message(
    runtime, count
):
    kills, installation = size(6, long=50), runtime.installation
    replayed = {}
    with ScriptedServer() as server:
        with installation.web():
            account = runtime.account(port=server.port)
        for number in range(kills):
            with installation.web() as web:
                connection = begun(runtime, account, number)
                if is_awaited(number):
                    assert read_status(connection) == 202
                else:
                    time.sleep(random.uniform(0, 0.05))  # before, in or after its transaction
                web.kill()
                connection.close()
            until(lambda: not answers(installation.port), timeout=20, what="nobody at its port")
        with installation.web(), installation.worker():
            for number in range(kills):
                headers = {"Idempotency-Key": f"{account} {number}"}
                body = request_of(account, number)
                answer = installation.call("POST", "/emails/send", body, headers=headers)
                assert answer.status_code == 202
                replayed[answer.json()["tracking_id"]] = "Idempotent-Replayed" in answer.headers
            rows = settled_rows(installation, account, replayed)
        tally = Tally(frozenset(replayed), [message.data for message in server.messages])

    count("P1", "kill -9 of the web server, right after the status line or before", kills, tally)
    tally.assert_nothing_lost_or_invented()
    assert (len(replayed), tally.extra) == (kills, 0)
    assert statuses(rows) == {"sent": kills}
    assert all(found for number, found in enumerate(replayed.values()) if is_awaited(number))


def is_awaited(number: int) -> bool:
    """Whether the client reads this request's status line before the kill."""
    return number % 2 == 0
