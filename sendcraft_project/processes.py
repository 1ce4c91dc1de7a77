"""Child processes that belong together: started, watched, started again, and ended as one."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

logger = logging.getLogger(__name__)

URGENT = "--pool threads --concurrency 16 --queues high,default"
"""Options of the Celery worker for which slow accounts are in no way."""

LOOK_EVERY = 0.1
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=500), timedelta(seconds=30)
LASTING = timedelta(minutes=1)
STOPPING = timedelta(seconds=20)
ROUTINE = (b'"level": "info"', b'"level": "debug"')

# Linux tells a child when its parent was killed, so that even then no orphan stays. A program
# of its own asks for it: code between fork and exec is unsafe once there are threads.
LEASH = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, int(signal.SIGTERM)); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True)
class Program:
    """A command to be kept running, under the name that people read."""

    name: str
    command: tuple[str, ...]


class Child:
    """One program in a process group of its own, started again whenever it ends."""

    def __init__(self, program: Program, *, folder: Path) -> None:
        self.program = program
        self._folder = folder
        self._pause = FIRST_PAUSE
        self._start_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    def look_after(self) -> None:
        """Start it again, after a pause that grows while it keeps ending soon."""
        if self._process is not None and self._process.poll() is not None:
            self._note_end(self._process)
        if self._process is None and time.monotonic() >= self._start_at:
            self._start()

    def terminate(self) -> None:
        """Ask it to end; to be asked twice would make a Celery worker drop its tasks."""
        if self._process is not None:
            self._process.terminate()

    def end(self, *, deadline: float) -> None:
        """Wait for its end until ``deadline`` (monotonic) and leave nothing of it behind."""
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=max(deadline - time.monotonic(), 0))
        _kill_group(self._process)
        self._process.wait()
        self._process = None

    def _start(self) -> None:
        self._started_at = time.monotonic()
        self._process = process = subprocess.Popen(  # noqa: S603
            _leashed(self.program.command),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=_relay, args=[process.stdout], daemon=True).start()

    def _note_end(self, process: subprocess.Popen[bytes]) -> None:
        _kill_group(process)  # a worker's own children outlive it
        self._process = None
        lasted = timedelta(seconds=time.monotonic() - self._started_at)
        pause = FIRST_PAUSE if lasted > LASTING else self._pause
        self._pause = min(pause * 2, LONGEST_PAUSE)
        self._start_at = time.monotonic() + pause.total_seconds()
        logger.warning(
            "process ended, starting it again",
            extra={
                "program": self.program.name,
                "exit_code": process.returncode,
                "pause_seconds": pause.total_seconds(),
            },
        )


class Supervisor:
    """Keeps programs running; SIGINT, SIGTERM and SIGHUP end the watch, ``close`` the programs."""

    def __init__(self, *, folder: Path) -> None:
        self._is_stopping = False
        self._folder = folder
        self._children: list[Child] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def close(self) -> None:
        """End all programs; none is left."""
        deadline = time.monotonic() + STOPPING.total_seconds()
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.end(deadline=deadline)

    def start(self, *programs: Program) -> None:
        self._children += [Child(program, folder=self._folder) for program in programs]

    def watch(self, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Keep the programs running; True when ``until`` holds, False when a signal came."""
        while not self._is_stopping:
            for child in self._children:
                child.look_after()
            if until():
                return True
            time.sleep(LOOK_EVERY)
        return False

    def _stop(self, number: int, frame: object) -> None:
        self._is_stopping = True


def _leashed(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", LEASH, *command]


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _relay(output: IO[bytes]) -> None:
    """Pass on what a child says, but for routine lines, which stand in the log files."""
    with output:
        for line in output:
            if not any(mark in line for mark in ROUTINE):
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
