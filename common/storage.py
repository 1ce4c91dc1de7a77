"""File storage that survives a power cut, and lets go of files that nobody uses."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages

SETTLED = timedelta(minutes=1)
"""After so long, whoever asked for a file has stored the row that names it, or never will."""


class DurableFileSystemStorage(FileSystemStorage):
    """Saves a file and its directory entry to the disk before it returns."""

    def _save(self, name: str, content: Any) -> str:
        saved: str = super()._save(name, content)  # type: ignore[misc]
        path = Path(self.path(saved))
        for entry in (path, path.parent):
            handle = os.open(entry, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        return saved

    def keep(self, name: str, data: bytes) -> str:
        """Return where the bytes lie; ``name`` holds their digest, so they are kept once.

        A file that is there is touched, so that :meth:`discard` knows of this caller. One that
        a crash left half written is not used.
        """
        path = Path(self.path(name))
        try:
            os.utime(path)
            if path.stat().st_size == len(data):
                return name
        except FileNotFoundError:
            pass
        return self.save(name, ContentFile(data))

    def discard(self, name: str) -> bool:
        """Delete a file that no row names, and return whether none is left.

        One that was asked for within the last minute stays: its row may not be stored yet. It
        steps aside before it is judged, so that nobody finds it and then misses it.
        """
        path = Path(self.path(name))
        aside = path.with_name(f"{path.name}.unused")
        try:
            if _is_new(path):
                return False
            path.rename(aside)
        except FileNotFoundError:
            return True
        if _is_new(aside):
            aside.rename(path)
            return False
        aside.unlink()
        return True

    def settle(self, name: str) -> None:
        """Wait until :meth:`discard` would delete the file, for a minute at most."""
        with suppress(FileNotFoundError):
            time.sleep(max(0.0, _left(Path(self.path(name)))))


def _is_new(path: Path) -> bool:
    return _left(path) > 0


def _left(path: Path) -> float:
    """Return for how many seconds the file still counts as new."""
    return min(path.stat().st_mtime - time.time(), 0.0) + SETTLED.total_seconds()


def attachments() -> DurableFileSystemStorage:
    """Return where files of messages and inbound mails lie."""
    storage = storages["attachments"]
    if not isinstance(storage, DurableFileSystemStorage):
        raise TypeError("the attachments' storage must be durable")
    return storage
