"""Hits in files of this machine, for as long as the database does not take them."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core import serializers
from django.core.serializers.base import DeserializationError
from django.db import DatabaseError, InterfaceError, close_old_connections

from common.ids import uuid7
from logs.models import TrackingHit

logger = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024 * 1024


def write(hits: Sequence[TrackingHit]) -> None:
    """Keep the hits in a new file; beyond 256 MB of files, or with a full disk, they are lost."""
    path = _folder() / f"{uuid7()}.hits"
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sum(file.stat().st_size for file in _files()) > MOST_BYTES:
            raise OSError("too much is kept already")
        text = serializers.serialize("jsonl", hits, ensure_ascii=True)  # a line stays one
        new.touch(mode=0o600, exist_ok=False)
        new.write_text(text)
        new.rename(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        logger.error("hits are lost", extra={"count": len(hits), "error": str(error)})


def is_any() -> bool:
    return bool(_files())


def read_in() -> None:
    """Store what lies in files, each of them once; what the database does not take stays there."""
    for path in _files():
        try:
            with path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_nlink:
                    _store(file.read())
                    path.unlink()
        except (BlockingIOError, FileNotFoundError):
            continue  # another process was first
        except (OSError, DatabaseError, InterfaceError) as error:
            logger.warning("hits stay in files", extra={"error": type(error).__name__})
            return
        except DeserializationError:
            path.rename(path.with_suffix(".bad"))
            logger.exception("a file of hits can't be read")


def _store(text: str) -> None:
    close_old_connections()
    found = (each.object for each in serializers.deserialize("jsonl", text))
    hits = [hit for hit in found if isinstance(hit, TrackingHit)]
    TrackingHit.objects.bulk_create(hits, ignore_conflicts=True)


def _files() -> list[Path]:
    return sorted(_folder().glob("*.hits"))


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "hits"
