"""P7: a full disk is refused, not swallowed, and the work goes on when there is room again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from common.tests.smtp_server import ScriptedServer
from tests.faults.runtimes import Embedded
from tests.faults.tally import Tally, accept, request_of, rows_of, settled_rows, statuses
from tests.servers.databases import skip_or_fail
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(300)]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB of its own."""
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)]
    if subprocess.run(command, capture_output=True).returncode:
        skip_or_fail("a file system of its own can't be mounted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.fixture
def embedded(small_disk) -> Embedded:
    runtime = Embedded(small_disk)
    runtime.installation.set_up()
    return runtime


def fill(disk: Path) -> Path:
    """Take all that is free, down to the last block, and return the file that holds it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return ballast


def test_the_api_refuses_what_it_can_not_store_and_stores_it_once_there_is_room(
    embedded, small_disk, count
):
    installation, refused = embedded.installation, []
    with ScriptedServer() as server, installation.web():
        account = embedded.account(port=server.port)
        before = accept(installation, account, 20)
        ballast = fill(small_disk)

        def is_refused() -> bool:
            """What is left in the write-ahead log's last pages may still take a few."""
            body = request_of(account, 100 + len(refused))
            refused.append(installation.call("POST", "/emails/send", body))
            return refused[-1].status_code != 202

        until(is_refused, timeout=30, what="a request that is refused")
        squeezed_in = {answer.json()["tracking_id"] for answer in refused[:-1]}
        again = installation.call("POST", "/emails/send", request_of(account, 1))
        kept = set(rows_of(installation, account))
        ballast.unlink()
        with installation.worker():
            after = accept(installation, account, 5)
            accepted = before | squeezed_in | after
            rows = settled_rows(installation, account, accepted)
        tally = Tally(accepted, [message.data for message in server.messages])
    ((integrity,),) = embedded.execute("PRAGMA integrity_check")

    count("P7", "requests while the disk is full", 1, tally)
    tally.assert_nothing_lost_or_invented()
    assert (refused[-1].status_code, again.status_code) == (503, 503)
    assert refused[-1].json()["errors"][0]["code"] == "unavailable"
    assert kept == before | squeezed_in
    assert statuses(rows) == {"sent": len(accepted)}
    assert (tally.extra, integrity) == (0, "ok")
