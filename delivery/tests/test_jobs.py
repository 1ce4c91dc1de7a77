"""From a due row to the server's 250."""

from __future__ import annotations

import pytest

from common.tests.smtp_server import ScriptedServer
from delivery.tests.sending import ANA, account_at, drained, queue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


def test_a_queued_message_reaches_the_server_and_is_sent(tenant, server):
    email = queue(account_at(server, tenant=tenant), subject="Order A-1", html="<p>Olá</p>")

    drained(email)

    (message,) = server.messages
    assert (message.sender, message.recipients) == ("shop@shop.test", [ANA])
    assert b"Subject: Order A-1" in message.content
    assert (email.status, email.smtp_response) == ("sent", "250 2.0.0 queued")
    assert [event.type for event in email.events.order_by("pk")] == ["sending", "sent"]
