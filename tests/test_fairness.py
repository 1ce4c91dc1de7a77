"""Who waits for whom: workers with more slow accounts than processes, and one urgent message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from common.tests.smtp_server import HANG, Drip, ScriptedServer
from tests.installation import Installation, production_like
from tests.servers.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

PROCESSES = 2  # of the worker that takes bulk mail
ACCOUNTS = 4  # slow ones, of each priority
EACH = 500


@pytest.fixture
def embedded(tmp_path):
    return Installation(tmp_path)


@pytest.fixture
def production(tmp_path):
    with production_like(tmp_path) as env:
        yield Installation(tmp_path, env=env)


@pytest.fixture(
    params=["embedded", pytest.param("production", marks=pytest.mark.servers)],
)
def installation(request) -> Installation:
    made = request.getfixturevalue(request.param)
    made.set_up()
    return made


@contextmanager
def both_workers(installation: Installation) -> Iterator[None]:
    """As ``make run`` starts them; killed at the end, so that nothing waits for hanging servers."""
    with installation.worker() as worker, installation.urgent_worker() as urgent:
        yield
        worker.kill()
        urgent.kill()


def queue_bulk(installation: Installation, sender: str, *, priority: str, count: int) -> None:
    recipients = [f"r{number}@example.com" for number in range(count)]
    body = {"template_id": "news", "from_account": sender, "recipient_list": recipients}
    answer = installation.made("/emails/send-bulk", body | {"priority": priority}, status=202)
    assert answer["accepted"] == count


def send(installation: Installation, sender: str, to: str, *, priority: str) -> None:
    text = {"subject": "Your new password", "text": "Here it is."}
    body = {"from_account": sender, "to_address": to, "priority": priority} | text
    installation.made("/emails/send", body, status=202)


def add_template(installation: Installation) -> None:
    content = {"subject": "News", "html_content": "<p>News</p>", "text_content": "News"}
    installation.made("/templates", {"slug": "news", "name": "News"} | content)


def recipients(server: ScriptedServer) -> list[str]:
    return [to for message in server.messages for to in message.recipients]


def test_another_tenants_mail_passes_thousands_on_more_slow_accounts_than_processes(installation):
    held = []

    def take_no_more(command: str) -> object:
        held.append(command)
        return HANG

    def add_slow_accounts(priority: str) -> None:
        for number in range(ACCOUNTS):
            sender = f"{priority}{number}@shop.test"
            installation.account(sender, port=slow.port, max_connections=1)
            queue_bulk(installation, sender, priority=priority, count=EACH)

    with ScriptedServer() as slow, ScriptedServer() as quick, installation.web():
        slow.always("BODY", take_no_more)
        add_template(installation)
        with both_workers(installation):
            add_slow_accounts("low")
            until(lambda: len(held) == PROCESSES, timeout=60, what="all processes held")
            add_slow_accounts("normal")
            until(lambda: len(held) == PROCESSES + ACCOUNTS, timeout=60, what="threads held")

            installation.session.headers["X-API-Key"] = installation.new_tenant("other")
            installation.account("help@other.test", port=quick.port)
            send(installation, "help@other.test", "ana@example.com", priority="high")
            until(lambda: "ana@example.com" in recipients(quick), timeout=60, what="high mail")
            send(installation, "help@other.test", "bob@example.com", priority="normal")
            until(lambda: "bob@example.com" in recipients(quick), timeout=60, what="normal mail")
            assert len(held) == PROCESSES + ACCOUNTS  # each is still at its first message


def test_an_urgent_message_overtakes_the_bulk_of_its_own_account(installation):
    with ScriptedServer() as server, installation.web():
        server.always("BODY", [b"250 ", Drip(b"2.0.0 queued\r\n", every=0.005)])
        add_template(installation)
        installation.account("shop@shop.test", port=server.port, max_connections=1)
        queue_bulk(installation, "shop@shop.test", priority="low", count=EACH)

        with both_workers(installation):
            until(lambda: len(server.messages) >= 5, timeout=60, what="the first of the bulk")
            send(installation, "shop@shop.test", "ana@example.com", priority="high")
            until(lambda: "ana@example.com" in recipients(server), timeout=60, what="high mail")
            assert len(server.messages) < EACH / 2
