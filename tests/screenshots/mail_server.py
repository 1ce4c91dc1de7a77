"""The mail servers of the shop's customers: most take everything, some have their reasons."""

from __future__ import annotations

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

FULL = "armazem@armazens-do-tejo.example"
GONE = "compras@oficina-antiga.example"
STRICT = "contabilidade@grupo-mar.example"
WAITS = "451 4.7.1 Greylisted, please try again in 5 minutes"
REPLIES = {
    FULL: [f"452 4.2.2 <{FULL}>: mailbox is full"],
    GONE: [WAITS, f"550 5.1.1 <{GONE}>: recipient address rejected: user unknown"],
}


class MailServer:
    """An SMTP server on loopback; ``refuses_logins`` may be switched on while it runs."""

    def __init__(self, port: int) -> None:
        self.refuses_logins = False
        self.received: list[bytes] = []
        self._replies = {address: list(replies) for address, replies in REPLIES.items()}
        self._server = Controller(
            self,
            hostname="127.0.0.1",
            port=port,
            auth_require_tls=False,
            authenticator=self._let_in,
        )

    def __enter__(self) -> MailServer:
        self._server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.stop()

    def _let_in(self, server, session, envelope, mechanism, data) -> AuthResult:
        if self.refuses_logins:
            reply = "535 5.7.8 Username and password not accepted: the password has expired"
            return AuthResult(success=False, handled=False, message=reply)
        return AuthResult(success=True)

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802
        replies = self._replies.get(address)
        if replies:
            return replies.pop(0) if len(replies) > 1 else replies[0]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802
        if STRICT in envelope.rcpt_tos:
            return "554 5.7.1 Message refused: the attachment is not allowed here"
        self.received.append(envelope.original_content)
        return "250 2.0.0 Queued as 4bX1Qz7tR2"
