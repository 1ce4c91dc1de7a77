"""P4: two workers never work the same message at once, whatever rings, sweeps or stands still."""

from __future__ import annotations

import os
import signal
import time

import pytest
from redis import Redis

from common.tests.smtp_server import ScriptedServer
from delivery.drain import SECONDS
from tests.faults.form import size
from tests.faults.tally import Tally, accept, settled_rows, statuses
from tests.servers.smtp_sink import SmtpSink
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(300)]
EXPIRE = (
    "UPDATE logs_emaillog SET leased_until = '2020-01-01' WHERE status = 'sending'",
    "UPDATE delivery_connectionslot SET leased_until = '2020-01-01' WHERE token <> ''",
)


def test_two_workers_two_sweepers_and_five_of_every_ring_send_each_message_once(production, count):
    messages, installation = size(200, long=2000), production.installation
    with SmtpSink() as sink, installation.web():
        account = production.account(port=sink.port, max_connections=4)
        accepted = accept(installation, account, messages)
        redis = Redis(port=production.redis.port)
        ring = redis.lindex("default", 0)
        redis.lpush("default", *[ring] * 4)
        with installation.worker(), installation.worker(name="second"):
            rows = settled_rows(installation, account, accepted)
        tally = Tally(accepted, [mail.data for mail in sink.received])

    count("P4", "two workers, two sweepers, a ring five times", 5, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 0


def test_a_worker_that_stood_still_past_its_lease_changes_nothing_that_another_has_done(
    production, count
):
    messages, installation, stopped_at = 20, production.installation, []

    def stop_before_the_answer(command: str) -> str:
        os.killpg(first.pid, signal.SIGSTOP)
        stopped_at.append(time.monotonic())
        return "250 2.0.0 queued"

    with ScriptedServer() as server, installation.web():
        server.on("BODY", stop_before_the_answer)
        account = production.account(port=server.port, max_connections=1)
        with installation.worker() as first:
            accepted = accept(installation, account, messages)
            until(lambda: stopped_at, timeout=30, what="the first worker stopped")
            for statement in EXPIRE:
                production.execute(statement)
            with installation.worker(name="second"):
                rows = settled_rows(installation, account, accepted)
                # A lease outlasts the time in which a drain begins messages; here it did not.
                until(
                    lambda: time.monotonic() > stopped_at[0] + SECONDS,
                    timeout=30,
                    what="the first worker's drain over",
                )
                first.thaw()
                until(
                    lambda: "an outcome came too late" in first.output,
                    timeout=30,
                    what="a late outcome refused",
                )
                afterwards = settled_rows(installation, account, accepted)
        tally = Tally(accepted, [message.data for message in server.messages])

    count("P4", "SIGSTOP past the lease, then SIGCONT", 1, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 1
    assert afterwards == rows
