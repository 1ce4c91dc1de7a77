"""Whether this worker was asked to stop: the signal reaches only the process that forks."""

from __future__ import annotations

import mmap
import struct
import time

_ASKED_AT = struct.Struct("d")
# Anonymous and shared: what the parent writes after the fork, its children read.
_shared = mmap.mmap(-1, _ASKED_AT.size)


def ask() -> None:
    """Let drains of this process and its children finish what they have in hand."""
    _ASKED_AT.pack_into(_shared, 0, time.monotonic())


def is_asked() -> bool:
    return waiting_seconds() > 0


def waiting_seconds() -> float:
    """Return for how long we have been asked to stop, 0 if we are not."""
    (asked_at,) = _ASKED_AT.unpack_from(_shared)
    return max(time.monotonic() - asked_at, 1e-9) if asked_at else 0.0


def forget() -> None:
    """Go on: another worker runs in this process."""
    _ASKED_AT.pack_into(_shared, 0, 0.0)
