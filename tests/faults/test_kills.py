"""P2 and P3: workers that are killed lose nothing, and repeat no more than was on the wire."""

from __future__ import annotations

import random
import threading

import pytest

from common.tests.smtp_server import HANG, ScriptedServer
from tests.faults.form import size
from tests.faults.tally import Tally, accept, settled_rows, statuses
from tests.servers.mail_server import ALICE
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(900)]

CONNECTIONS = 2
TO = ALICE.replace("@", "+{number}@")


def test_kills_at_random_times_lose_nothing_and_repeat_no_more_than_was_on_the_wire(
    runtime, mail_server, count
):
    messages, kills = size(300, long=2000), size(5, long=20)
    installation = runtime.installation
    with installation.web():
        account = runtime.account(port=mail_server.plain_port, max_connections=CONNECTIONS)
        accepted = accept(installation, account, messages, to=TO)
        for _ in range(kills):
            enough = arrived(mail_server) + random.randrange(messages // kills)
            with installation.worker() as worker:
                until(
                    lambda least=enough: arrived(mail_server) > least,
                    timeout=60,
                    what=f"more than {enough} mails",
                )
                worker.kill()
        with installation.worker():
            rows = settled_rows(installation, account, accepted)
        until(lambda: not mail_server.postfix.queued(), timeout=60, what="Postfix done")
        tally = Tally(accepted, mail_server.messages(ALICE))

    count("P2", "kill -9 of the worker's process group at random times", kills, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra <= kills * CONNECTIONS


@pytest.mark.parametrize(
    ("runtime", "never_twice"),
    [("embedded", False), ("production", True)],
    indirect=["runtime"],
)
def test_a_kill_between_the_final_dot_and_its_answer_costs_one_copy_or_an_unknown_outcome(
    runtime, never_twice, count
):
    kills, messages = size(3, long=20), size(20, long=100)
    installation = runtime.installation
    runtime.execute("UPDATE tenants_tenant SET never_twice = %s", [never_twice])
    with ScriptedServer() as server, installation.web():
        account = runtime.account(port=server.port, max_connections=1)
        accepted = accept(installation, account, messages)
        for _ in range(kills):
            taken = threading.Event()
            server.on("BODY", *["250 2.0.0 queued"] * 2, taken_without_a_word(taken))
            with installation.worker() as worker:
                assert taken.wait(60)
                worker.kill()
        with installation.worker():
            rows = settled_rows(installation, account, accepted)
        tally = Tally(accepted, [message.data for message in server.messages])
    runtime.execute("UPDATE tenants_tenant SET never_twice = %s", [False])

    done = "kill -9 after the final dot, before the answer"
    count("P3", done + (", never twice" if never_twice else ""), kills, tally)
    tally.assert_nothing_lost_or_invented()
    if never_twice:
        assert statuses(rows) == {"sent": messages - kills, "failed": kills}
        failed = [row for row in rows.values() if row["status"] == "failed"]
        assert {row["error_code"] for row in failed} == {"outcome_unknown"}
        assert tally.extra == 0
    else:
        assert statuses(rows) == {"sent": messages}
        assert tally.extra == kills


def arrived(mail_server) -> int:
    return len(mail_server.messages(ALICE))


def taken_without_a_word(taken: threading.Event):
    def answer(command: str) -> object:
        taken.set()
        return [b"", HANG]  # an empty answer: the message counts as taken

    return answer
