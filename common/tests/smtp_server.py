"""A scripted SMTP server on 127.0.0.1 that says what a test wants and keeps all it was told.

    with ScriptedServer(offers=("PIPELINING",)) as server:
        server.on("RCPT", "550 5.1.1 no such user")        # the first RCPT; later ones as usual
        server.always("BODY", DROP)                        # after every final dot
        ... connect to server.host, server.port ...
    assert server.messages[0].recipients == ["anna@example.test"]

Events to script: BANNER, EHLO, STARTTLS, AUTH, SECRET (a line after 334), MAIL, RCPT, DATA, BODY
(the final dot or a BDAT chunk), RSET, NOOP, QUIT. An answer is a line (``str``), raw ``bytes``,
``DROP``, ``HANG``, ``Drip``, a list of these in order, or a function from the command to one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

DROP = object()
HANG = object()


@dataclass(frozen=True)
class Drip:
    """``data`` a few bytes at a time, ``forever`` if there is no end to it."""

    data: bytes
    every: float = 0.01
    size: int = 1
    forever: bool = False


Answer = Any  # str | bytes | DROP | HANG | Drip | list | Callable[[str], Answer]


@dataclass
class Message:
    """One message the server took; ``data`` is exactly what came, still dot-stuffed after DATA."""

    mail: str
    rcpts: list[str]
    data: bytes
    command: str

    @property
    def sender(self) -> str:
        return _path(self.mail)

    @property
    def recipients(self) -> list[str]:
        return [_path(rcpt) for rcpt in self.rcpts]

    @property
    def content(self) -> bytes:
        """The message as a mailbox would hold it."""
        if self.command == "BDAT":
            return self.data
        return (b"\r\n" + self.data).replace(b"\r\n..", b"\r\n.")[2:]


@dataclass
class Connection:
    """What one client said; ``received`` is decrypted, ``turns`` counts the server's answers
    that the client had to wait for (pipelined commands share one)."""

    commands: list[str] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    turns: int = 0
    is_encrypted: bool = False
    closed: threading.Event = field(default_factory=threading.Event)


class ScriptedServer:
    """See the module; ``tls`` alone offers STARTTLS, with ``implicit`` it starts at once."""

    def __init__(
        self,
        *,
        offers: Iterable[str] = ("PIPELINING", "8BITMIME"),
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        users: dict[str, str] | None = None,
        auth: str = "PLAIN LOGIN",
        auth_before_tls: bool | None = None,
        auth_after_tls: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.host, self.port = host, port
        self.offers = list(offers)
        self.tls, self.implicit = tls, implicit
        self.users = users
        self.auth = auth
        self.auth_before_tls = tls is None if auth_before_tls is None else auth_before_tls
        self.auth_after_tls = auth_after_tls
        self.connections: list[Connection] = []
        self.messages: list[Message] = []
        self._next: dict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self._data_limit: int | None = None

    def on(self, event: str, *answers: Answer) -> ScriptedServer:
        """Answer the next occurrences of ``event`` with these, one each."""
        self._next[event].extend(answers)
        return self

    def always(self, event: str, answer: Answer) -> ScriptedServer:
        """Answer every occurrence of ``event`` with this."""
        self._always[event] = answer
        return self

    def drop_in_body(self, after: int) -> ScriptedServer:
        """Close the connection after so many bytes of a body."""
        self._data_limit = after
        return self

    @property
    def commands(self) -> list[str]:
        return [command for each in self.connections for command in each.commands]

    @property
    def verbs(self) -> list[str]:
        return [command.split(" ")[0].split(":")[0].upper() for command in self.commands]

    @property
    def received(self) -> bytes:
        return b"".join(bytes(each.received) for each in self.connections)

    def answer_to(self, event: str, command: str, default: Answer) -> Answer:
        answer = self._next[event].popleft() if self._next[event] else None
        if answer is None:
            answer = self._always.get(event, default)
        return answer(command) if callable(answer) else answer

    def __enter__(self) -> ScriptedServer:
        started: threading.Event = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        listener = await asyncio.start_server(
            self._accept,
            self.host,
            self.port,
            ssl=self.tls if self.implicit else None,
            limit=2**26,
        )
        self.port = listener.sockets[0].getsockname()[1]
        started.set()
        await self._stopping.wait()
        listener.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(is_encrypted=self.implicit)
        self.connections.append(connection)
        with contextlib.suppress(_Closed, OSError, asyncio.CancelledError):  # the loop's end
            await _Dialogue(self, connection, reader, writer).run()
        connection.closed.set()
        writer.transport.abort()


class _Closed(Exception):
    """This side is done with the connection."""


class _Dialogue:
    def __init__(
        self,
        server: ScriptedServer,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.server, self.connection = server, connection
        self.reader, self.writer = reader, writer
        self.buffer = bytearray()
        self.out = bytearray()
        self.chunks = b""
        self.reset()

    def reset(self) -> None:
        self.mail = ""
        self.rcpts: list[str] = []
        self.chunks = b""

    async def run(self) -> None:
        await self.say("BANNER", "", "220 mx.example.test ESMTP")
        while True:
            command = (await self.line()).decode("utf-8", "backslashreplace")
            self.connection.commands.append(command)
            verb = command.split(" ")[0].split(":")[0].upper()
            handler: Callable[..., Any] = getattr(self, f"do_{verb.lower()}", self.unknown)
            await handler(command)

    async def unknown(self, command: str) -> None:
        await self.say("UNKNOWN", command, "500 5.5.2 what?")

    async def do_ehlo(self, command: str) -> None:
        server = self.server
        lines = ["mx.example.test", *server.offers]
        encrypted = self.connection.is_encrypted
        if server.tls and not encrypted:
            lines.append("STARTTLS")
        if server.users is not None and (
            server.auth_after_tls if encrypted else server.auth_before_tls
        ):
            lines.append(f"AUTH {server.auth}")
        text = "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}\r\n"
        await self.say("EHLO", command, text.encode())

    async def do_starttls(self, command: str) -> None:
        if await self.say("STARTTLS", command, "220 2.0.0 go ahead"):
            await self.flush()
            assert self.server.tls
            await self.writer.start_tls(self.server.tls)
            self.connection.is_encrypted = True
            self.buffer.clear()
            self.reset()

    async def do_auth(self, command: str) -> None:
        _verb, mechanism, *initial = command.split(" ")
        if mechanism == "PLAIN" and initial:
            said = base64.b64decode(initial[0]).decode().split("\0")[1:]
        else:
            said = [await self.secret("334 VXNlcm5hbWU6"), await self.secret("334 UGFzc3dvcmQ6")]
        right = (self.server.users or {}).get(said[0]) == said[1]
        await self.say("AUTH", command, "235 2.7.0 welcome" if right else "535 5.7.8 wrong")

    async def secret(self, prompt: str) -> str:
        await self.say("SECRET", "", prompt)
        return base64.b64decode(await self.line()).decode()

    async def do_mail(self, command: str) -> None:
        if self.mail:
            await self.say("MAIL", command, "503 5.5.1 nested MAIL command")
        elif await self.say("MAIL", command, "250 2.1.0 ok"):
            self.mail = command

    async def do_rcpt(self, command: str) -> None:
        default = "250 2.1.5 ok" if self.mail else "503 5.5.1 need MAIL"
        if await self.say("RCPT", command, default):
            self.rcpts.append(command)

    async def do_data(self, command: str) -> None:
        default = "354 go ahead" if self.rcpts else "554 5.5.1 no valid recipients"
        if not await self.say("DATA", command, default):
            return
        data = await self.until_dot()
        await self.finish(data, command="DATA", default="250 2.0.0 queued")

    async def do_bdat(self, command: str) -> None:
        _verb, size, *last = command.split(" ")
        self.chunks += await self.exactly(int(size))
        if not self.rcpts:
            await self.say("BODY", command, "503 5.5.1 no valid recipients")
        elif last:
            await self.finish(self.chunks, command="BDAT", default="250 2.0.0 queued")
        else:
            await self.say("CHUNK", command, "250 2.0.0 more")

    async def finish(self, data: bytes, *, command: str, default: str) -> None:
        message = Message(self.mail, list(self.rcpts), data, command)
        self.reset()
        if await self.say("BODY", command, default, taking=message):
            return

    async def do_rset(self, command: str) -> None:
        self.reset()
        await self.say("RSET", command, "250 2.0.0 ok")

    async def do_noop(self, command: str) -> None:
        await self.say("NOOP", command, "250 2.0.0 ok")

    async def do_quit(self, command: str) -> None:
        await self.say("QUIT", command, "221 2.0.0 bye")
        await self.flush()
        raise _Closed

    async def say(
        self, event: str, command: str, default: Answer, taking: Message | None = None
    ) -> bool:
        """Answer, and return whether that was a 2yz or 3yz; such a body is taken."""
        answer = self.server.answer_to(event, command, default)
        parts = answer if isinstance(answer, list) else [answer]
        first = parts[0].encode() if isinstance(parts[0], str) else parts[0]
        positive = isinstance(first, bytes) and first[:1] in b"23"
        if taking and positive:
            self.server.messages.append(taking)
        for part in parts:
            await self.play(part)
        return positive

    async def play(self, part: Answer) -> None:
        if part is DROP:
            await self.flush()
            raise _Closed
        if part is HANG:
            await self.flush()
            await self.hang()
        elif isinstance(part, Drip):
            await self.drip(part)
        else:
            self.out += part if isinstance(part, bytes) else part.encode() + b"\r\n"

    async def hang(self) -> None:
        while await self.reader.read(65536):
            pass
        raise _Closed

    async def drip(self, part: Drip) -> None:
        await self.flush()
        while True:
            for start in range(0, len(part.data), part.size):
                self.writer.write(part.data[start : start + part.size])
                await self.writer.drain()
                await asyncio.sleep(part.every)
            if not part.forever:
                return

    async def line(self) -> bytes:
        while (end := self.buffer.find(b"\r\n")) < 0:
            await self.more()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        return line

    async def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            await self.more()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    async def until_dot(self) -> bytes:
        """RFC 5321's end only; what a laxer server would read is for the test to look at."""
        if not self.buffer.startswith(b".\r\n"):
            while (end := self.buffer.find(b"\r\n.\r\n")) < 0:
                await self.more(in_body=True)
                if self.buffer.startswith(b".\r\n"):
                    break
            else:
                data = bytes(self.buffer[: end + 2])
                del self.buffer[: end + 5]
                return data
        del self.buffer[:3]
        return b""

    async def more(self, *, in_body: bool = False) -> None:
        await self.flush()
        limit = self.server._data_limit
        data = await self.reader.read(limit or 65536 if in_body else 65536)
        if not data:
            raise _Closed
        self.connection.received += data
        self.buffer += data
        if in_body and limit is not None and len(self.buffer) >= limit:
            raise _Closed

    async def flush(self) -> None:
        if self.out:
            self.connection.turns += 1
            self.writer.write(bytes(self.out))
            self.out.clear()
            await self.writer.drain()


def _path(command: str) -> str:
    return command.split("<", 1)[1].rsplit(">", 1)[0]
