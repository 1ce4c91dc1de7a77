"""The SMTP side of the built-in mail catcher: takes every mail and hands it to be stored."""

from __future__ import annotations

import logging
import socket
from asyncio import AbstractServer, get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
MAX_MESSAGE_BYTES = 30 * 1024 * 1024
STORED = "250 2.0.0 Caught"
NOT_STORED = "451 4.3.0 The catcher could not store the message, try again"


@dataclass(frozen=True)
class CaughtMail:
    """One message as received; ``mail_from`` is empty for bounces."""

    mail_from: str
    recipients: tuple[str, ...]
    raw: bytes
    received_at: datetime


Store = Callable[[CaughtMail], None]


class Catcher:
    """An SMTP server on loopback, in threads of its own, that lets everybody in.

    It listens as soon as it is made, so a port in use raises OSError here; port 0 takes a free
    one. ``store`` is called for one mail at a time, always in the same thread; the client hears
    250 when it returns and 451 when it raises.
    """

    def __init__(self, store: Store, *, port: int) -> None:
        listener = socket.create_server((HOST, port))
        self.port: int = listener.getsockname()[1]
        self._storing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catcher")
        self._controller = _ListeningController(
            _Handler(store, storing=self._storing),
            listener=listener,
        )

    def start(self) -> None:
        """Return when it answers."""
        self._controller.start()

    def stop(self) -> None:
        """End after the mail that is being stored; clients without an answer will try again."""
        self._controller.stop()
        self._storing.shutdown()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _ListeningController(Controller):
    """aiosmtpd's controller on a socket that is bound already."""

    def __init__(self, handler: _Handler, *, listener: socket.socket) -> None:
        host, port = listener.getsockname()
        super().__init__(
            handler,
            hostname=host,
            port=port,
            server_hostname="catcher",
            data_size_limit=MAX_MESSAGE_BYTES,
            auth_require_tls=False,
            authenticator=_let_in,
        )
        self._listener = listener

    async def _create_server(self) -> AbstractServer:
        return await self.loop.create_server(self._factory_invoker, sock=self._listener)


class _Handler:
    def __init__(self, store: Store, *, storing: ThreadPoolExecutor) -> None:
        self._store = store
        self._storing = storing

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Store the message away from the event loop, where the ORM may block."""
        mail = _caught(envelope)
        try:
            await get_running_loop().run_in_executor(self._storing, self._store, mail)
        # Whatever failed, the sender must hear of it; raising would leave aiosmtpd's envelope open.
        except Exception:
            logger.exception("A caught message could not be stored")
            return NOT_STORED
        return STORED


def _caught(envelope: Envelope) -> CaughtMail:
    sender = _text(envelope.mail_from or "")
    return CaughtMail(
        mail_from="" if sender == "<>" else sender,
        recipients=tuple(map(_text, envelope.rcpt_tos)),
        raw=envelope.original_content or b"",
        received_at=datetime.now(tz=UTC),
    )


def _text(address: str) -> str:
    """Return an address that can be stored: aiosmtpd keeps what isn't UTF-8 as surrogates."""
    return address.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _let_in(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
) -> AuthResult:
    return AuthResult(success=True)
