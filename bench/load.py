"""A small HTTP load generator: a bounded number of requests over a few kept connections."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True)
class Load:
    """What came back: answers by status, and how long all of it took."""

    statuses: Counter[int]
    seconds: float


def post_request(path: str, body: object, *, key: str, idempotency_key: str = "") -> bytes:
    """Return the bytes of a request."""
    payload = json.dumps(body).encode()
    once = f"Idempotency-Key: {idempotency_key}\r\n" if idempotency_key else ""
    head = (
        f"POST /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n{once}"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def get_request(path: str) -> bytes:
    """Return the bytes of what a recipient's mail program asks."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\n\r\n".encode()


def run(port: int, requests: Sequence[bytes], *, connections: int) -> Load:
    """Send all requests over so many connections and read every answer."""
    shares = [requests[share::connections] for share in range(connections)]
    began = time.monotonic()
    with ThreadPoolExecutor(connections) as pool:
        statuses = sum(pool.map(partial(_send_all, port), shares), Counter())
    return Load(statuses, time.monotonic() - began)


def one(port: int, request: bytes) -> tuple[dict, float]:
    """Return the answer's JSON, and when it was there."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        status, body = _answer(connection.makefile("rb"))
        at = time.monotonic()
    if status != 202:
        raise RuntimeError(f"answered {status}: {body[:500]!r}")
    return json.loads(body), at


def _send_all(port: int, requests: Sequence[bytes]) -> Counter[int]:
    statuses: Counter[int] = Counter()
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as answers:
        for request in requests:
            connection.sendall(request)
            statuses[_answer(answers)[0]] += 1
    return statuses


def _answer(answers) -> tuple[int, bytes]:
    """Read one answer; ours always say their length."""
    status = int(answers.readline().split()[1])
    length = 0
    while (line := answers.readline().strip()) != b"":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status, answers.read(length)
