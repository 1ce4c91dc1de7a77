"""A worker that keeps a connection, and what becomes of it when the worker is stopped."""

from __future__ import annotations

import pytest

from common.tests.smtp_server import ScriptedServer
from tests.installation import Installation
from tests.servers.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(120)]


def test_a_stopped_worker_says_goodbye_on_the_connections_that_it_kept(tmp_path):
    installation = Installation(tmp_path)
    installation.set_up()
    message = {
        "from_account": "shop@shop.test",
        "to_address": "ana@example.com",
        "subject": "Order",
        "text": "Thank you.",
    }
    with ScriptedServer() as server, installation.web():
        installation.account("shop@shop.test", port=server.port)
        with installation.worker() as worker:
            installation.made("/emails/send", message, status=202)
            until(lambda: server.messages, timeout=60, what="the message")
            kept = next(each for each in server.connections if "DATA" in each.commands)
            assert not kept.closed.wait(2)

            worker.stop(timeout=30)

            assert kept.closed.wait(5)
            assert kept.commands[-1] == "QUIT"
