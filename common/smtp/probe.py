"""A try-out of a server's settings for people who want to know what is wrong with them."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass

from common.network import NetworkPolicy
from common.smtp.errors import AccountError, ConnectionFailed, Stage
from common.smtp.opening import SMTPServer, Timeouts, open_session
from common.smtp.session import Outcome
from common.smtp.transcript import Lines, codes_alone

_TIMEOUTS = Timeouts(opening=15)


@dataclass(frozen=True)
class ProbeResult:
    """How far a try-out got; ``code`` is empty where ``ok``, else the error's stable code.

    ``dialogue`` is what was said until it failed, secrets masked; ``is_masked``: of a server of
    the private network the codes alone.
    """

    ok: bool
    stage: Stage
    detail: str
    capabilities: tuple[str, ...]
    latency_ms: int
    code: str = ""
    dialogue: Lines = ()
    is_masked: bool = False

    @classmethod
    def failed(cls, error: AccountError | ConnectionFailed, *, latency_ms: int = 0) -> ProbeResult:
        """Return the result of a connection that ``error`` ended."""
        lines = error.transcript
        return cls(
            ok=False,
            stage=error.stage,
            detail=error.detail,
            capabilities=(),
            latency_ms=latency_ms,
            code=error.code,
            dialogue=lines if error.is_quotable else codes_alone(lines),
            is_masked=bool(lines) and not error.is_quotable,
        )

    @classmethod
    def refused(cls, word: Outcome, *, dialogue: Lines) -> ProbeResult:
        """Return the result of a session whose server takes no mail of this account."""
        return cls(
            ok=False,
            stage=Stage.READY,
            detail=str(word.reply),
            capabilities=(),
            latency_ms=0,
            code=f"refused_at_{word.phase}",
            dialogue=dialogue,
        )


def probe(
    server: SMTPServer,
    *,
    policy: NetworkPolicy,
    timeouts: Timeouts = _TIMEOUTS,
    tls_context: ssl.SSLContext | None = None,
) -> ProbeResult:
    """Connect, sign in and leave again; over within 20 seconds, and it never raises for a server.

    For code without a running event loop.
    """
    start = time.monotonic()
    try:
        capabilities = asyncio.run(
            _visit(server, policy=policy, timeouts=timeouts, tls_context=tls_context)
        )
    except (AccountError, ConnectionFailed) as error:
        return ProbeResult.failed(error, latency_ms=_milliseconds_since(start))
    return ProbeResult(
        ok=True,
        stage=Stage.READY,
        detail="The server is ready for mail of this account.",
        capabilities=capabilities,
        latency_ms=_milliseconds_since(start),
    )


async def _visit(
    server: SMTPServer,
    *,
    policy: NetworkPolicy,
    timeouts: Timeouts,
    tls_context: ssl.SSLContext | None,
) -> tuple[str, ...]:
    session = await open_session(server, policy=policy, timeouts=timeouts, tls_context=tls_context)
    await session.quit()
    return tuple(f"{name} {value}".rstrip() for name, value in session.capabilities.items())


def _milliseconds_since(start: float) -> int:
    return round((time.monotonic() - start) * 1000)
