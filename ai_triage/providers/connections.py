"""The HTTP connections to models, kept over calls."""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import Any

import httpx2


class Connections(httpx2.AsyncClient):
    """A client for a whole process: each event loop has connections of its own.

    So it may be used from several threads, from one ``asyncio.run`` after another and after a
    fork. Redirects are not followed: the key would go along to another host.
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
        return await self._of_loops[loop].send(request, **{**options, "follow_redirects": False})


def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


@functools.cache
def connections() -> Connections:
    """Return the process's connections."""
    return Connections()
