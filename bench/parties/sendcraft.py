"""SendCraft itself: a whole installation with web and worker processes, driven from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.installation import Installation
from tests.servers.processes import ROOT, RunningProcess, running
from tests.servers.waiting import answers

WEB = (
    "--workers 2 --worker-class gthread --threads 8 --timeout 60 --log-level warning "
    "--no-control-socket"
)


class Hub:
    """One installation; ``call`` runs a function of ``bench.inside`` in it."""

    def __init__(self, name: str, installation: Installation, *, database_group: int) -> None:
        self.name = name
        self.installation = installation
        self.database_group = database_group
        self.key = ""
        self._inside = subprocess.Popen(
            [sys.executable, "-m", "bench.inside"],
            cwd=ROOT,
            env={**os.environ, **installation.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(installation.folder / "inside.log").open("wb"),
            text=True,
        )

    def call(self, name: str, /, **arguments: Any) -> Any:
        """Return what the function of ``bench.inside`` returns."""
        assert self._inside.stdin
        assert self._inside.stdout
        self._inside.stdin.write(json.dumps([name, arguments]) + "\n")
        self._inside.stdin.flush()
        if line := self._inside.stdout.readline():
            return json.loads(line)
        log = (self.installation.folder / "inside.log").read_text()
        raise RuntimeError(f"{name} failed\n{log[-3000:]}")

    def close(self) -> None:
        self._inside.kill()
        self._inside.wait()

    @contextmanager
    def worker(self) -> Iterator[RunningProcess]:
        with self.installation.worker() as worker:
            yield worker

    @contextmanager
    def web(self) -> Iterator[RunningProcess]:
        port = self.installation.port
        command = [sys.executable, "-m", "gunicorn", "sendcraft_project.wsgi:application"]
        command += [*WEB.split(), "--bind", f"127.0.0.1:{port}"]
        with running(command, env=self.installation.env, ready=lambda _: answers(port)) as web:
            yield web


@contextmanager
def hub(name: str, folder: Path, *, env: dict[str, str], database_group: int = 0) -> Iterator[Hub]:
    """Set up an installation in ``folder`` and take it down at the block's end."""
    folder.mkdir()
    installation = Installation(folder, env=env)
    installation.manage("migrate", "--verbosity", "0")
    with ExitStack() as stack:
        made = Hub(name, installation, database_group=database_group)
        stack.callback(made.close)
        made.key = made.call("prepare")
        yield made
