"""P6: a database that restarts, deadlocks or is locked leaves no half state."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from common.tests.smtp_server import ScriptedServer
from tests.faults.form import size
from tests.faults.runtimes import Production
from tests.faults.tally import Tally, accept, settled_rows, statuses
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(600)]

ROWS = (
    "SELECT email.id FROM logs_emaillog email JOIN accounts_emailaccount account"
    " ON account.id = account_id WHERE email_address = %s ORDER BY next_attempt_at, email.id"
)
LOCK = "SELECT id FROM logs_emaillog WHERE id = %s FOR UPDATE"
WAITERS = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"


def test_a_database_that_is_killed_in_mid_batch_costs_nothing_but_time(production, count):
    kills, messages = size(1, long=10), size(200, long=2000)
    installation = production.installation
    with ScriptedServer() as server, installation.web():
        account = production.account(port=server.port, limit_per_second=100)
        accepted = accept(installation, account, messages)
        with installation.worker() as worker:
            for _ in range(kills):
                enough = len(server.messages) + messages // (2 * kills)
                until(
                    lambda least=enough: len(server.messages) >= least, timeout=90, what="more mail"
                )
                production.mariadb.process.kill()
                production.mariadb.start()
            rows = settled_rows(installation, account, accepted)
            assert worker.is_running()
        tally = Tally(accepted, [message.data for message in server.messages])

    count("P6", "kill -9 of MariaDB in mid-batch", kills, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 0


@pytest.mark.parametrize(("fault", "code"), [("deadlock", "1213"), ("lock", "1205")])
def test_a_transaction_that_the_database_refuses_is_repeated_and_the_mail_is_not(
    production, fault, code, count
):
    installation, messages = production.installation, 6
    heard, others = threading.Event(), threading.Event()

    def take(command: str) -> str:
        heard.set()
        others.wait(30)  # the server's answer waits until a row is locked
        return "250 2.0.0 queued"

    with ScriptedServer() as server, installation.web():
        # The last two are answered together, so that one transaction stores their outcomes.
        server.on("BODY", *["250 2.0.0 queued"] * (messages - 2), take)
        account = production.account(port=server.port, max_connections=1)
        accepted = frozenset[str]()
        for _ in range(messages):  # one after the other, as they will go out
            accepted |= accept(installation, account, 1)
        *_, (one,), (other,) = production.execute(ROWS, [account])
        with installation.worker() as worker, closing(Rival(production)) as rival:
            assert heard.wait(30)
            rival.lock(other)
            others.set()
            until(rival.is_waited_for, timeout=30, what="the worker waiting for the rival's row")
            if fault == "deadlock":
                rival.lock(one)  # which the waiting worker holds
            until(lambda: f"({code}," in worker.output, timeout=30, what=f"error {code}")
            rival.give_way()
            rows = settled_rows(installation, account, accepted)
            assert worker.is_running()
        tally = Tally(accepted, [message.data for message in server.messages])

    count("P6", f"error {code} while outcomes are stored", 1, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 0


class Rival:
    """Another transaction, heavier than the worker's: of two in a deadlock the lighter is ended."""

    def __init__(self, production: Production) -> None:
        self._connection = production.connect()
        self._production = production
        self._do("CREATE TEMPORARY TABLE weight (n INT) ENGINE InnoDB")
        self._do("INSERT INTO weight SELECT seq FROM seq_1_to_5000")

    def lock(self, row: int) -> None:
        self._do(LOCK, [row])

    def is_waited_for(self) -> bool:
        ((_, waiters),) = self._production.execute(WAITERS)
        return waiters != "0"

    def give_way(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()

    def _do(self, statement: str, arguments: tuple | list = ()) -> None:
        self._connection.cursor().execute(statement, arguments)
