"""Kombu's filesystem transport, safe to use from several processes.

Kombu 5.7 fills a message's or an exchange's file in place, so that another process can read it
half written, which ends a Celery worker. Here a file gets its name once it is whole.
"""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from time import monotonic_ns
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

Binding = filesystem.exchange_queue_t


class Channel(filesystem.Channel):
    """What tasks are put into and taken from; one folder holds the messages of all queues."""

    def _put(  # type: ignore[override]  # the two base classes name it differently
        self, queue: str, payload: Any, **kwargs: Any
    ) -> None:
        name = f"{monotonic_ns():020}_{uuid.uuid4()}.{queue}.msg"
        try:
            _write(Path(self.data_folder_out) / name, dumps(payload))
        except OSError as error:
            raise ChannelError(f"The message could not be stored: {error.strerror}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = Path(self.data_folder_in)
        for path in sorted(folder.glob(f"*.{queue}.msg")):
            if payload := _taken(path):
                return loads(payload)
        raise Empty

    def get_table(self, exchange: str) -> list[Any]:
        try:
            stored = self._file(exchange).read_text()
        except FileNotFoundError:
            return []
        return [Binding(*each) for each in loads(stored)]

    def _queue_bind(
        self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None
    ) -> None:
        binding = Binding(routing_key or "", pattern or "", queue or "")
        with self._binding():
            table = self.get_table(exchange)
            if binding not in table:
                _write(self._file(exchange), dumps([binding, *table]))

    def _file(self, exchange: str) -> Path:
        return Path(self.control_folder) / f"{exchange}.exchange"

    @contextmanager
    def _binding(self) -> Iterator[None]:
        """One process at a time reads and replaces the exchanges' files."""
        with (Path(self.control_folder) / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Transport(filesystem.Transport):
    """For ``filesystem://``, in place of Kombu's."""

    Channel = Channel


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{uuid.uuid4()}.part")
    try:
        part.write_text(text)
        part.rename(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _taken(path: Path) -> str | None:
    """Return the file's text and remove it, None if another process took it."""
    mine = path.with_name(f"{path.name}.{uuid.uuid4()}.taken")
    try:
        path.rename(mine)
    except FileNotFoundError:
        return None
    text = mine.read_text()
    mine.unlink()
    return text
