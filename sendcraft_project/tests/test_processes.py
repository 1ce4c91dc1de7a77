"""Programs are kept running, and nothing of them stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sendcraft_project import processes
from sendcraft_project.processes import Program, Supervisor
from tests.servers.waiting import until

FAMILY = """
import os, pathlib, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); time.sleep(600)"],
    stdout=subprocess.PIPE)
child.stdout.readline()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def signals():
    kept = {number: signal.getsignal(number) for number in (2, 15, 1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def families(tmp_path) -> Path:
    return tmp_path / "families"


@pytest.fixture
def supervisor(signals, tmp_path, families):
    """Keeps one program running, which has a child that ignores SIGTERM."""
    with closing(Supervisor(folder=tmp_path)) as running:
        running.start(Program("family", (sys.executable, "-S", "-c", FAMILY, str(families))))
        yield running


def started(families: Path) -> list[list[int]]:
    lines = families.read_text().splitlines() if families.exists() else []
    return [[int(pid) for pid in line.split()] for line in lines]


def test_a_killed_program_is_started_again_without_its_old_children(supervisor, families):
    assert supervisor.watch(until=lambda: len(started(families)) == 1)
    [(parent, child)] = started(families)

    os.kill(parent, signal.SIGKILL)

    assert supervisor.watch(until=lambda: len(started(families)) == 2)
    assert not is_alive(child)
    assert all(is_alive(pid) for pid in started(families)[1])


def test_closing_ends_a_program_and_the_children_that_ignore_sigterm(supervisor, families):
    assert supervisor.watch(until=lambda: len(started(families)) == 1)
    family = started(families)[0]

    supervisor.close()

    until(lambda: not any(map(is_alive, family)), timeout=10, what="the family's end")


def test_a_program_that_ignores_sigterm_is_killed_after_a_bounded_wait(
    signals, tmp_path, monkeypatch
):
    monkeypatch.setattr(processes, "STOPPING", timedelta(milliseconds=200))
    stubborn = (
        "import signal, pathlib, os, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)"
    )
    supervisor = Supervisor(folder=tmp_path)
    supervisor.start(Program("stubborn", (sys.executable, "-c", stubborn)))
    supervisor.watch(until=lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())

    supervisor.close()

    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_program_that_keeps_ending_is_started_less_and_less_often(signals, tmp_path, caplog):
    with closing(Supervisor(folder=tmp_path)) as supervisor:
        supervisor.start(Program("broken", (sys.executable, "-S", "-c", "raise SystemExit(3)")))
        supervisor.watch(until=lambda: len(caplog.records) == 2)

    first, second = caplog.records
    assert (first.program, first.exit_code) == ("broken", 3)
    assert second.pause_seconds == 2 * first.pause_seconds


def test_a_signal_ends_the_watch(supervisor):
    os.kill(os.getpid(), signal.SIGTERM)

    assert supervisor.watch(until=lambda: False) is False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of it")
def test_programs_end_when_their_supervisor_is_killed(tmp_path):
    code = (
        "import pathlib, sys, time; from sendcraft_project.processes import *; "
        "s = Supervisor(folder=pathlib.Path(sys.argv[1])); "
        "s.start(Program('p', (sys.executable, '-S', '-c', 'import os, pathlib, time; "
        'pathlib.Path("pid").write_text(str(os.getpid())); time.sleep(600)\'))); '
        "s.watch()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    file = tmp_path / "pid"
    until(lambda: file.exists() and file.read_text(), timeout=30, what="the program's start")
    pid = int(file.read_text())

    parent.kill()
    parent.wait()

    until(lambda: not is_alive(pid), timeout=10, what="the program's end")


def test_warnings_are_passed_on_and_routine_lines_are_not(signals, tmp_path, capfd):
    lines = (
        'print(\'{"event": "a", "level": "info"}\'); '
        'print(\'{"event": "b", "level": "warning"}\'); print(\'Traceback\')'
    )
    with closing(Supervisor(folder=tmp_path)) as supervisor:
        supervisor.start(Program("talker", (sys.executable, "-S", "-c", lines)))
        seen: list[str] = []

        def heard() -> bool:
            seen.append(capfd.readouterr().err)
            return "Traceback" in "".join(seen)

        supervisor.watch(until=heard)

    assert '"event": "b"' in "".join(seen)
    assert '"event": "a"' not in "".join(seen)
