"""What a drain has begun and heard, in a local file that outlives a killed process."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from common.smtp import Outcome, Phase, Receipt, Reply
from delivery.outcomes import Attempt
from logs.models import EmailLog

logger = logging.getLogger(__name__)

NAME = re.compile(r"[0-9a-f]{32}")
Key = tuple[int, int]
"""A message's id and attempt."""


class JournalFull(Exception):
    """The journal can't be written, most likely for want of space: no data may go."""

    def __init__(self) -> None:
        super().__init__("The disk of the worker is full.")


class Journal:
    """One drain's file: locked while the drain lives, gone once all that it says is recorded.

    A line is one ``write`` without fsync: it survives the process, not the machine. Only the
    process that made it may hold the lock, so nothing may fork while a drain runs.
    """

    def __init__(self) -> None:
        """Lock the file before it gets its name: under its name it is never seen unlocked."""
        self.token = secrets.token_hex(16)
        self.unsettled: set[Key] = set()
        self._path = _folder() / self.token
        new = self._path.with_suffix(".new")
        self._file = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        self._is_whole = True
        fcntl.flock(self._file, fcntl.LOCK_EX)
        new.rename(self._path)

    def begin(self, email: EmailLog) -> None:
        """Say that the message's data goes now.

        Raises:
            JournalFull: it could not be said, so the data must not go.
        """
        self._write(f'["begun",{email.pk},{email.attempt}]\n'.encode())
        self.unsettled.add((email.pk, email.attempt))
        email.in_data = True

    def hear(self, attempt: Attempt, receipt: Receipt) -> None:
        """Keep the server's last word on the message until it is recorded."""
        line = ["heard", attempt.email.pk, attempt.email.attempt, _as_json(attempt, receipt)]
        try:
            self._write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except JournalFull:  # without the line, a kill now costs one more copy
            logger.warning("the journal takes no more", extra={"email": attempt.email.pk})

    def settle(self, emails: Iterable[EmailLog]) -> None:
        """Forget messages whose rows say all that is known."""
        self.unsettled.difference_update((email.pk, email.attempt) for email in emails)

    def close(self) -> None:
        """Let go of the file; what is not settled is read by the next drain or sweep."""
        if not self.unsettled:
            self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        """Append one line; after half a one nothing more, which could be read as its rest."""
        try:
            if not self._is_whole or os.write(self._file, line) != len(line):
                self._is_whole = False
                raise JournalFull
        except OSError as error:
            raise JournalFull from error


@dataclass(frozen=True)
class Heard:
    """The server's word on one attempt; ``via`` as in ``Attempt``."""

    began_at: datetime
    at: datetime
    receipt: Receipt
    via: str = ""


@dataclass(frozen=True)
class Legacy:
    """What a drain that is gone has left; ``token`` stands on the leases it held."""

    token: str
    begun: set[Key] = field(default_factory=set)
    heard: dict[Key, Heard] = field(default_factory=dict)


def bury_dead(settle: Callable[[Legacy], None]) -> None:
    """Call ``settle`` with what each dead drain of this machine has left, then forget it."""
    for path in _folder().iterdir():
        if NAME.fullmatch(path.name):
            _bury(path, settle)


def _bury(path: Path, settle: Callable[[Legacy], None]) -> None:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:
                settle(_read(path.name, file))
                path.unlink(missing_ok=True)
    except (BlockingIOError, FileNotFoundError):
        return  # it lives, or another sweep was first


def _read(token: str, lines: Iterable[bytes]) -> Legacy:
    legacy = Legacy(token)
    for kind, key, rest in _entries(lines):
        legacy.begun.add(key)
        if kind == "heard":
            legacy.heard[key] = _heard(rest[0])
    return legacy


def _entries(lines: Iterable[bytes]) -> Iterator[tuple[str, Key, list[Any]]]:
    for line in lines:
        try:
            kind, pk, attempt, *rest = json.loads(line)
        except ValueError:  # half a line, the last
            continue
        yield kind, (pk, attempt), rest


def _as_json(attempt: Attempt, receipt: Receipt) -> dict[str, Any]:
    return {
        "began_at": attempt.began_at.isoformat(),
        "at": attempt.at.isoformat(),
        "via": attempt.via,
        "outcomes": {
            to: [word.phase, word.reply.code, word.reply.lines]
            for to, word in receipt.outcomes.items()
        },
    }


def _heard(data: Mapping[str, Any]) -> Heard:
    outcomes = {
        to: Outcome(Reply(code, tuple(lines)), Phase(phase))
        for to, (phase, code, lines) in data["outcomes"].items()
    }
    began_at, at = (datetime.fromisoformat(data[name]) for name in ("began_at", "at"))
    return Heard(began_at, at, Receipt(outcomes), via=data.get("via", ""))


def _folder() -> Path:
    folder: Path = settings.DATA_DIR / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
