"""P16: workers whose clocks are wrong by more than a lease lasts lose and repeat nothing."""

from __future__ import annotations

import shutil

import pytest

from common.tests.smtp_server import ScriptedServer
from tests.faults.form import size
from tests.faults.tally import Tally, accept, settled_rows, statuses
from tests.servers.databases import skip_or_fail

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(300)]


def clock(shift: str) -> tuple[str, ...]:
    """A command whose program believes the time to be so much later (``+5m``) or earlier.

    Its monotonic clock stays right, as it does when a machine's time is set.
    """
    if not shutil.which("faketime"):
        skip_or_fail("faketime is not installed")
    return ("env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", shift)


def test_workers_five_minutes_ahead_and_as_much_behind_share_one_account(production, count):
    messages, installation = size(200, long=2000), production.installation
    with ScriptedServer() as server, installation.web():
        account = production.account(port=server.port, max_connections=4)
        with (
            installation.worker(wrapper=clock("+5m")),
            installation.worker(name="second", wrapper=clock("-5m")),
        ):
            accepted = accept(installation, account, messages)
            rows = settled_rows(installation, account, accepted)
        tally = Tally(accepted, [message.data for message in server.messages])

    count("P16", "two workers, 5 minutes ahead and 5 behind", 2, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 0
