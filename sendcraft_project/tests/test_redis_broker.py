"""What a worker does late, over a connection to Redis that is closed."""

from __future__ import annotations

import pytest
from kombu import Connection

from sendcraft_project import celery  # noqa: F401  chooses the transport

pytestmark = pytest.mark.servers


@pytest.fixture
def connection(redis_server):
    with Connection(f"{redis_server}14") as made:
        yield made


def test_what_comes_too_late_fails_as_anything_over_a_lost_connection(connection):
    queue = connection.SimpleQueue("late")
    queue.put("ring")
    message = queue.get(timeout=5)

    connection.transport.client = None  # as Celery leaves it

    with pytest.raises(connection.connection_errors):
        message.channel.close()  # gives back what was not acknowledged
    with pytest.raises(connection.connection_errors):
        message.ack()
