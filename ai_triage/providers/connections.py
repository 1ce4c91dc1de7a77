"""The HTTP connections to models, kept over calls."""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import Any

import httpx2

from ai_triage.errors import BadAnswer

MOST_BYTES = 2_000_000
"""Of a response, unpacked; the longest answer that is taken has 60,000 characters."""
FORM = frozenset(["content-encoding", "content-length", "transfer-encoding"])


class Connections(httpx2.AsyncClient):
    """A client for a whole process: each event loop has connections of its own.

    So it may be used from several threads, from one ``asyncio.run`` after another and after a
    fork. Redirects are not followed: the key would go along to another host. A body is read up to
    ``MOST_BYTES``, so that no server fills the memory.
    """

    def __init__(self) -> None:
        self._tls = _tls()
        self._of_loops: dict[asyncio.AbstractEventLoop, httpx2.AsyncClient] = {}
        super().__init__(verify=self._tls, follow_redirects=False)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send over the running loop's connections; those of ended loops are let go."""
        loop = asyncio.get_running_loop()
        for ended in [other for other in list(self._of_loops) if other.is_closed()]:
            self._of_loops.pop(ended, None)
        if loop not in self._of_loops:
            self._of_loops[loop] = httpx2.AsyncClient(verify=self._tls, follow_redirects=False)
        ours = {"follow_redirects": False, "stream": True}
        response = await self._of_loops[loop].send(request, **{**options, **ours})
        return response if options.get("stream") else await _whole(response)


async def _whole(response: httpx2.Response) -> httpx2.Response:
    """Return the response with its body, unpacked; that of an error may be cut.

    Raises:
        BadAnswer: it is longer than any answer may be.
    """
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                if response.is_success:
                    raise BadAnswer("The provider's answer is too long.", reason="too_long")
                break
    finally:
        await response.aclose()
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in FORM]
    return httpx2.Response(
        response.status_code, headers=headers, content=bytes(body), request=response.request
    )


def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


@functools.cache
def connections() -> Connections:
    """Return the process's connections."""
    return Connections()
