"""A drain's outcomes on their way into the database: together, 50 at a time or after 100 ms."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from common.orm import in_thread
from delivery.ledger import Ledger
from delivery.recording import Entry
from logs.transitions import Outcome

MOST = 50
SECONDS = 0.1


class Books:
    """Used in one event loop; what is entered is stored by the time ``close`` returns.

    Both methods raise what kept earlier entries from being stored; the journal has these.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._open: list[Entry] = []
        self._is_full = asyncio.Event()
        self._has_room = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def enter(self, outcome: Outcome, *, bad_addresses: Sequence[str] = ()) -> None:
        """Take an outcome; waits where the database is slower than the mail server."""
        if self._writer is None or self._writer.done():
            await self.close()
            self._writer = asyncio.create_task(self._write())
        self._open.append(Entry(outcome, bad_addresses))
        if len(self._open) >= MOST:
            self._is_full.set()
        if len(self._open) >= 2 * MOST:
            self._has_room.clear()
            await self._has_room.wait()

    async def close(self) -> None:
        """Store what was entered."""
        self._is_full.set()
        if self._writer is not None:
            await self._writer
        self._is_full.clear()

    async def _write(self) -> None:
        try:
            await self._wait()
            while self._open:
                entries, self._open = self._open, []
                self._is_full.clear()
                self._has_room.set()
                await in_thread(self._ledger.record, entries)
                await self._wait()
        finally:
            self._has_room.set()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                await self._is_full.wait()
