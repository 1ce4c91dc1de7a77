"""Whether a mail may be taken apart here, asked of a program that may hang or die of it."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from django.conf import settings

from inbox.kinds import QuarantineReason
from inbox.vetting import LENGTH

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "inbox.vetting")
SECONDS = 30.0
"""For one mail, and the start of the program; far more than its own limit of processor time."""
ENDING_SECONDS = 5.0
MOST_MAILS = 200
"""After so many a fresh program goes on."""
_REASONS = {reason.value: reason for reason in QuarantineReason}


class Vetter:
    """Keeps one such program for many mails; started at the first, ended with the block.

    Started as a program, never forked: a fork would hold the locks of the worker's journals.
    """

    def __init__(self, *, command: Sequence[str] = COMMAND, seconds: float = SECONDS) -> None:
        self._command = command
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def verdict_on(self, raw: bytes) -> QuarantineReason | None:
        """Return why the mail must not be taken apart, None if it may be."""
        process = self._running()
        self._count += 1
        deadline = time.monotonic() + self._seconds
        try:
            answer = _asked(process, raw, deadline=deadline)
        except TimeoutError:
            return self._lost(QuarantineReason.TOO_SLOW)
        except OSError:
            return self._lost(_why_ended(process))
        reason = _REASONS.get(answer)
        if answer and reason is None:
            return self._lost(QuarantineReason.UNREADABLE)
        if self._count >= MOST_MAILS:
            self._end()
        return reason

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._count = 0
            self._process = subprocess.Popen(  # noqa: S603  a fixed command
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd=settings.BASE_DIR,
                env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
            )
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    os.set_blocking(pipe.fileno(), False)
        return self._process

    def _lost(self, reason: QuarantineReason) -> QuarantineReason:
        logger.warning("a mail ended the program that reads it", extra={"reason": reason.value})
        self._end()
        return reason

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        self._process = None


def _why_ended(process: subprocess.Popen[bytes]) -> QuarantineReason:
    """Return what a program that ended by itself tells of the mail: SIGPROF is its own limit."""
    try:
        code = process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        return QuarantineReason.UNREADABLE
    is_slow = code == -signal.SIGPROF
    return QuarantineReason.TOO_SLOW if is_slow else QuarantineReason.UNREADABLE


def _asked(process: subprocess.Popen[bytes], raw: bytes, *, deadline: float) -> str:
    """Return the program's line on ``raw``.

    Raises:
        TimeoutError: it took until the deadline.
        OSError: it ended.
    """
    if process.stdin is None or process.stdout is None:
        raise OSError("the program has no pipes")
    _write(process.stdin.fileno(), LENGTH.pack(len(raw)) + raw, deadline=deadline)
    answer = b""
    while not answer.endswith(b"\n"):
        _wait([process.stdout.fileno()], [], deadline=deadline)
        piece = os.read(process.stdout.fileno(), 100)
        if not piece or len(answer) > 100:
            raise OSError("the program ended")
        answer += piece
    return answer.decode("ascii", "replace").strip()


def _write(pipe: int, data: bytes, *, deadline: float) -> None:
    rest = memoryview(data)
    while rest:
        _wait([], [pipe], deadline=deadline)
        rest = rest[os.write(pipe, rest[: 64 * 1024]) :]


def _wait(reading: list[int], writing: list[int], *, deadline: float) -> None:
    """``poll``, since ``select`` knows no file numbers above 1023."""
    waiting = select.poll()
    for number in reading:
        waiting.register(number, select.POLLIN)
    for number in writing:
        waiting.register(number, select.POLLOUT)
    if not waiting.poll(max(deadline - time.monotonic(), 0) * 1000):
        raise TimeoutError
