"""An SMTP server that takes everything and remembers when."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Condition
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .waiting import LOOPBACK, free_ports


@dataclass(frozen=True)
class Received:
    """One accepted message; times are of the monotonic clock, from MAIL to after the last dot."""

    mail_from: str
    recipients: tuple[str, ...]
    data: bytes
    login: str | None
    peer: tuple[str, int]
    started: float
    ended: float


class SmtpSink:
    """A threaded SMTP server on loopback: no TLS, any login, PIPELINING, mails up to 40 MB."""

    def __init__(self, *, port: int | None = None) -> None:
        self.host = LOOPBACK
        self.port = port or free_ports(1)[0]
        self._received: list[Received] = []
        self._arrival = Condition()
        self._server = Controller(
            _Handler(self._keep),
            hostname=self.host,
            port=self.port,
            data_size_limit=40_000_000,
            auth_require_tls=False,
            authenticator=_let_in,
        )

    @property
    def received(self) -> list[Received]:
        with self._arrival:
            return list(self._received)

    def wait_for(self, count: int, *, timeout: float = 20) -> list[Received]:
        """Return what has come as soon as there are ``count`` messages or more."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self._received) >= count, timeout):
                raise AssertionError(
                    f"{count} messages: only {len(self._received)} within {timeout:g} s"
                )
            return list(self._received)

    def start(self) -> Self:
        self._server.start()
        return self

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _keep(self, message: Received) -> None:
        with self._arrival:
            self._received.append(message)
            self._arrival.notify_all()


def _let_in(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    return AuthResult(success=True, auth_data=data.login.decode())


class _Handler:
    def __init__(self, keep) -> None:
        self._keep = keep

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_MAIL(self, server, session, envelope, address, options) -> str:  # noqa: N802
        envelope.mail_from = address
        envelope.started = time.monotonic()
        return "250 2.1.0 OK"

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802
        self._keep(
            Received(
                mail_from=envelope.mail_from.removeprefix("<>"),
                recipients=tuple(envelope.rcpt_tos),
                data=envelope.original_content,
                login=session.auth_data,
                peer=session.peer,
                started=envelope.started,
                ended=time.monotonic(),
            )
        )
        return "250 2.0.0 kept"
