"""A worker that is killed in the middle of 300 messages: nothing is lost, next to nothing twice."""

from __future__ import annotations

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.tests.smtp_server import HANG, Drip, ScriptedServer
from tests.installation import Installation, mariadb_database, production_like
from tests.servers.processes import RunningProcess
from tests.servers.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

MESSAGES = 300
CONNECTIONS = 2
MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)\r$", re.MULTILINE)
DATE = re.compile(rb"^Date: (.+)\r$", re.MULTILINE)


@pytest.fixture
def embedded(tmp_path):
    return Installation(tmp_path)


@pytest.fixture
def production(tmp_path, mariadb, redis_server):
    with mariadb_database() as url:
        yield Installation(tmp_path, env=production_like(url))


@pytest.fixture(
    params=["embedded", pytest.param("production", marks=pytest.mark.servers)],
)
def installation(request) -> Installation:
    made = request.getfixturevalue(request.param)
    made.set_up()
    return made


def accepted(installation: Installation, count: int) -> set[str]:
    """Message-IDs of so many messages that were answered with 202."""
    requests = [
        {
            "from_account": "shop@shop.test",
            "to_address": f"r{number}@example.com",
            "subject": f"Order {number}",
            "text": "Thank you.",
        }
        for number in range(count)
    ]
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda each: installation.made("/emails/send", each, status=202), requests)
        return {f"<{answer['tracking_id']}@shop.test>" for answer in made}


def message_ids(server: ScriptedServer) -> Counter[str]:
    return Counter(MESSAGE_ID.search(each.data)[1].decode() for each in server.messages)


def count_sent(installation: Installation) -> int:
    count, page = 0, f"{installation.url}/api/v1/logs?status=sent&page_size=200"
    while page:
        answer = installation.session.get(page, timeout=30).json()
        count, page = count + len(answer["results"]), answer["next"]
    return count


def wait_until_sent(count: int, *, installation: Installation, worker: RunningProcess) -> None:
    worker.wait_until(lambda _: count_sent(installation) == count, timeout=60)


def test_a_killed_worker_loses_nothing_and_repeats_no_more_than_was_on_the_wire(installation):
    with ScriptedServer() as server, installation.web():
        installation.account("shop@shop.test", port=server.port, max_connections=CONNECTIONS)
        with installation.worker() as worker:
            ids = accepted(installation, MESSAGES)
            until(lambda: len(server.messages) >= 100, timeout=60, what="100 messages")
            worker.kill()
            assert len(server.messages) < MESSAGES
        with installation.worker() as worker:
            wait_until_sent(MESSAGES, installation=installation, worker=worker)
        received = message_ids(server)

    assert set(received) == ids
    assert received.total() - MESSAGES <= CONNECTIONS


def test_a_kill_before_the_answer_repeats_the_same_message_once(installation):
    taken = threading.Event()

    def take_and_hang(command: str) -> object:
        taken.set()
        return [b"", HANG]  # taken, and no word about it

    with ScriptedServer() as server, installation.web():
        server.on("BODY", take_and_hang)
        installation.account("shop@shop.test", port=server.port)
        with installation.worker() as worker:
            ids = accepted(installation, 1)
            assert taken.wait(30)
            worker.kill()
        with installation.worker() as worker:
            wait_until_sent(1, installation=installation, worker=worker)
        received = server.messages

    assert message_ids(server) == dict.fromkeys(ids, 2)
    assert len({DATE.search(each.data)[1] for each in received}) == 1


def test_a_worker_that_is_asked_to_stop_repeats_nothing(installation):
    with ScriptedServer() as server, installation.web():
        server.always("BODY", [b"250 ", Drip(b"2.0.0 queued\r\n", every=0.02)])
        installation.account("shop@shop.test", port=server.port)
        with installation.worker() as worker:
            ids = accepted(installation, 40)
            until(lambda: len(server.messages) >= 5, timeout=60, what="5 messages")
            worker.stop(timeout=30)
            assert len(server.messages) < 40
        with installation.worker() as worker:
            wait_until_sent(40, installation=installation, worker=worker)
        received = message_ids(server)

    assert received == dict.fromkeys(ids, 1)
