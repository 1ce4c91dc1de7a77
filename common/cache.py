"""Django's caches for this product: they count in one step, over all threads and processes."""

from __future__ import annotations

import functools
import os
import shutil
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.core.cache.backends import filebased, locmem, redis
from django.core.files import locks


class RedisCacheClient(redis.RedisCacheClient):
    """Keeps its clients, one for each pool: to make one takes longer than to ask it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._client: Any = functools.cache(self._lib.Redis)  # type: ignore[attr-defined]


class RedisCache(redis.RedisCache):
    """Redis, asked once for a count."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = RedisCacheClient

    def count(self, key: str, *, until: int) -> int:
        """Return which use of ``key`` this is; the key ends at ``until`` (seconds of the epoch)."""
        key = self.make_and_validate_key(key)
        client = self._cache.get_client(key, write=True)
        used = int(client.incr(key))
        if used == 1:
            client.expireat(key, until)
        return used


class FileCache(filebased.FileBasedCache):
    """A folder; a count is a file of its own, locked while it changes."""

    def count(self, key: str, *, until: int) -> int:
        """Return which use of ``key`` this is; the key ends at ``until`` (seconds of the epoch)."""
        folder = Path(self._dir) / "counts" / str(until)  # type: ignore[attr-defined]
        name = sha256(self.make_and_validate_key(key).encode()).hexdigest()
        try:
            file = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            self._begin(folder)
            file = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            locks.lock(file, locks.LOCK_EX)
            used = int(os.read(file, 20) or 0) + 1
            os.pwrite(file, b"%d" % used, 0)
        finally:
            os.close(file)
        return used

    @staticmethod
    def _begin(folder: Path) -> None:
        """Make the folder of a new window and remove those whose window is over."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for other in folder.parent.iterdir():
            if other != folder and int(other.name) < time.time():
                shutil.rmtree(other, ignore_errors=True)


class MemoryCache(locmem.LocMemCache):
    """One process's memory."""

    _counting = threading.Lock()

    def count(self, key: str, *, until: int) -> int:
        """Return which use of ``key`` this is; the key ends at ``until`` (seconds of the epoch)."""
        with self._counting:
            if self.add(key, 1, timeout=until - time.time()):
                return 1
            return self.incr(key)
