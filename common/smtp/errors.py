"""What goes wrong between us and a mail server, apart from its verdicts on single recipients."""

from __future__ import annotations

from enum import StrEnum

from common.errors import PermanentError, TransientError
from common.smtp.reply import Reply
from common.smtp.transcript import Lines


class Stage(StrEnum):
    """How far a connection got; a failure names the stage that it failed in."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    READY = "ready"


class AccountError(PermanentError):
    """The account's own settings or credentials don't work, whoever the recipient is.

    ``is_quotable`` says that the server is a public one, whose words may be shown to anybody.
    """

    code = "account_error"

    def __init__(
        self,
        detail: str,
        *,
        stage: Stage,
        code: str | None = None,
        reply: Reply | None = None,
    ) -> None:
        super().__init__(
            detail,
            code=code,
            smtp_code=reply.code if reply else None,
            enhanced_code=reply.enhanced_code if reply else None,
        )
        self.stage = stage
        self.transcript: Lines = ()
        self.is_quotable = False


class ConnectionFailed(TransientError):
    """The session could not be opened, or was lost before any data went out.

    ``is_quotable`` as in :class:`AccountError`.
    """

    code = "connection_failed"

    def __init__(self, detail: str, *, stage: Stage, reply: Reply | None = None) -> None:
        super().__init__(
            detail,
            smtp_code=reply.code if reply else None,
            enhanced_code=reply.enhanced_code if reply else None,
        )
        self.stage = stage
        self.transcript: Lines = ()
        self.is_quotable = False


class WireError(Exception):
    """The dialogue can't go on; the text is ours and safe to show. Never leaves this package."""


class Disconnected(WireError):
    """The server closed the connection."""

    def __init__(self) -> None:
        super().__init__("The server closed the connection.")


class TimedOut(WireError):
    """The stage's or the whole dialogue's time is over."""

    def __init__(self) -> None:
        super().__init__("The server did not answer in time.")


class Nonsense(WireError):
    """What came is no SMTP reply, or none to what was said; not quoted, it may be anything."""

    def __init__(self) -> None:
        super().__init__("The server's answer was not understood.")


class SpokeInClear(WireError):
    """Something unasked came in clear just where TLS has to start (CVE-2011-0411)."""

    def __init__(self) -> None:
        super().__init__("The server, or somebody on the way, spoke in clear where TLS starts.")


class ServiceClosing(WireError):
    """The server said 421: it closes the connection, whatever was asked."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("The server is closing the connection; it may work later.")
        self.reply = reply
