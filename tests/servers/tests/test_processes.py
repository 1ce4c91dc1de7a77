"""Processes are started, watched and ended, and only those that were started."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.servers.processes import RunningProcess, running
from tests.servers.waiting import answers, free_ports, until

PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


def python(code: str, **env: str) -> RunningProcess:
    return RunningProcess([sys.executable, "-c", code], env=env)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_process_is_ready_when_its_port_answers_and_gone_after_the_block():
    [port] = free_ports(1)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]

    with running(command, ready=lambda _: answers(port)) as process:
        assert process.is_running()

    assert not answers(port)
    assert not process.is_running()


def test_it_sees_the_environment_it_was_given_and_its_output_is_kept():
    process = python("import os; print(os.environ['COLOUR'])", COLOUR="green")

    process.wait_until(lambda it: "green" in it.output)

    process.kill()


def test_waiting_for_a_process_that_ends_early_shows_what_it_said():
    process = python("raise SystemExit('no database')")

    with pytest.raises(AssertionError, match="no database"):
        process.wait_until(lambda _: False)

    process.kill()


def test_a_kill_takes_the_children_along():
    process = python(PARENT)
    process.wait_until(lambda it: it.output.endswith("\n"))
    child = int(process.output.split()[1])

    process.kill()

    until(lambda: not is_alive(child), timeout=10, what="the child's end")
    assert not process.is_running()


def test_a_stop_returns_the_exit_code():
    process = python(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: exit(7))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    process.wait_until(lambda it: "ready" in it.output)

    assert process.stop() == 7


def test_a_process_that_ignores_the_stop_is_killed_and_reported():
    process = python(STUBBORN)
    process.wait_until(lambda it: "deaf" in it.output)

    with pytest.raises(AssertionError, match="stopped: not within"):
        process.stop(timeout=0.2)

    assert not process.is_running()


def test_no_signal_is_sent_once_the_process_is_reaped(monkeypatch):
    process = python("pass")
    process.kill()
    sent = []
    monkeypatch.setattr(os, "kill", lambda *signal: sent.append(signal))
    monkeypatch.setattr(os, "killpg", lambda *signal: sent.append(signal))

    process.signal(signal.SIGTERM)
    process.kill()

    assert sent == []
