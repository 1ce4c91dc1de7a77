"""Receivers that take all mail: Postfix's smtp-sink, or a slower one of ours that notes times."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.servers.processes import running
from tests.servers.waiting import answers, free_ports

PLACES = ":/usr/sbin:/usr/lib/postfix/sbin:/usr/libexec/postfix:/usr/lib/postfix"
RECIPIENT = re.compile(rb"^X-Rcpt-Args: <([^>]*)>", re.MULTILINE)


class Sink(Protocol):
    """A receiver with its own account of what came."""

    port: int

    def count(self) -> int:
        """Return how many messages it has taken."""

    def recipients(self) -> Counter[str]:
        """Return how many messages each recipient got."""


def postfix_program() -> str | None:
    return shutil.which("smtp-sink", path=os.environ["PATH"] + PLACES)


@contextmanager
def receiver() -> Iterator[Sink]:
    """The fastest receiver that this machine has."""
    with postfix_sink() if postfix_program() else own_sink() as sink:
        yield sink


class PostfixSink:
    def __init__(self, folder: Path, *, port: int) -> None:
        self.port, self.counter, self.dump = port, folder / "count", folder / "mail"

    def count(self) -> int:
        """Its running counter is a line that is written over and over."""
        with self.counter.open("rb") as file:
            file.seek(max(0, self.counter.stat().st_size - 200))
            counts = re.findall(rb"mesg=(\d+)\r", file.read())
        return int(counts[-1]) if counts else 0

    def recipients(self) -> Counter[str]:
        if not self.dump.exists():
            return Counter()
        with self.dump.open("rb") as file:
            return Counter(m[1].decode() for line in file if (m := RECIPIENT.match(line)))


@contextmanager
def postfix_sink() -> Iterator[PostfixSink]:
    with tempfile.TemporaryDirectory(prefix="bench-sink-") as name:
        folder = Path(name)
        folder.chmod(0o777)  # it gives up its rights before it writes
        sink = PostfixSink(folder, port=free_ports(1)[0])
        user = ["-u", "nobody"] if getpass.getuser() == "root" else []
        options = [*user, "-c", "-m", "200", "-D", str(sink.dump), f"127.0.0.1:{sink.port}", "200"]
        line = shlex.join([postfix_program() or "", *options])
        command = ["sh", "-c", f"exec {line} >{shlex.quote(str(sink.counter))}"]
        with running(command, ready=lambda _: answers(sink.port)):
            yield sink


class OwnSink:
    """Counts by the lines of its record: the monotonic time of its 250 and the recipient."""

    def __init__(self, record: Path, *, port: int) -> None:
        self.port, self.record = port, record

    def arrivals(self) -> list[tuple[float, str]]:
        lines = self.record.read_text().splitlines()
        return [(float(at), recipient) for at, recipient in map(str.split, lines)]

    def count(self) -> int:
        return len(self.arrivals())

    def recipients(self) -> Counter[str]:
        return Counter(recipient for _, recipient in self.arrivals())


@contextmanager
def own_sink() -> Iterator[OwnSink]:
    with tempfile.TemporaryDirectory(prefix="bench-sink-") as name:
        sink = OwnSink(Path(name, "record"), port=free_ports(1)[0])
        sink.record.touch()
        command = [sys.executable, "-m", "bench.sink", str(sink.port), str(sink.record)]
        with running(command, ready=lambda _: answers(sink.port)):
            yield sink


class Receiving(asyncio.Protocol):
    """One SMTP session that says yes to everything."""

    def __init__(self, record: int) -> None:
        self._record = record
        self._buffer = bytearray()
        self._recipient = ""
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 bench\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take_body() if self._in_data else self._take_command():
            pass

    def _take_body(self) -> bool:
        if (end := self._buffer.find(b"\r\n.\r\n")) < 0:
            return False
        del self._buffer[: end + 5]
        self._in_data = False
        self._transport.write(b"250 2.0.0 taken\r\n")
        os.write(self._record, f"{time.monotonic()} {self._recipient}\n".encode())
        return True

    def _take_command(self) -> bool:
        if (end := self._buffer.find(b"\r\n")) < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._transport.write(self._answer(line))
        return True

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-bench\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if verb == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        if verb == b"RCPT":
            self._recipient = line[line.index(b"<") + 1 : line.index(b">")].decode()
        if verb == b"QUIT":
            asyncio.get_running_loop().call_soon(self._transport.close)
            return b"221 bye\r\n"
        return b"250 2.0.0 ok\r\n"


async def serve(port: int, *, record: str) -> None:
    file = os.open(record, os.O_WRONLY | os.O_APPEND)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiving(file), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), record=sys.argv[2]))
