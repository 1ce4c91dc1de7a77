"""Waiting for something outside the test to become true."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
PATIENCE = 3
"""How many times slower than the machines whose seconds tests name another one may be."""


def until(condition: Callable[[], T], *, timeout: float, what: str) -> T:
    """Return the first true value of ``condition``; an AssertionError names ``what`` never came.

    ``timeout`` is in seconds of a machine that is not busy.
    """
    deadline = time.monotonic() + timeout * PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout * PATIENCE:g} s")
        time.sleep(0.02)
    return found


def answers(port: int) -> bool:
    """Return whether something on loopback accepts connections at ``port``."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Return ``count`` loopback ports that nobody listens on.

    Taken from below the kernel's ephemeral range, so that no outgoing connection of another
    process can take one before the server binds it.
    """
    return [_free(port) for port in random.sample(range(20_000, 32_000), count)]


def _free(port: int) -> int:
    while True:
        try:
            socket.create_server((LOOPBACK, port)).close()
        except OSError:
            port = random.randrange(20_000, 32_000)
        else:
            return port
