"""Commands and replies over one wire: in time, noted in the transcript, without the secrets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from common.smtp.errors import Nonsense, ServiceClosing, TimedOut, WireError
from common.smtp.reply import Reply, parse_line
from common.smtp.transcript import Transcript
from common.smtp.wire import Wire

MAX_REPLY_LINES = 100
MIN_SECRET = 4


class Dialogue:
    """One conversation with a server; every wait ends at its own limit or the deadline.

    What is said and heard is noted in ``transcript``, which may be replaced at any time.
    """

    def __init__(self, wire: Wire, *, patience: float) -> None:
        self.transcript = Transcript()
        self._wire = wire
        self._secrets: tuple[str, ...] = ()
        self._patience = patience
        self._deadline = 0.0
        self._is_open = True

    @property
    def is_open(self) -> bool:
        return self._is_open

    @property
    def is_idle(self) -> bool:
        """Whether the server is there and has said nothing that we have not heard."""
        return self._is_open and self._wire.is_idle

    @property
    def has_unheard(self) -> bool:
        """Whether more was said than we listened to."""
        return self._wire.has_unread

    def hide(self, secrets: Sequence[str]) -> None:
        """Blot out ``secrets`` in whatever the server says from now on.

        Very short ones would blot out half of the dialogue, and so be told by it.
        """
        self._secrets = tuple(secret for secret in secrets if len(secret) >= MIN_SECRET)

    def set_deadline(self, *, seconds: float) -> None:
        """Let everything from now on be over in ``seconds``."""
        self._deadline = asyncio.get_running_loop().time() + seconds

    def say(self, commands: bytes, *, shown: bytes | None = None) -> None:
        """Send ``commands``; ``shown`` stands in the transcript instead of a body or a secret."""
        self.transcript.sent(commands if shown is None else shown)
        self._wire.write(commands)

    def write(self, commands: bytes) -> None:
        """Send ``commands`` that stand in another transcript."""
        self._wire.write(commands)

    async def ask(self, command: bytes) -> Reply:
        """Send one command and return the final reply to it."""
        self.say(command)
        return await self.hear()

    async def hear(self, *, kinds: str = "245", patience: float | None = None) -> Reply:
        """Return the next reply; its code's first digit must be one of ``kinds``.

        Raises:
            ServiceClosing: it is a 421.
            WireError: the server was silent, gone or not understood.
        """
        reply = await self._read(self._limit(patience))
        if reply.code == 421:
            raise ServiceClosing(reply)
        if str(reply.code)[0] not in kinds:
            raise Nonsense
        return reply

    async def flush(self) -> None:
        """Wait until the server has taken nearly all that was said."""
        await self._wire.drain(limit=self._deadline)

    async def start_tls(self, context: ssl.SSLContext, *, host: str, patience: float) -> str:
        """Encrypt from here on and return the protocol's version; ``Wire.start_tls`` raises."""
        try:
            async with asyncio.timeout_at(self._limit(patience)):
                version = await self._wire.start_tls(context, host=host)
        except ssl.SSLError:
            raise
        except TimeoutError:
            raise TimedOut from None
        except OSError:
            raise WireError("The connection was lost while TLS was set up.") from None
        self.transcript.received(f"[{version}]")
        return version

    def close(self) -> None:
        """Drop the connection."""
        self._is_open = False
        self._wire.abort()

    def _limit(self, patience: float | None) -> float:
        now = asyncio.get_running_loop().time()
        return min(now + (self._patience if patience is None else patience), self._deadline)

    async def _read(self, limit: float) -> Reply:
        code, lines, more = 0, list[str](), True
        while more:
            if len(lines) >= MAX_REPLY_LINES:
                raise Nonsense
            parsed = parse_line(await self._wire.line(limit=limit))
            if parsed is None or (lines and parsed[0] != code):
                raise Nonsense
            code, text, more = parsed
            lines.append(self._without_secrets(text))
            self.transcript.received(f"{code}{'-' if more else ' '}{lines[-1]}")
        return Reply(code=code, lines=tuple(lines))

    def _without_secrets(self, text: str) -> str:
        """A server that quotes what it was told must not bring the password into a log."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text
