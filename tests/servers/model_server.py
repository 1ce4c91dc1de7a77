"""What the fakes of language models share: scripted replies over HTTP, each request recorded."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from .waiting import LOOPBACK

DRAFT = {
    "subject": "Re: Dúvida sobre produto",
    "body": "Olá,\n\nObrigado pelo contacto. Já verificamos e respondemos ainda hoje.\n\nA equipa",
    "tone": "professional",
    "language": "pt-BR",
}


def verdict(**changes: Any) -> dict[str, Any]:
    """A right answer to respond, or with ``decision="ignore"`` a right one to ignore."""
    ignored = changes.get("decision") == "ignore"
    return {
        "decision": "respond",
        "confidence": 0.92,
        "email_type": "newsletter" if ignored else "question",
        "urgency": "low" if ignored else "medium",
        "reason": "Boletim informativo" if ignored else "Cliente pergunta sobre um produto",
        "suggested_response": None if ignored else DRAFT,
        **changes,
    }


def malicious() -> list[dict[str, Any]]:
    """What a model says that obeys a stranger: well-formed and not, all of it harmful."""
    link = {
        **DRAFT,
        "body": "See https://evil.example/?d=secret or write to evil@evil.example",
    }
    header = {**DRAFT, "subject": "Re: x\r\nBcc: evil@evil.example"}
    return [
        verdict(confidence=1.0, urgency="high", suggested_response=link),
        verdict(to="evil@evil.example", cc=["evil@evil.example"]),
        verdict(suggested_response={**DRAFT, "to": "evil@evil.example"}),
        verdict(suggested_response=header),
        verdict(tool={"name": "send_all", "arguments": {"to": "evil@evil.example"}}),
        verdict(decision="forward"),
    ]


@dataclass(frozen=True)
class Request:
    """One request as it came; header names are lower case, ``at`` is of the monotonic clock."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Reply:
    """One HTTP reply; ``hangs`` never answers, ``is_cut`` ends in the middle of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=UTF-8"
    hangs: bool = False
    is_cut: bool = False


HANG = Reply(hangs=True)
CUT = Reply(body=b'{"candidates": [{"content": {"parts": [{"text": "', is_cut=True)
EMPTY = Reply()
HTML = Reply(body=b"<html><h1>It works!</h1></html>", content_type="text/html")
FLOOD = Reply(body=b"x" * 3_000_000)
PACKED_FLOOD = Reply(body=gzip.compress(FLOOD.body), headers={"Content-Encoding": "gzip"})
BAD_GATEWAY = Reply(502, b"<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")


def json_reply(value: Any, *, status: int = 200, **headers: str) -> Reply:
    """``value`` as JSON; ``headers`` are written with ``_`` for ``-``."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), named)


def redirect(url: str, *, status: int = 307) -> Reply:
    return Reply(status, headers={"Location": url})


Answer = dict[str, Any] | str | Reply
"""A verdict, the text of an answer, or a whole reply."""
Script = Answer | Callable[[Request], Answer]


class ModelServer:
    """A threaded HTTP server on loopback; ``answers`` says what comes, ``requests`` what came.

    ``delay`` holds back every reply that a model would have thought about.
    """

    def __init__(self, *, port: int = 0, key: str | None = None) -> None:
        self.delay = 0.0
        self.key = key
        self.most_at_once = 0
        self._at_once = 0
        self._requests: list[Request] = []
        self._scripts: deque[Script] = deque([verdict()])
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server((LOOPBACK, port), _Handler)
        self._server.model = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base URL that a client is given."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def requests(self) -> list[Request]:
        with self._lock:
            return list(self._requests)

    def answers(self, *scripts: Script) -> None:
        """Give these, one to a request, from now on; the last of them stays."""
        with self._lock:
            self._scripts = deque(scripts)

    def forget(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._requests.clear()
            self.most_at_once = 0

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def refusal(self, request: Request) -> Reply | None:
        """What the service itself says to a request that is wrong, or None."""
        raise NotImplementedError

    def wrapped(self, text: str, request: Request) -> Reply:
        """The reply of the protocol that carries ``text``."""
        raise NotImplementedError

    def reply_to(self, request: Request) -> Reply:
        """Record the request and return the next reply of the script."""
        with self._lock:
            self._requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self._reply_to(request)
        finally:
            with self._lock:
                self._at_once -= 1

    def _reply_to(self, request: Request) -> Reply:
        if refusal := self.refusal(request):
            return refusal
        with self._lock:
            script = self._scripts.popleft() if len(self._scripts) > 1 else self._scripts[0]
        answer = script(request) if callable(script) else script
        if isinstance(answer, Reply):
            self._stopping.wait(60 if answer.hangs else self.delay)
            return answer
        self._stopping.wait(self.delay)
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        return self.wrapped(text, request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512
    model: ModelServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else 44 ms for each reply
    server: _Server

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(data) if data else None
        except ValueError:
            body = data
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.model.reply_to(Request(self.command, self.path, headers, body)))

    do_GET = do_POST  # noqa: N815

    def _send(self, reply: Reply) -> None:
        self.close_connection = self.close_connection or reply.hangs or reply.is_cut
        if reply.hangs:
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body) + 100 * reply.is_cut))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(reply.body)
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass
