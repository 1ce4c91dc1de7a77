"""Runtimes to break, and the table of what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import report
from tests.faults.form import IS_LONG
from tests.faults.runtimes import Embedded, Production
from tests.faults.tally import Tally
from tests.servers import private
from tests.servers.databases import skip_or_fail

FOLDER = Path(__file__).resolve().parents[2] / "var" / "faults"
KEY = "faults"


@pytest.fixture(scope="session")
def _embedded(tmp_path_factory) -> Embedded:
    runtime = Embedded(tmp_path_factory.mktemp("embedded"))
    runtime.installation.set_up()
    return runtime


@pytest.fixture(scope="session")
def _production(tmp_path_factory) -> Iterator[Production]:
    if reason := private.missing():
        skip_or_fail(reason)
    runtime = Production(tmp_path_factory.mktemp("production"))
    try:
        runtime.installation.set_up()
        yield runtime
    finally:
        runtime.stop()


@pytest.fixture
def embedded(_embedded: Embedded) -> Embedded:
    """SQLite and the filesystem broker; web and worker are for the test to start."""
    return _embedded


@pytest.fixture
def production(_production: Production) -> Production:
    """MariaDB and Redis of this run alone; web and worker are for the test to start."""
    return _production


@pytest.fixture(params=["embedded", "production"])
def runtime(request) -> Embedded | Production:
    """Both, one after the other; a test may choose by indirect parameters."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def count(record_property) -> Callable[..., None]:
    """Tell the table what a promise cost: ``count("P2", "kills of the worker", 20, tally)``."""

    def enter(promise: str, done: str, faults: int, tally: Tally) -> None:
        accepted, received = len(tally.accepted), tally.received.total()
        values = (promise, done, faults, accepted, received, tally.extra, len(tally.lost))
        record_property(KEY, dict(zip(report.COLUMNS, values, strict=True)))

    return enter


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    done = [report for name in ("passed", "failed") for report in terminalreporter.getreports(name)]
    rows = [value for each in done for key, value in each.user_properties if key == KEY]
    if rows and IS_LONG:
        rows.sort(key=report.sort_key)
        report.write(rows, folder=FOLDER)
        terminalreporter.write_sep("=", f"promises ({FOLDER})")
        terminalreporter.write(report.as_markdown(rows))
