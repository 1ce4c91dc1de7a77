"""Bytes to and from one server: lines with a limit, back pressure, and the change to TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl

from common.smtp.errors import Disconnected, Nonsense, SpokeInClear, TimedOut

MAX_LINE = 4096
MAX_BUFFER = 65536


class Wire(asyncio.Protocol):
    """An asyncio protocol of our own, because only it sees all bytes that came before TLS.

    A StreamReader keeps what an attacker injects behind the answer to STARTTLS and gives it
    out later as if it had come encrypted. Used by one task at a time; limits are in the loop's
    time. One timer watches over all waits: setting one up for each costs more than reading a reply.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ended = False
        self._is_writable = True
        self._waiter: asyncio.Future[None] | None = None
        self._limit = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def over(cls, connection: socket.socket) -> Wire:
        """Return a wire over a connected socket, which it then owns."""
        loop = asyncio.get_running_loop()
        try:
            # Else a command that follows a body waits for its acknowledgement, 40 ms or more;
            # asyncio sees to that only where a socket was made with its protocol's number.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _transport, wire = await loop.create_connection(cls, sock=connection)
        except BaseException:
            connection.close()
            raise
        return wire

    @property
    def is_idle(self) -> bool:
        """Whether the connection stands and all that came has been read."""
        return not self._ended and not self._buffer

    @property
    def has_unread(self) -> bool:
        return bool(self._buffer)

    async def line(self, *, limit: float) -> bytes:
        """Return the next line without its end.

        Raises:
            Nonsense: the line is longer than any server needs.
            Disconnected: the connection ended before the line did.
            TimedOut: it did not come in time.
        """
        while (end := self._buffer.find(b"\n", 0, MAX_LINE)) < 0:
            if len(self._buffer) >= MAX_LINE:
                raise Nonsense
            if self._ended:
                raise Disconnected
            await self._wait(limit)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._resume_reading()
        return line.removesuffix(b"\r")

    def write(self, data: bytes) -> None:
        """Send ``data`` as soon as the connection takes it; a dead one is noticed when reading."""
        if self._transport is not None and not self._ended:
            self._transport.write(data)

    async def drain(self, *, limit: float) -> None:
        """Wait until most of what was written has gone, or can't any more.

        Raises:
            TimedOut: the server did not take it in time.
        """
        while not self._is_writable and not self._ended:
            await self._wait(limit)

    async def start_tls(self, context: ssl.SSLContext, *, host: str) -> str:
        """Encrypt from here on and return the protocol's version.

        Raises:
            SpokeInClear: something came that would be taken for encrypted.
            Disconnected: the connection ended.
            ssl.SSLError: the handshake or the certificate failed.
        """
        if self._buffer:
            raise SpokeInClear
        if self._transport is None or self._ended:
            raise Disconnected
        self._transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_hostname=host.rstrip(".")
        )
        if self._transport is None:
            raise Disconnected
        version: str = self._transport.get_extra_info("ssl_object").version()
        return version

    def abort(self) -> None:
        """Drop the connection without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 what create_connection gives
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_BUFFER and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        self._is_writable = False

    def resume_writing(self) -> None:
        self._is_writable = True
        self._wake()

    def _end(self) -> None:
        self._ended = True
        self._wake()

    async def _wait(self, limit: float) -> None:
        """Return when anything has changed."""
        loop = asyncio.get_running_loop()
        if loop.time() >= limit:
            raise TimedOut
        self._waiter, self._limit = loop.create_future(), limit
        if self._timer is None or limit < self._timer.when():
            self._set_timer(limit)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._look_at_clock)

    def _look_at_clock(self) -> None:
        """End a wait that is over; a timer set for an earlier wait may come too soon for it."""
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if asyncio.get_running_loop().time() < self._limit:
            self._set_timer(self._limit)
        else:
            self._waiter.set_exception(TimedOut())

    def _resume_reading(self) -> None:
        if self._transport is not None and not self._ended:
            self._transport.resume_reading()
