"""One POST to a stranger's server: to a checked address, within a deadline, believing nothing."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from weakref import WeakKeyDictionary

import httpcore2
import httpx2

from common import network
from common.network import Address, HostRefused, HostUnreachable, NetworkPolicy

logger = logging.getLogger(__name__)
DEADLINE = 15.0
"""Seconds for a whole attempt, from the look-up of the name to the end of the answer."""
MOST_READ = 64 * 1024
MOST_KEPT = 4000
IDLE_SECONDS = 5.0
GONE = 410
ASKS_TO_WAIT = frozenset({429, 503})
PORTS = {"http": 80, "https": 443}

UNREACHABLE = "The server could not be reached."
TOO_SLOW = "The server did not answer in time."
BROKEN = "The server did not answer in HTTP, or broke off."
NO_ANSWER = "No HTTP answer came from this host."
"""All that is told where an address is not public: the same, whatever listens there."""

FAILURES = (
    HostRefused,
    HostUnreachable,
    TimeoutError,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_checked: ContextVar[Sequence[Address]] = ContextVar("checked", default=())


@dataclass(frozen=True)
class Request:
    """What is posted, and where to."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What came of a POST; without a ``status`` no HTTP answer came, and ``error`` says why.

    ``body`` is the beginning of the answer's text, ``retry_after`` its wish where it has one.
    """

    status: int | None = None
    error: str = ""
    body: str = ""
    retry_after: timedelta | None = None
    latency_ms: int = 0

    @property
    def is_ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == GONE


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to nothing but the addresses that were checked for this very request."""

    def __init__(self) -> None:
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Try the addresses in turn; one that swallows packets doesn't starve the next."""
        addresses = _checked.get()
        for address in addresses:
            try:
                return await self._plain.connect_tcp(
                    str(address.ip), address.port, timeout=DEADLINE / len(addresses)
                )
            except (httpcore2.NetworkError, httpcore2.TimeoutException):
                continue
        raise HostUnreachable(UNREACHABLE)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Sender:
    """Sends over kept connections, those of each event loop its own.

    No redirect is followed, no proxy asked, no cookie kept, no answer unpacked.
    """

    def __init__(self, policy: Callable[[], NetworkPolicy] = network.default_policy) -> None:
        self._policy = policy
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, httpcore2.AsyncConnectionPool] = (
            WeakKeyDictionary()
        )

    async def post(self, request: Request, *, seconds: float = DEADLINE) -> Answer:
        """Return what came of it; never raises for what the other side does or is."""
        began = time.monotonic()
        _checked.set(())
        try:
            answer = await self._post(request, seconds=seconds)
        except FAILURES as error:
            is_public = all(network.is_public(address.ip) for address in _checked.get())
            answer = Answer(error=_told(error) if is_public else NO_ANSWER)
        return replace(answer, latency_ms=round((time.monotonic() - began) * 1000))

    async def _post(self, request: Request, *, seconds: float) -> Answer:
        url = httpx2.URL(request.url)
        async with asyncio.timeout(seconds) as limit:
            addresses = await network.resolve(
                url.raw_host.decode("ascii"), url.port or PORTS[url.scheme], policy=self._policy()
            )
            _checked.set(addresses)
            return await self._exchange(url, request, limit=limit)

    async def _exchange(
        self, url: httpx2.URL, request: Request, *, limit: asyncio.Timeout
    ) -> Answer:
        target = httpcore2.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        sending = self._pool().stream(
            "POST", target, headers=list(request.headers.items()), content=request.body
        )
        async with sending as got:
            stated = {name.lower(): value for name, value in got.headers}
            over_at = limit.when() or 0
            limit.reschedule(over_at + 1)  # with its status the answer counts, whole or not
            text = await _beginning(got, over_at=over_at)
        return Answer(
            status=got.status,
            error="" if 200 <= got.status < 300 else f"HTTP {got.status}",
            body=text,
            retry_after=_wish(stated.get(b"retry-after")) if got.status in ASKS_TO_WAIT else None,
        )

    def _pool(self) -> httpcore2.AsyncConnectionPool:
        loop = asyncio.get_running_loop()
        if loop not in self._pools:
            self._pools[loop] = httpcore2.AsyncConnectionPool(
                ssl_context=tls(),
                max_connections=None,
                max_keepalive_connections=100,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=CheckedBackend(),
            )
        return self._pools[loop]


@functools.cache
def sender() -> Sender:
    """Return the process's own."""
    return Sender()


@functools.cache
def tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


async def _beginning(got: httpcore2.Response, *, over_at: float) -> str:
    """Return the first words of the answer, as far as they come until ``over_at``."""
    read = bytearray()
    try:
        async with asyncio.timeout_at(over_at):
            async for chunk in got.aiter_stream():
                read += chunk
                if len(read) >= MOST_READ:
                    break
    except (TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError):
        logger.debug("an answer broke off after its status")
    text = bytes(read[: 4 * MOST_KEPT]).decode(errors="replace")
    return _CONTROLS.sub("\ufffd", text)[:MOST_KEPT]


def _told(error: Exception) -> str:
    """Return what may be said of a public host; the words of its server never are."""
    if isinstance(error, HostRefused | HostUnreachable):
        return error.detail
    if isinstance(error, TimeoutError):
        return TOO_SLOW
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The server's certificate is not valid: {cause.verify_message}."
    if isinstance(cause, ssl.SSLError):
        return "No TLS connection could be made."
    return BROKEN


def _wish(stated: bytes | None) -> timedelta | None:
    """Return how long ``Retry-After`` asks to wait (RFC 9110 section 10.2.3)."""
    text = (stated or b"").decode("ascii", "replace").strip()
    if text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), 10**7))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    wait = until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)
    return max(wait, timedelta())
