"""Connections that wait for an account's next message, instead of a new one for each drain.

A process keeps one per account, for 15 seconds at most. It holds one of the account's slots, by a
lease that ends by itself soon after; so a killed process needs no care. All of this is used in
the process's one event loop.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from common import loop
from common.smtp import SMTPServer, SMTPSession

IDLE_SECONDS = 15.0
SLOT_LEASE = timedelta(seconds=IDLE_SECONDS + 5)
MOST_MESSAGES = 500
LONGEST_SECONDS = 300.0
GOODBYE_SECONDS = 2.0


@dataclass(frozen=True)
class Connection:
    """A session and all that it was opened with; ``slot`` is the token of the slot it holds."""

    session: SMTPSession
    server: SMTPServer
    slot: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def is_worth_keeping(self) -> bool:
        """Whether it works, and is not so old that a new one had better find its way anew."""
        age = asyncio.get_running_loop().time() - self.session.opened_at
        is_young = self.session.count < MOST_MESSAGES and age < LONGEST_SECONDS
        return self.session.is_idle and is_young


_kept: dict[int, Connection] = {}
_leaving: set[asyncio.Task[None]] = set()


def keep(account_id: int, connection: Connection) -> None:
    """Hold the connection for the account's next drain, or close it after a while."""
    if account_id in _kept:
        _leave(_kept.pop(account_id))
    _kept[account_id] = connection
    at = asyncio.get_running_loop().time() + IDLE_SECONDS
    asyncio.get_running_loop().call_at(at, _end, account_id, connection)


def take(account_id: int) -> Connection | None:
    """Return the account's connection if one is kept; from now on it is the caller's to close."""
    return _kept.pop(account_id, None)


def close_all() -> None:
    """Say goodbye on all that is kept; for the end of a process, over in about two seconds."""
    if loop.is_running():
        loop.run(_close_all())


async def _close_all() -> None:
    for account_id in list(_kept):
        _leave(_kept.pop(account_id))
    if _leaving:
        await asyncio.wait(_leaving, timeout=GOODBYE_SECONDS)


def _end(account_id: int, connection: Connection) -> None:
    if _kept.get(account_id) is connection:
        _leave(_kept.pop(account_id))


def _leave(connection: Connection) -> None:
    task = asyncio.get_running_loop().create_task(connection.session.quit())
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)
