"""Reading an IMAP folder: from settings to mails, bounded in time and memory, changing nothing.

The server is not trusted: it may drip, lie about sizes, flood, or ask for the password in clear.
Nothing that it says gets into an error's text, since it may be a host of the private network.
"""

from __future__ import annotations

import asyncio
import imaplib
import io
import logging
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from imap_tools.errors import (
    ImapToolsError,
    MailboxFetchError,
    MailboxFolderSelectError,
    MailboxLoginError,
)
from imap_tools.mailbox import BaseMailBox

from common import network
from common.network import Address, HostRefused, HostUnreachable, NetworkPolicy
from common.smtp import Stage
from inbox.errors import FetchRefused, MailboxUnreadable

logger = logging.getLogger(__name__)

MAX_LINE = 20 * 1024 * 1024  # a search's answer is one line: some two million UIDs
MAX_ANSWER = 32 * 1024 * 1024
LARGEST_UID = 2**32 - 1
CONNECT_SECONDS = 10.0
PATIENCE = 20.0
"""Seconds for which a server may say nothing."""

_UID = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,12})\b")


@dataclass(frozen=True)
class IMAPServer:
    """Where and how to read; without ``use_ssl`` STARTTLS comes before the password."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    use_ssl: bool = True
    allow_plaintext: bool = False


class Folder:
    """A folder that is open for reading alone; made by ``open_folder``."""

    def __init__(self, box: _Box) -> None:
        self._box = box
        self._client = box.client

    @property
    def uidvalidity(self) -> int:
        """What the UIDs are worth: with another number, they name other mails (RFC 3501)."""
        (value,) = self._client.response("UIDVALIDITY")[1][-1:] or [None]
        return int(value) if value is not None and value.isdigit() else 0

    def uids_after(self, last_uid: int) -> list[int]:
        """Return the UIDs above ``last_uid``, the lowest first."""
        with _translated(Stage.READY), self._client.room_for(MAX_ANSWER):
            found = self._box.uids(f"UID {last_uid + 1}:*", charset=None)
        uids = {int(text) for text in found if text.isdecimal() and len(text) <= 10}
        return sorted(uid for uid in uids if last_uid < uid <= LARGEST_UID)

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Return how many bytes the mails have, as the server says; what is gone is left out."""
        answer = self._fetch(uids, "(UID RFC822.SIZE)", room=MAX_ANSWER)
        sizes = {}
        for item in answer:
            line = item[0] if isinstance(item, tuple) else item or b""
            uid, size = _UID.search(line), _SIZE.search(line)
            if uid and size:
                sizes[int(uid[1])] = int(size[1])
        return sizes

    def mails(self, uids: Sequence[int], *, size_bytes: int) -> dict[int, bytes]:
        """Return mails whole; ``size_bytes`` is about what they have together."""
        return self._texts(uids, "BODY.PEEK[]", room=2 * size_bytes + MAX_ANSWER)

    def head(self, uid: int, *, most: int) -> bytes:
        """Return a mail's header, no more than ``most`` bytes of it; empty if it is gone."""
        found = self._texts([uid], f"BODY.PEEK[HEADER]<0.{most}>", room=2 * most + MAX_ANSWER)
        return found.get(uid, b"")[:most]

    def _texts(self, uids: Sequence[int], item: str, *, room: int) -> dict[int, bytes]:
        """Return the literals in the answer by UID, which stands before or behind them."""
        answer = self._fetch(uids, f"(UID {item})", room=room)
        texts = {}
        for number, found in enumerate(answer):
            if not isinstance(found, tuple) or b"BODY[" not in found[0].upper():
                continue
            behind = answer[number + 1] if number + 1 < len(answer) else b""
            tail = behind if isinstance(behind, bytes) else b""
            if uid := _UID.search(found[0]) or _UID.search(tail):
                texts[int(uid[1])] = found[1]
        return texts

    def _fetch(self, uids: Sequence[int], items: str, *, room: int) -> list[Any]:
        """Fetch what never marks a mail as seen.

        Raises:
            FetchRefused: the server says no, to one of these mails perhaps.
        """
        with _translated(Stage.READY), self._client.room_for(room):
            try:
                status, answer = self._client.uid("FETCH", ",".join(map(str, uids)), items)
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error:  # BAD
                raise FetchRefused from None
            if status != "OK":
                raise FetchRefused
            return list(answer)


@contextmanager
def open_folder(
    server: IMAPServer,
    *,
    policy: NetworkPolicy,
    deadline: float,
    tls_context: ssl.SSLContext | None = None,
) -> Iterator[Folder]:
    """Yield the server's folder; all that is done with it is over at ``deadline`` (monotonic).

    ``tls_context`` replaces the system's trusted authorities; it must verify all the same.

    Raises:
        MailboxUnreadable: whatever the server does; also later, from within the block.
    """
    context = tls_context or _system_context()
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise ValueError("certificates and host names are always verified")
    connection, is_private = _connected(server, policy=policy, deadline=deadline)
    wire = _Wire(connection, deadline=deadline)
    try:
        client = _greeted(server, wire, context=context)
        box = _Box(client)
        _sign_in(server, box, may_be_plain=server.allow_plaintext and is_private)
        _examine(server, box)
        yield Folder(box)
        with suppress(OSError, imaplib.IMAP4.error, ImapToolsError):
            box.logout()
    finally:
        wire.close()


@cache
def _system_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _connected(
    server: IMAPServer, *, policy: NetworkPolicy, deadline: float
) -> tuple[socket.socket, bool]:
    """Return a connection to an address that was checked, and whether it is a private one."""
    try:
        connection, address = asyncio.run(_connect(server, policy=policy))
    except HostRefused as error:
        raise MailboxUnreadable(str(error), stage=Stage.RESOLVE) from None
    except HostUnreachable as error:
        raise MailboxUnreadable(str(error), stage=Stage.CONNECT) from None
    except TimeoutError:
        detail = "The host name's address was not found in time."
        raise MailboxUnreadable(detail, stage=Stage.RESOLVE) from None
    return connection, network.is_private(address.ip)


async def _connect(server: IMAPServer, *, policy: NetworkPolicy) -> tuple[socket.socket, Address]:
    async with asyncio.timeout(CONNECT_SECONDS):
        addresses = await network.resolve(server.host, server.port, policy=policy)
    deadline = asyncio.get_running_loop().time() + CONNECT_SECONDS
    return await network.connect(addresses, deadline=deadline)


def _greeted(server: IMAPServer, wire: _Wire, *, context: ssl.SSLContext) -> _Client:
    """Return a client whose connection is encrypted, or can't be."""
    host = network.normalise_host(server.host)
    if server.use_ssl:
        with _translated(Stage.TLS):
            wire.encrypt(context, host=host)
    with _translated(Stage.CONNECT):
        client = _Client(wire)
    if not server.use_ssl and "STARTTLS" in client.capabilities:
        with _translated(Stage.TLS):
            client.upgrade(context, host=host)
    return client


def _sign_in(server: IMAPServer, box: _Box, *, may_be_plain: bool) -> None:
    client = box.client
    if not client.is_encrypted and not may_be_plain:
        detail = "The server offers no TLS, so the password was not sent."
        raise MailboxUnreadable(detail, stage=Stage.TLS)
    if client.state != "NONAUTH" or "LOGINDISABLED" in client.capabilities:
        detail = "The server offers no way to sign in with a user name and a password."
        raise MailboxUnreadable(detail, stage=Stage.AUTH)
    is_ascii = server.username.isascii() and server.password.isascii()
    login = box.login if is_ascii else box.login_utf8
    with _translated(Stage.AUTH), client.room_for(MAX_ANSWER):
        login(server.username, server.password, initial_folder=None)


def _examine(server: IMAPServer, box: _Box) -> None:
    """Open the folder by EXAMINE: what is read that way stays unread."""
    with _translated(Stage.READY), box.client.room_for(MAX_ANSWER):
        box.folder.set(server.folder, readonly=True)


@contextmanager
def _translated(stage: Stage) -> Iterator[None]:
    """Say in our own words what went wrong: a server could write the password into its own."""
    try:
        yield
    except MailboxUnreadable:
        raise
    except (MailboxLoginError, MailboxFolderSelectError, MailboxFetchError) as error:
        raise MailboxUnreadable(_REFUSALS[type(error)], stage=stage) from None
    except ssl.SSLCertVerificationError as error:
        detail = f"The server's certificate was not accepted: {error.verify_message}."
        raise MailboxUnreadable(detail, stage=Stage.TLS) from None
    except ssl.SSLError:
        raise MailboxUnreadable("TLS could not be set up with the server.", stage=stage) from None
    except TimeoutError:
        detail = "The server did not answer in time."
        raise MailboxUnreadable(detail, stage=stage) from None
    except (OSError, imaplib.IMAP4.abort):
        raise MailboxUnreadable("The connection was lost.", stage=stage) from None
    except imaplib.IMAP4.error:
        detail = _REFUSALS[MailboxLoginError] if stage is Stage.AUTH else _NONSENSE
        raise MailboxUnreadable(detail, stage=stage) from None
    except (ImapToolsError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # What the library makes of an answer that is none.
        logger.warning("an IMAP answer was not understood", extra={"error": type(error).__name__})
        raise MailboxUnreadable(_NONSENSE, stage=stage) from None


_NONSENSE = "The server's answer was not understood."
_REFUSALS: dict[type[Exception], str] = {
    MailboxLoginError: "The server refused the user name or the password.",
    MailboxFolderSelectError: "The server does not open the folder.",
    MailboxFetchError: "The server does not give the mails.",
}


class _Box(BaseMailBox):
    """The library's mailbox over a connection that is there already."""

    client: _Client

    def __init__(self, client: _Client) -> None:
        self._given = client
        super().__init__()

    def _get_mailbox_client(self) -> _Client:
        return self._given


class _Wire(io.RawIOBase):
    """A socket whose every read ends in time, also where each brings but one byte."""

    def __init__(self, connection: socket.socket, *, deadline: float) -> None:
        self._socket = connection
        self._deadline = deadline

    def encrypt(self, context: ssl.SSLContext, *, host: str) -> None:
        self._limit()
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    @property
    def is_encrypted(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._limit()
        return self._socket.recv_into(buffer)

    def send(self, data: bytes) -> None:
        self._limit()
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()
        super().close()

    def _limit(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(min(left, PATIENCE))


class _Client(imaplib.IMAP4):
    """The standard library's client over a wire of ours, through its documented overrides."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self._reader = io.BufferedReader(wire)
        self._room = MAX_LINE
        self.is_encrypted = wire.is_encrypted
        super().__init__()

    @contextmanager
    def room_for(self, size_bytes: int) -> Iterator[None]:
        """Let the server say no more than this within the block."""
        self._room = size_bytes
        yield

    def upgrade(self, context: ssl.SSLContext, *, host: str) -> None:
        """STARTTLS; what was said in clear, ahead of it too, is forgotten."""
        status, _data = self._simple_command("STARTTLS")
        if status != "OK":
            raise self.abort("STARTTLS refused")
        self._reader.detach()  # or its end would close the wire
        self._wire.encrypt(context, host=host)
        self._reader = io.BufferedReader(self._wire)
        self.is_encrypted = True
        self._get_capabilities()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        self.host, self.port = host, port

    def read(self, size: int) -> bytes:
        self._take(size)
        data = self._reader.read(size)
        if len(data) < size:
            raise self.abort("connection closed")
        return data

    def readline(self) -> bytes:
        line = self._reader.readline(min(MAX_LINE, self._room) + 1)
        self._take(len(line))
        return line

    def send(self, data: Any) -> None:
        self._wire.send(data)

    def shutdown(self) -> None:
        self._wire.close()

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise self.abort("too much")
