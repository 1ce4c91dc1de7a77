"""P7: a full disk is refused, not swallowed, and the work goes on when there is room again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from common.tests.smtp_server import ScriptedServer
from tests.faults.form import size
from tests.faults.runtimes import Embedded
from tests.faults.tally import Tally, accept, request_of, rows_of, settled_rows, statuses
from tests.servers.databases import skip_or_fail
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(300)]

BALLAST = "ballast"
NOTICES = ("database or disk is full", "the journal takes no more")
"""What a worker says of a full disk, by what met it first."""


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A file system of 24 MB of its own."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        skip_or_fail("a file system of its own can't be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def embedded(small_disk) -> Embedded:
    runtime = Embedded(small_disk)
    runtime.installation.set_up()
    return runtime


def fill(disk: Path) -> Path:
    """Take all that is free, down to the last block, and return the file that holds it."""
    ballast = disk / BALLAST
    with ballast.open("ab", buffering=0) as file:
        for block in (1 << 16, 1 << 12):
            try:
                while file.write(b"x" * block):
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


def test_a_worker_whose_disk_fills_up_in_mid_batch_goes_on_once_there_is_room(
    embedded, small_disk, count
):
    messages, installation = size(80, long=300), embedded.installation
    with ScriptedServer() as server, installation.web():
        account = embedded.account(port=server.port, limit_per_second=20)
        accepted = accept(installation, account, messages)
        with installation.worker() as worker:
            until(lambda: len(server.messages) >= 10, timeout=60, what="10 mails")

            def has_noticed() -> bool:
                """What others delete meanwhile makes room, so that is filled too."""
                fill(small_disk)
                return any(words in worker.output for words in NOTICES)

            until(has_noticed, timeout=60, what="the full disk noticed")
            (small_disk / BALLAST).unlink()
            rows = settled_rows(installation, account, accepted)
            assert worker.is_running()
        tally = Tally(accepted, [message.data for message in server.messages])

    count("P7", "a disk that fills up in mid-batch", 1, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 0
