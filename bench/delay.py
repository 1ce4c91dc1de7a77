"""A TCP proxy that stands for distance: what passes arrives half a round trip later."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.processes import running
from tests.servers.waiting import answers, free_ports

MOST_WAITING = 4_000_000


@contextmanager
def far_away(port: int, *, round_trip: float) -> Iterator[int]:
    """Yield a port behind which ``port`` answers, ``round_trip`` seconds away."""
    near = free_ports(1)[0]
    command = [sys.executable, "-m", "bench.delay", str(near), str(port), str(round_trip)]
    with running(command, ready=lambda _: answers(near)):
        yield near


class Side(asyncio.Protocol):
    """One side of a connection; passes on to ``other`` what it gets, late and in order."""

    def __init__(self, *, delay: float) -> None:
        self.delay = delay
        self.other: Side | None = None
        self.transport: asyncio.Transport | None = None
        self._waiting: deque[bytes] = deque()
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._later(data)
        self._size += len(data)
        if self._size > MOST_WAITING and self.transport:
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._later(b"")

    def _later(self, data: bytes) -> None:
        """Timers that are due at once fire in any order, so each takes what is next in line."""
        self._waiting.append(data)
        asyncio.get_running_loop().call_later(self.delay, self._pass_on)

    def _pass_on(self) -> None:
        data = self._waiting.popleft()
        self._size -= len(data)
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading()
        if self.other is None or self.other.transport is None:
            return
        if data:
            self.other.transport.write(data)
        else:
            self.other.transport.close()


class Near(Side):
    """The side that is connected to; opens the other one."""

    def __init__(self, port: int, *, delay: float) -> None:
        super().__init__(delay=delay)
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport
        self.transport.pause_reading()
        self._task = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        far = Side(delay=self.delay)
        far.other = self
        await asyncio.get_running_loop().create_connection(lambda: far, "127.0.0.1", self._port)
        self.other = far
        assert self.transport
        self.transport.resume_reading()


async def serve(near: int, *, port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Near(port, delay=delay), "127.0.0.1", near)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), port=int(sys.argv[2]), delay=float(sys.argv[3]) / 2))
