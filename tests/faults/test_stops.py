"""P18: a stop is graceful: what is in hand is finished, the rest given back."""

from __future__ import annotations

import threading
import time

import pytest
import requests

from common.tests.smtp_server import Drip, ScriptedServer
from tests.faults.form import size
from tests.faults.tally import Tally, accept, request_of, settled_rows, statuses
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(600)]
SLOW = [b"250 ", Drip(b"2.0.0 queued\r\n", every=0.01)]


@pytest.mark.parametrize("runtime", ["embedded", "production"], indirect=True)
def test_a_worker_that_is_asked_to_stop_repeats_nothing(runtime, count):
    stops, installation = size(2, long=10), runtime.installation
    messages, exits = 20 * (stops + 1), []
    with ScriptedServer() as server, installation.web():
        server.always("BODY", SLOW)
        account = runtime.account(port=server.port, max_connections=2)
        accepted = accept(installation, account, messages)
        for _ in range(stops):
            enough = len(server.messages) + 5
            with installation.worker() as worker:
                until(
                    lambda least=enough: len(server.messages) >= least, timeout=60, what="5 mails"
                )
                exits.append(worker.stop(timeout=30))
        assert len(server.messages) < messages
        held = runtime.execute("SELECT count(*) FROM logs_emaillog WHERE status = 'sending'")
        with installation.worker():
            rows = settled_rows(installation, account, accepted)
        tally = Tally(accepted, [message.data for message in server.messages])

    count("P18", "SIGTERM to the worker", stops, tally)
    tally.assert_nothing_lost_or_invented()
    assert exits == [0] * stops
    assert held == [(0,)]
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 0


@pytest.mark.parametrize("runtime", ["embedded", "production"], indirect=True)
def test_a_web_server_that_is_asked_to_stop_answers_what_it_has_begun(runtime, count):
    stops, installation = size(2, long=10), runtime.installation
    with ScriptedServer() as server:
        with installation.web():
            account = runtime.account(port=server.port)
        client = Client(runtime.installation, account)
        with client:
            for _ in range(stops):
                with installation.web() as web:
                    enough = len(client.accepted) + 5
                    until(
                        lambda least=enough: len(client.accepted) >= least,
                        timeout=60,
                        what="5 answers",
                    )
                    assert web.stop(timeout=30) == 0
        with installation.web(), installation.worker():
            rows = settled_rows(installation, account, client.accepted)
        tally = Tally(frozenset(client.accepted), [message.data for message in server.messages])

    count("P18", "SIGTERM to the web server", stops, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": len(client.accepted)}
    assert tally.extra == 0


class Client:
    """Sends one message after the other until the block ends; ``accepted`` were answered.

    A request that was cut off is repeated under its key.
    """

    def __init__(self, installation, account: str) -> None:
        self.accepted: list[str] = []
        self._installation, self._account = installation, account
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc_info: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        url = f"{self._installation.url}/api/v1/emails/send"
        key = self._installation.session.headers["X-API-Key"]
        while not self._is_over.is_set():
            headers = {"X-API-Key": key, "Idempotency-Key": f"{self._account} {number}"}
            body = request_of(self._account, number)
            try:
                answer = requests.post(url, json=body, headers=headers, timeout=30)
            except requests.ConnectionError:  # not begun, or not listening
                time.sleep(0.05)
                continue
            if answer.status_code == 202:
                self.accepted.append(answer.json()["tracking_id"])
                number += 1
