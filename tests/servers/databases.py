"""Which of the servers that the tests do not start themselves are there."""

from __future__ import annotations

import os
import socket

import pytest

from .waiting import LOOPBACK

MARIADB_PORT = 3306
REDIS_PORT = 6379
REDIS = f"redis://{LOOPBACK}:{REDIS_PORT}/"


def skip_or_fail(reason: str) -> None:
    """Skip the running test for ``reason``; where servers are required (CI), fail it."""
    if os.environ.get("SENDCRAFT_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{reason} (SENDCRAFT_REQUIRE_SERVERS=1)", pytrace=False)
    pytest.skip(reason)


def require_mariadb() -> None:
    """Skip or fail the running test unless MariaDB or MySQL greets on its usual port."""
    if not mariadb_answers(MARIADB_PORT):
        skip_or_fail(f"MariaDB does not answer on {LOOPBACK}:{MARIADB_PORT}")


def require_redis() -> None:
    """Skip or fail the running test unless Redis answers on its usual port."""
    if not redis_answers(REDIS_PORT):
        skip_or_fail(f"Redis does not answer on {LOOPBACK}:{REDIS_PORT}")


def mariadb_answers(port: int) -> bool:
    """Return whether a MySQL server greets: its first packet is number 0, protocol 10."""
    greeting = _first_bytes(port, send=b"")
    return greeting[3:5] == b"\x00\x0a"


def redis_answers(port: int) -> bool:
    """Return whether a Redis server answers PING, be it that it wants a password first."""
    return _first_bytes(port, send=b"PING\r\n").startswith((b"+PONG", b"-NOAUTH"))


def _first_bytes(port: int, *, send: bytes) -> bytes:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            connection.sendall(send)
            return connection.recv(64)
    except OSError:
        return b""
