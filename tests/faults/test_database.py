"""P6: a database that restarts, deadlocks or is locked leaves no half state."""

from __future__ import annotations

import threading

import pytest

from common.tests.smtp_server import ScriptedServer
from tests.faults.form import size
from tests.faults.tally import Tally, accept, settled_rows, statuses
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(600)]

LOCK = "SELECT id FROM logs_emaillog WHERE account_id = %s ORDER BY id DESC LIMIT 1 FOR UPDATE"
ID = "SELECT id FROM accounts_emailaccount WHERE email_address = %s"
WAITERS = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"


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
    taken, others = threading.Event(), threading.Event()

    def take(command: str) -> str:
        taken.set()
        others.wait(30)  # the server's answer waits until the rows are locked
        return "250 2.0.0 queued"

    with ScriptedServer() as server, installation.web():
        server.on("BODY", take)
        account = production.account(port=server.port, max_connections=1)
        ((account_id,),) = production.execute(ID, [account])
        accepted = accept(installation, account, messages)
        with installation.worker() as worker:
            assert taken.wait(30)
            rival = Rival(production, account_id)
            others.set()
            until(rival.is_waited_for, timeout=30, what="the worker waiting for the rival's row")
            if fault == "deadlock":
                rival.cross()
            until(lambda: f"({code}" in worker.output, timeout=30, what=f"error {code}")
            rival.give_way()
            rows = settled_rows(installation, account, accepted)
        tally = Tally(accepted, [message.data for message in server.messages])

    count("P6", f"error {code} while outcomes are stored", 1, tally)
    tally.assert_nothing_lost_or_invented()
    assert statuses(rows) == {"sent": messages}
    assert tally.extra == 0


class Rival:
    """Another transaction, heavier than the worker's, that holds the account's last row."""

    def __init__(self, production, account_id: int) -> None:
        self._connection = production.connect()
        self._production, self._account_id = production, account_id
        self._do("CREATE TEMPORARY TABLE weight (n INT) ENGINE InnoDB")
        self._do("INSERT INTO weight SELECT seq FROM seq_1_to_5000")
        self._do("UPDATE weight SET n = n + 1")
        self._do(LOCK, [account_id])

    def is_waited_for(self) -> bool:
        return self._production.execute(WAITERS) != [(0,)]

    def cross(self) -> None:
        """Ask for a row that the waiting worker has locked."""
        self._do(LOCK.replace("DESC", "ASC"), [self._account_id])

    def give_way(self) -> None:
        self._connection.rollback()
        self._connection.close()

    def _do(self, statement: str, arguments: tuple | list = ()) -> None:
        self._connection.cursor().execute(statement, arguments)
