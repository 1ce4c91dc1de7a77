"""A server that is missing is named; where servers are required it is a failure."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from tests.servers import databases
from tests.servers.waiting import free_ports


@pytest.fixture
def chatter():
    """A server that says the given bytes to whoever connects, once."""
    listeners = []

    def start(greeting: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)
                connection.recv(64)

        Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.close()


def test_nobody_at_the_port_is_no_database():
    [port] = free_ports(1)

    assert not databases.mariadb_answers(port)
    assert not databases.redis_answers(port)


def test_another_server_at_the_port_is_not_taken_for_a_database(chatter):
    assert not databases.mariadb_answers(chatter(b"220 mx.example ESMTP\r\n"))
    assert not databases.redis_answers(chatter(b"220 mx.example ESMTP\r\n"))


def test_a_database_is_known_by_its_greeting(chatter):
    assert databases.mariadb_answers(chatter(b"\x5c\x00\x00\x00\x0a5.5.5-10.11.19-MariaDB\x00"))
    assert databases.redis_answers(chatter(b"+PONG\r\n"))


def test_a_missing_server_skips_the_test_and_says_which(monkeypatch):
    monkeypatch.delenv("SENDCRAFT_REQUIRE_SERVERS", raising=False)
    monkeypatch.setattr(databases, "MARIADB_PORT", free_ports(1)[0])

    with pytest.raises(pytest.skip.Exception, match=r"MariaDB does not answer on 127\.0\.0\.1:"):
        databases.require_mariadb()


def test_a_missing_server_fails_the_test_where_servers_are_required(monkeypatch):
    monkeypatch.setenv("SENDCRAFT_REQUIRE_SERVERS", "1")
    monkeypatch.setattr(databases, "REDIS_PORT", free_ports(1)[0])

    with pytest.raises(pytest.fail.Exception, match=r"Redis does not answer on 127\.0\.0\.1:"):
        databases.require_redis()
