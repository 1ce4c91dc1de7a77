"""Real processes of the product (or of a server), each in its own process group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from .waiting import LOOPBACK, until

ROOT = Path(__file__).resolve().parents[2]
WORKER_OPTIONS = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


class RunningProcess:
    """A started command; signals reach only its own process group.

    The child is reaped in ``stop`` and ``kill`` only: until then its id can't belong to
    anybody else, so that no signal hits a stranger.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self.name = Path(command[0]).name
        self._child = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def output(self) -> str:
        """What it has printed so far, on stdout and stderr."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def is_running(self) -> bool:
        """Return whether the process itself, not only a child of it, still lives."""
        if self._child.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait_until(
        self, condition: Callable[[RunningProcess], bool], *, timeout: float = 60
    ) -> None:
        """Return when ``condition`` holds; fail with the output when the process ends first."""

        def holds_or_ended() -> bool:
            return condition(self) or not self.is_running()

        try:
            until(holds_or_ended, timeout=timeout, what=f"{self.name} ready")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.output}") from None
        if not condition(self):
            raise AssertionError(f"{self.name} ended early\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, as a supervisor would; none once it is reaped."""
        if self._child.returncode is None:
            os.kill(self.pid, number)

    def stop(self, *, timeout: float = 30) -> int:
        """Ask it to end (SIGTERM), sweep up its group, and return its exit code.

        An AssertionError with the output tells that it had to be killed.
        """
        self.signal(signal.SIGTERM)
        try:
            until(lambda: not self.is_running(), timeout=timeout, what=f"{self.name} stopped")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.output}") from None
        finally:
            self.kill()
        return self._child.returncode

    def freeze(self) -> None:
        """Stop the whole group where it is (SIGSTOP), until ``thaw``."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the whole group at once (SIGKILL), as a crashed machine would."""
        if self._child.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._child.wait()


@contextmanager
def running(
    command: Sequence[str],
    *,
    ready: Callable[[RunningProcess], bool],
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Iterator[RunningProcess]:
    """Start ``command``, wait until it is ``ready``, and leave nothing of it behind."""
    process = RunningProcess(command, env=env)
    try:
        process.wait_until(ready, timeout=timeout)
        yield process
        process.stop()
    finally:
        process.kill()


@contextmanager
def web_server(*, port: int, env: Mapping[str, str], workers: int = 1) -> Iterator[RunningProcess]:
    """Serve the product with gunicorn on loopback until the block ends."""
    command = [sys.executable, "-m", "gunicorn", "sendcraft_project.wsgi:application"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
    # As in the product. A short keep-alive would close a client's connection as it asks again.
    command += ["--worker-class", "gthread", "--threads", "8", "--keep-alive", "75"]
    with running(command, env=env, ready=lambda _: serves(port)) as process:
        yield process


def serves(port: int, path: str = "/healthz") -> bool:
    """Return whether a web server answers: its port does long before it has loaded the product."""
    try:
        return requests.get(f"http://{LOOPBACK}:{port}{path}", timeout=30).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


@contextmanager
def celery_worker(
    *, env: Mapping[str, str], options: Sequence[str] = (), wrapper: Sequence[str] = ()
) -> Iterator[RunningProcess]:
    """Run a Celery worker of the product until the block ends; ``options`` as for Celery.

    ``wrapper`` is a command such as ``faketime`` that becomes the worker.
    """
    command = [*wrapper, sys.executable, "-m", "celery", "-A", "sendcraft_project", "worker"]
    command += ["--loglevel", "info", *WORKER_OPTIONS, *options]
    with running(command, env=env, ready=lambda worker: " ready." in worker.output) as process:
        yield process
