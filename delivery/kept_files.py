"""Files of bulk mail, read and encoded once for many recipients."""

from __future__ import annotations

import threading
from collections import OrderedDict

from delivery.mime_parts import OutgoingAttachment
from logs.models import Attachment

MOST_BYTES = 16 * 1024 * 1024

_Key = tuple[str, str, str, str]


class KeptFiles:
    """The files used last, shared by the threads of this process, up to ``most_bytes`` encoded.

    They are kept by all that they are made of; a path names one tenant and the digest of its bytes.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self.size_bytes = 0
        self._most_bytes = most_bytes
        self._kept: OrderedDict[_Key, OutgoingAttachment] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, file: Attachment) -> OutgoingAttachment:
        key = (file.path, file.filename, file.content_type, file.content_id)
        with self._lock:
            if found := self._kept.get(key):
                self._kept.move_to_end(key)
                return found
        made = encoded(file)
        with self._lock:
            self._keep(key, made)
        return made

    def _keep(self, key: _Key, made: OutgoingAttachment) -> None:
        if key in self._kept or len(made.encoded) > self._most_bytes:
            return
        self._kept[key] = made
        self.size_bytes += len(made.encoded)
        while self.size_bytes > self._most_bytes:
            _, dropped = self._kept.popitem(last=False)
            self.size_bytes -= len(dropped.encoded)


def encoded(file: Attachment) -> OutgoingAttachment:
    """Return the file as a message carries it, read from the storage."""
    return OutgoingAttachment(
        filename=file.filename,
        content_type=file.content_type,
        content=file.read(),
        content_id=file.content_id or None,
    )
