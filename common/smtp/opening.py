"""From a server's settings to a session: resolve, connect, TLS, AUTH, in this order only."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from common import network
from common.network import Address, HostRefused, HostUnreachable, NetworkPolicy
from common.smtp.dialogue import Dialogue
from common.smtp.errors import (
    AccountError,
    ConnectionFailed,
    ServiceClosing,
    SpokeInClear,
    Stage,
    WireError,
)
from common.smtp.reply import Reply
from common.smtp.session import SMTPSession
from common.smtp.wire import Wire

_HELO = re.compile(r"[A-Za-z0-9.-]{1,255}|\[[A-Za-z0-9.:]{1,64}\]")
_KEYWORD = re.compile(r"[A-Z0-9][A-Z0-9-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

MAX_PARAMETERS = 500


@dataclass(frozen=True)
class SMTPServer:
    """Where and how to connect; ``use_tls`` means STARTTLS, ``use_ssl`` TLS from the first byte.

    Raises:
        ValueError: the settings contradict each other or would leave their command line.
    """

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    use_tls: bool = True
    use_ssl: bool = False
    allow_plaintext: bool = False
    helo_name: str = "localhost"

    def __post_init__(self) -> None:
        if self.use_tls and self.use_ssl:
            raise ValueError("STARTTLS and TLS from the start exclude each other")
        if not 0 < self.port < 65536:
            raise ValueError("a port is between 1 and 65535")
        if not _HELO.fullmatch(self.helo_name):
            raise ValueError("the HELO name is not a host name or an address literal")
        if _CONTROL.search(self.username) or _CONTROL.search(self.password):
            raise ValueError("user name and password may not hold control characters")


@dataclass(frozen=True)
class Timeouts:
    """Limits in seconds: of the opening and one ``send`` as a whole, and of their stages."""

    opening: float = 30
    send: float = 90
    resolve: float = 10
    connect: float = 10
    tls: float = 10
    reply: float = 30


DEFAULT_TIMEOUTS = Timeouts()


async def open_session(
    server: SMTPServer,
    *,
    policy: NetworkPolicy,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
    tls_context: ssl.SSLContext | None = None,
) -> SMTPSession:
    """Return a session that is signed in and ready for messages.

    ``tls_context`` replaces the system's trusted authorities; it must verify all the same.

    Raises:
        AccountError: the settings, the credentials or the certificate are wrong.
        ConnectionFailed: the server can't be reached, is slow or broken; later may work.
    """
    context = tls_context or _system_context()
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise ValueError("certificates and host names are always verified")
    return await _Opening(server, policy=policy, timeouts=timeouts, context=context).run()


@cache
def _system_context() -> ssl.SSLContext:
    """Reading the authorities takes longer than a message, so once per process."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Opening:
    """The steps of one opening; ``_stage`` is where it stands."""

    def __init__(
        self,
        server: SMTPServer,
        *,
        policy: NetworkPolicy,
        timeouts: Timeouts,
        context: ssl.SSLContext,
    ) -> None:
        self._server = server
        self._policy = policy
        self._timeouts = timeouts
        self._context = context
        self._stage = Stage.RESOLVE
        self._deadline = asyncio.get_running_loop().time() + timeouts.opening
        self._quotes_server = False
        self._dialogue: Dialogue | None = None

    async def run(self) -> SMTPSession:
        try:
            return await self._steps()
        except (AccountError, ConnectionFailed) as error:
            self._close(error)
            raise
        except ServiceClosing as closing:
            raise self._close(self._temporary(str(closing), closing.reply)) from None
        except WireError as error:
            raise self._close(self._temporary(str(error))) from None
        except BaseException:
            if self._dialogue is not None:
                self._dialogue.close()
            raise

    async def _steps(self) -> SMTPSession:
        addresses = await self._resolve()
        dialogue = self._dialogue = await self._connect(addresses)
        if self._server.use_ssl:
            await self._encrypt(dialogue)
            self._stage = Stage.CONNECT
        await self._greet(dialogue)
        capabilities = await self._ehlo(dialogue)
        if self._server.use_tls:
            capabilities = await self._upgrade(dialogue, capabilities)
        if self._server.username:
            await self._authenticate(dialogue, capabilities)
        self._stage = Stage.READY
        return SMTPSession(dialogue, capabilities=capabilities, seconds=self._timeouts.send)

    async def _resolve(self) -> list[Address]:
        try:
            async with asyncio.timeout_at(self._limit(self._timeouts.resolve)):
                addresses = await network.resolve(
                    self._server.host, self._server.port, policy=self._policy
                )
        except HostRefused as error:
            raise self._permanent(str(error), code=error.code) from None
        except HostUnreachable as error:
            raise self._temporary(str(error)) from None
        except TimeoutError:
            raise self._temporary("The host name's address was not found in time.") from None
        self._refuse_plaintext(addresses)
        return addresses

    def _refuse_plaintext(self, addresses: list[Address]) -> None:
        server = self._server
        if server.use_tls or server.use_ssl or server.allow_plaintext:
            return
        if not all(network.is_private(address.ip) for address in addresses):
            self._stage = Stage.TLS
            detail = "Connections without TLS are only made to hosts of the private network."
            raise self._permanent(detail, code="plaintext_refused")

    async def _connect(self, addresses: list[Address]) -> Dialogue:
        self._stage = Stage.CONNECT
        try:
            connection, address = await network.connect(
                addresses, deadline=self._limit(self._timeouts.connect)
            )
        except HostUnreachable as error:
            raise self._temporary(str(error)) from None
        # What a host of the private network says must not be readable through error messages.
        self._quotes_server = network.is_public(address.ip)
        dialogue = Dialogue(await Wire.over(connection), patience=self._timeouts.reply)
        dialogue.set_deadline(seconds=self._deadline - asyncio.get_running_loop().time())
        return dialogue

    async def _greet(self, dialogue: Dialogue) -> None:
        self._require(await dialogue.hear(), "The server does not take connections from us")

    async def _ehlo(self, dialogue: Dialogue) -> dict[str, str]:
        reply = await dialogue.ask(f"EHLO {self._server.helo_name}\r\n".encode("ascii"))
        self._require(reply, "The server did not answer EHLO")
        return _capabilities(reply)

    async def _upgrade(self, dialogue: Dialogue, capabilities: Mapping[str, str]) -> dict[str, str]:
        """Encrypt and ask anew: what was offered in clear may come from anybody."""
        self._stage = Stage.TLS
        if "STARTTLS" not in capabilities:
            raise self._permanent("The server does not offer STARTTLS.", code="tls_unavailable")
        reply = await dialogue.ask(b"STARTTLS\r\n")
        self._require(reply, "The server refused STARTTLS", code="tls_unavailable")
        await self._encrypt(dialogue)
        return await self._ehlo(dialogue)

    async def _encrypt(self, dialogue: Dialogue) -> None:
        self._stage = Stage.TLS
        try:
            await dialogue.start_tls(
                self._context,
                host=network.normalise_host(self._server.host),
                patience=self._timeouts.tls,
            )
        except SpokeInClear as error:
            raise self._permanent(str(error), code="tls_unavailable") from None
        except ssl.SSLCertVerificationError as error:
            detail = f"The server's certificate was not accepted: {error.verify_message}."
            raise self._permanent(detail, code="certificate_invalid") from None
        except ssl.SSLError as error:
            if error.reason == "WRONG_VERSION_NUMBER":
                detail = "What the server sent is not TLS; check the port and the kind of TLS."
                raise self._permanent(detail, code="tls_unavailable") from None
            raise self._temporary("TLS could not be set up with the server.") from None

    async def _authenticate(self, dialogue: Dialogue, capabilities: Mapping[str, str]) -> None:
        """Try one mechanism only: a second wrong try brings accounts closer to a lock-out."""
        self._stage = Stage.AUTH
        dialogue.hide(_secrets(self._server))
        mechanisms = capabilities.get("AUTH", "").split()
        if "PLAIN" in mechanisms:
            dialogue.say(_plain(self._server), shown=b"AUTH PLAIN ***")
            reply = await dialogue.hear(kinds="2345")
        elif "LOGIN" in mechanisms:
            reply = await self._login(dialogue)
        else:
            detail = "The server offers no way to sign in with a user name and a password."
            raise self._permanent(detail, code="auth_unavailable")
        self._require_sign_in(reply)

    async def _login(self, dialogue: Dialogue) -> Reply:
        """No variable holds a secret while this waits: tracebacks may show variables."""
        dialogue.say(b"AUTH LOGIN\r\n")
        reply = await dialogue.hear(kinds="2345")
        if reply.code == 334:
            dialogue.say(_base64(self._server.username) + b"\r\n", shown=b"***")
            reply = await dialogue.hear(kinds="2345")
        if reply.code == 334:
            dialogue.say(_base64(self._server.password) + b"\r\n", shown=b"***")
            reply = await dialogue.hear(kinds="2345")
        return reply

    def _require_sign_in(self, reply: Reply) -> None:
        if reply.code == 334:
            raise self._temporary("The server's answer was not understood.")
        self._require(
            reply, "The server refused the user name or the password", code="bad_credentials"
        )

    def _require(self, reply: Reply, what: str, *, code: str = "refused_by_server") -> None:
        """Let only a positive reply pass."""
        if reply.is_positive:
            return
        said = str(reply) if self._quotes_server else _codes(reply)
        if reply.is_permanent:
            raise self._permanent(f"{what}: {said}", code=code, reply=reply)
        raise self._temporary(f"{what}: {said}", reply)

    def _permanent(self, detail: str, *, code: str, reply: Reply | None = None) -> AccountError:
        return AccountError(detail, stage=self._stage, code=code, reply=reply)

    def _temporary(self, detail: str, reply: Reply | None = None) -> ConnectionFailed:
        return ConnectionFailed(detail, stage=self._stage, reply=reply)

    def _close(self, error: AccountError | ConnectionFailed) -> AccountError | ConnectionFailed:
        if self._dialogue is not None:
            error.transcript = self._dialogue.transcript.lines
            error.is_quotable = self._quotes_server
            self._dialogue.close()
        return error

    def _limit(self, seconds: float) -> float:
        return min(asyncio.get_running_loop().time() + seconds, self._deadline)


def _plain(server: SMTPServer) -> bytes:
    return b"AUTH PLAIN " + _base64(f"\0{server.username}\0{server.password}") + b"\r\n"


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def _secrets(server: SMTPServer) -> list[str]:
    """Every form in which the password crosses the wire."""
    if not server.password:
        return []
    plain = _plain(server).split()[-1]
    return [plain.decode(), _base64(server.password).decode(), server.password]


def _codes(reply: Reply) -> str:
    return f"{reply.code} {reply.enhanced_code or ''}".rstrip()


def _capabilities(reply: Reply) -> dict[str, str]:
    """Return what EHLO's reply offers, by keyword; ``AUTH=`` is the form of old servers."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _space, parameters = line.upper().replace("AUTH=", "AUTH ").partition(" ")
        if not _KEYWORD.fullmatch(keyword) or len(parameters) > MAX_PARAMETERS:
            continue
        found[keyword] = f"{found.get(keyword, '')} {parameters}".strip()
    return found
