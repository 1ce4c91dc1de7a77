"""Which worker processes of this machine live: each holds a lock on a file of its own."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

KEY = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class _Worker:
    key: str
    pid: int
    lock: int


_own: _Worker | None = None


def new_token() -> str:
    """Return a token for leases that begins with this process's key."""
    global _own  # noqa: PLW0603  one per process, made after the fork
    if _own is None or _own.pid != os.getpid():
        _own = _enter()
    return _own.key + secrets.token_hex(8)


def bury_dead(settle: Callable[[str], None]) -> None:
    """Call ``settle`` with the key of each process that is gone, then forget it."""
    for path in _folder().iterdir():
        if KEY.fullmatch(path.name):
            _bury(path, settle)


def _enter() -> _Worker:
    """Lock the file before it gets its name: under its name it is never seen unlocked."""
    key = secrets.token_hex(8)
    new = _folder() / f"{key}.new"
    lock = os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    new.rename(_folder() / key)
    return _Worker(key, os.getpid(), lock)


def _bury(path: Path, settle: Callable[[str], None]) -> None:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            settle(path.name)
            path.unlink(missing_ok=True)
    except (BlockingIOError, FileNotFoundError):
        return  # it lives, or another sweep was first


def _folder() -> Path:
    folder: Path = settings.DATA_DIR / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
