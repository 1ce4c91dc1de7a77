"""``manage.py run`` as a newcomer meets it: real processes in a folder of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.processes import ROOT, RunningProcess
from tests.servers.waiting import free_ports, until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

COMMAND = [sys.executable, "manage.py", "run"]
STARTING = 90


@pytest.fixture
def place(tmp_path) -> dict[str, str]:
    """An environment with a folder and ports of its own, on SQLite and files."""
    port, catcher_port = free_ports(2)
    return {
        "DJANGO_SETTINGS_MODULE": "sendcraft_project.settings.embedded",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'var' / 'sendcraft.sqlite3'}",
        "SENDCRAFT_DATA": str(tmp_path / "var"),
        "SENDCRAFT_PORT": str(port),
        "SENDCRAFT_CATCHER_PORT": str(catcher_port),
    }


@contextmanager
def running(place: dict[str, str]) -> Iterator[RunningProcess]:
    process = RunningProcess(COMMAND, env=place)
    try:
        process.wait_until(lambda one: "-d " in one.output, timeout=STARTING)
        yield process
    finally:
        if process.is_running():
            process.signal(signal.SIGTERM)
            until(lambda: not process.is_running(), timeout=30, what="the end of run")
        process.kill()


def processes_in(place: dict[str, str]) -> dict[int, str]:
    """Return the commands of all processes that write to this place's folder, by id."""
    mark = f"SENDCRAFT_DATA={place['SENDCRAFT_DATA']}".encode()
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended, or is somebody else's
            continue
    return {pid: command for pid, command in found.items() if command}


def worker_of(place: dict[str, str], *, run: int) -> int:
    """Return the worker that ``run`` started, 0 where there is none; the urgent one is another."""
    for pid, command in processes_in(place).items():
        if " --hostname worker@" in command and parent_of(pid) == run:
            return pid
    return 0


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def get(place: dict[str, str], path: str) -> int:
    url = f"http://127.0.0.1:{place['SENDCRAFT_PORT']}{path}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status


def test_it_starts_everything_and_a_killed_worker_again_and_leaves_nothing_behind(place):
    with running(place) as first:
        kept = json.loads((Path(place["SENDCRAFT_DATA"]) / "credentials.json").read_text())
        assert get(place, "/readyz") == 200
        assert get(place, "/admin/login/") == 200
        assert all(value in first.output for value in kept.values())
        assert first.stop() == 0
    assert processes_in(place) == {}

    with running(place) as second:
        assert all(value in second.output for value in kept.values())
        killed = until(lambda: worker_of(place, run=second.pid), timeout=30, what="the worker")
        os.kill(killed, signal.SIGKILL)
        until(
            lambda: worker_of(place, run=second.pid) not in (0, killed),
            timeout=60,
            what="a new worker",
        )
        assert killed not in processes_in(place)
        until(lambda: '"program": "worker"' in second.output, timeout=30, what="the log line")

        second.signal(signal.SIGINT)
        until(lambda: not second.is_running(), timeout=30, what="the end of run")
        assert second.stop() == 0
    assert processes_in(place) == {}


@pytest.mark.parametrize("variable", ["SENDCRAFT_PORT", "SENDCRAFT_CATCHER_PORT"])
def test_a_port_in_use_is_named_with_its_variable(place, variable):
    with socket.create_server(("127.0.0.1", int(place[variable]))):
        done = subprocess.run(
            COMMAND, env={**os.environ, **place}, cwd=ROOT, capture_output=True, text=True
        )

    assert done.returncode == 1
    assert variable in done.stderr
    assert place[variable] in done.stderr
    assert "Traceback" not in done.stderr
