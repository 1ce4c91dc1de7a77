"""What one run came to, and where CPU time is read."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.servers.processes import ROOT

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One run of one party; ``figures`` are named with their unit, such as ``per_second``."""

    measure: str
    party: str
    figures: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Spent:
    """Wall time and CPU time of a stretch of work, in seconds."""

    seconds: float
    cpu: float


def cpu_of_group(group: int) -> float:
    """Return the CPU seconds that a process group and its reaped children have used."""
    return sum(_cpu(fields) for fields in _processes() if int(fields[2]) == group)


def memory_of_group(group: int) -> dict[int, float]:
    """Return the resident MB of each process in the group, by process id."""
    page = resource.getpagesize()
    return {
        int(fields[-1]): int(fields[21]) * page / 1e6
        for fields in _processes()
        if int(fields[2]) == group
    }


def _cpu(fields: list[str]) -> float:
    return sum(map(int, fields[11:15])) / TICKS


def _processes() -> list[list[str]]:
    """Fields of /proc/*/stat from the state on, and the process id at the end (see proc(5))."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        found.append([*text.rpartition(")")[2].split(), folder.name])
    return found


def in_processes(work: Callable[[int], None], *, count: int) -> Spent:
    """Run ``work(0)`` … ``work(count - 1)`` in a process each and return what they took."""
    context = get_context("fork")
    children = [context.Process(target=work, args=(number,)) for number in range(count)]
    before, began = _children_cpu(), time.monotonic()
    for child in children:
        child.start()
    for child in children:
        child.join()
    if any(child.exitcode for child in children):
        raise SystemExit("a sending process failed")
    return Spent(time.monotonic() - began, _children_cpu() - before)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def script(
    module: str, *arguments: object, env: Mapping[str, str] | None = None, limit: float
) -> Spent:
    """Run a party's module, which prints its ``Spent`` as its last line, and return that."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Spent(**json.loads(done.stdout.splitlines()[-1]))
