"""A receiver of webhooks on loopback: scripted replies, each request recorded as bytes."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from .certificates import KeyPair
from .waiting import LOOPBACK


@dataclass(frozen=True)
class Received:
    """One request as it came; header names are lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One answer; ``hangs`` never comes, ``drips`` never ends, ``size`` is of a made-up body."""

    status: int = 204
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    drips: bool = False
    size: int = 0


OK = Reply()
ERROR = Reply(500, b"try later")
HANG = Reply(hangs=True)
Script = Reply | Callable[[Received], Reply]


class Receiver:
    """``answers`` says what comes, the last for ever; ``requests`` and ``sent_bytes`` what was."""

    def __init__(self, *, port: int = 0, tls: KeyPair | None = None) -> None:
        self.sent_bytes = 0
        self.most_at_once = 0
        self._at_once = 0
        self._requests: list[Received] = []
        self._scripts: deque[Script] = deque([OK])
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._scheme = "https" if tls else "http"
        self._server = _Server((LOOPBACK, port), _Handler)
        self._server.receiver = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://{LOOPBACK}:{self.port}/hooks"

    @property
    def requests(self) -> list[Received]:
        with self._lock:
            return list(self._requests)

    def answers(self, *scripts: Script) -> Self:
        with self._lock:
            self._scripts = deque(scripts)
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, request: Received) -> Reply:
        """Record the request and return the next reply of the script."""
        with self._lock:
            self._requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
        reply = script(request) if callable(script) else script
        if reply.hangs:
            self._stopping.wait(60)
        return reply

    def leave(self) -> None:
        with self._lock:
            self._at_once -= 1

    def drip(self, write: Callable[[bytes], Any]) -> None:
        """Write a byte every 50 ms until the client goes."""
        while not self._stopping.wait(0.05):
            write(b".")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver = self.server.receiver
        try:
            self._send(receiver.take(Received(self.path, headers, body)))
        except OSError:  # the client has gone
            self.close_connection = True
        finally:
            receiver.leave()

    do_GET = do_POST  # noqa: N815

    def _send(self, reply: Reply) -> None:
        if reply.hangs:
            self.close_connection = True
            return
        self.send_response(reply.status)
        length = 10**9 if reply.drips else reply.size or len(reply.body)
        if reply.status != 204:
            self.send_header("Content-Length", str(length))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        if reply.drips:
            self.server.receiver.drip(self.wfile.write)
        for _ in range(reply.size // 65536):
            self.wfile.write(b"x" * 65536)
            self.server.receiver.sent_bytes += 65536

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass
