"""P4: two workers never work the same message at once, whatever rings, sweeps or stands still."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest
from redis import Redis

from common.tests.smtp_server import ScriptedServer
from delivery.lane import LONGEST_IN_HAND
from tests.faults.form import IS_LONG, size
from tests.faults.tally import Tally, accept, settled_rows, statuses
from tests.installation import Installation
from tests.servers.smtp_sink import SmtpSink
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(300)]
DRAINED = "Task delivery.drain_account"
EXPIRE = (
    "UPDATE logs_emaillog SET leased_until = '2020-01-01' WHERE status = 'sending'",
    "UPDATE delivery_connectionslot SET leased_until = '2020-01-01' WHERE token <> ''",
)


@pytest.fixture
def other_host(production, tmp_path) -> Installation:
    """The same installation on a machine of its own: only the keys are the same in its folder."""
    here = production.installation
    for name in ("encryption_key", "secret_key"):
        shutil.copy2(here.folder / name, tmp_path)
    return Installation(tmp_path, env=here.env | {"SENDCRAFT_DATA": str(tmp_path)})


def test_two_worker_hosts_two_sweepers_and_five_of_every_ring_send_each_message_once(
    production, other_host, count
):
    messages, installation = size(200, long=2000), production.installation
    with SmtpSink() as sink, installation.web():
        account = production.account(port=sink.port, max_connections=4)
        accepted = accept(installation, account, messages // 2)
        redis = Redis(port=production.redis.port)
        ring = redis.lindex("default", 0)
        with installation.worker() as one, other_host.worker() as other:
            redis.lpush("default", *[ring] * 4)
            accepted |= accept(installation, account, messages // 2)
            rows = settled_rows(installation, account, accepted)
            assert DRAINED in one.output
            assert DRAINED in other.output
        tally = Tally(accepted, [mail.data for mail in sink.received])

    count("P4", "two worker hosts, two sweepers, a ring five times", 5, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 0


def test_a_worker_that_stood_still_past_its_lease_changes_nothing_that_another_has_done(
    production, other_host, count
):
    messages, installation, stopped_at = 20, production.installation, []
    earlier = size(0, long=4)

    def stop_before_the_answer(command: str) -> str:
        os.killpg(first.pid, signal.SIGSTOP)
        stopped_at.append(time.monotonic())
        return "250 2.0.0 queued"

    with ScriptedServer() as server, installation.web():
        # In the long form it is stopped with the next message built and told of, too.
        server.on("BODY", *["250 2.0.0 queued"] * earlier, stop_before_the_answer)
        account = production.account(port=server.port, max_connections=1)
        with installation.worker() as first:
            accepted = accept(installation, account, messages)
            until(lambda: stopped_at, timeout=30, what="the first worker stopped")
            for statement in EXPIRE:
                production.execute(statement)
            with other_host.worker():
                rows = settled_rows(installation, account, accepted)
                if IS_LONG:  # a lease outlasts the time that a built message may wait
                    time.sleep(LONGEST_IN_HAND)
                first.thaw()
                until(
                    lambda: "an outcome came too late" in first.output,
                    timeout=30,
                    what="a late outcome refused",
                )
                until(lambda: is_idle(production), timeout=30, what="the first worker's drain over")
                afterwards = settled_rows(installation, account, accepted)
        tally = Tally(accepted, [message.data for message in server.messages])

    count("P4", "SIGSTOP past the lease, then SIGCONT", 1, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    # What it heard in the last 100 ms is not recorded yet, and only its own host could know.
    assert 1 <= tally.extra <= 1 + earlier
    assert max(tally.received.values()) == 2
    assert afterwards == rows


def is_idle(production) -> bool:
    """Whether no drain is left: each has a journal while it lives."""
    return not list((production.installation.folder / "journal").iterdir())
