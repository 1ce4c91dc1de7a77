"""A floor: bare sockets; the next envelope goes out together with a message's last byte."""

from __future__ import annotations

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial

from bench.measure import in_processes
from bench.order import recipient, rendered

Mail = tuple[bytes, bytes]


def envelope(number: int) -> bytes:
    to = recipient(number)
    return f"MAIL FROM:<shop@bench.test>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()


def transmit(port: int, mails: list[Mail]) -> None:
    """Send all over one connection, one round trip each."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = connection.makefile("rb")
        read(replies, 1)
        connection.sendall(b"EHLO bench\r\n" + mails[0][0])
        read(replies, 4)
        following = [each[0] for each in mails[1:]] + [b"QUIT\r\n"]
        for (_, body), after in zip(mails, following, strict=True):
            connection.sendall(body + after)
            read(replies, 2 if after == b"QUIT\r\n" else 4)


def read(replies, count: int) -> None:
    """Read so many replies; all must be positive."""
    while count:
        line = replies.readline()
        if line[:1] not in (b"2", b"3"):
            raise SystemExit(f"the receiver said {line!r}")
        count -= line[3:4] != b"-"


def main(port: int, count: int, connections: int) -> None:
    mails = [(envelope(number), rendered(number) + b"\r\n.\r\n") for number in range(count)]
    shares = [mails[share::connections] for share in range(connections)]

    def send(_: int) -> None:
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(partial(transmit, port), shares))

    print(json.dumps(asdict(in_processes(send, count=1))))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
