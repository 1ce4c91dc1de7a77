"""Several drains of one account at once, some of which die: nothing is lost, nothing goes twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import TypeVar

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from accounts.models import EmailAccount
from common.smtp import Outcome, Phase, Receipt, Reply
from delivery import jobs, outcomes
from delivery.ledger import Ledger
from delivery.outcomes import Attempt
from delivery.recording import Entry
from delivery.tests.sending import account_at
from logs.models import EmailEvent, EmailLog
from logs.tests.builders import an_email
from tests.servers.waiting import free_ports

pytestmark = pytest.mark.django_db(transaction=True)
T = TypeVar("T")
DRAINS, MESSAGES, SECONDS = 4, 120, 60
TAKEN, BUSY = Reply(250, ("2.0.0 queued",)), Reply(450, ("4.2.0 busy",))


class Host:
    host, port = "127.0.0.1", free_ports(1)[0]


class Worker:
    """Drains the account again and again, over a wire that only notes what was taken."""

    def __init__(self, account: EmailAccount, *, seed: int, wire: list[int]) -> None:
        self.account_id, self.wire, self.chance = account.pk, wire, Random(seed)

    def run(self) -> None:
        over_at = time.monotonic() + SECONDS
        try:
            while open_ones().exists() and time.monotonic() < over_at:
                self.drain()
        finally:
            connection.close()

    def drain(self) -> None:
        ledger = Ledger(self.account_id)
        size, noted = self.chance.randint(1, 20), self.chance.random() < 0.5
        emails = again(lambda: ledger.claim(most=size, noted=noted))
        if not noted:
            emails = again(lambda: ledger.note_data(emails))
        dies_after = self.chance.randint(0, 40)
        for email in emails[:dies_after]:
            self.handle(ledger, email)
        if dies_after < len(emails):
            ledger.journal.unsettled.add((0, 0))  # a killed process leaves its file
        else:
            again(ledger.close)
        ledger.let_go()
        again(jobs.sweep)

    def handle(self, ledger: Ledger, email: EmailLog) -> None:
        """Release it, or send it and forget, or not, to record what came of it."""
        kind = self.chance.choice(["release", "busy", "forget", "send", "send", "send"])
        if kind == "release":
            again(lambda: ledger.release([email]))
            return
        ledger.journal.begin(email)
        reply = BUSY if kind == "busy" else TAKEN
        if reply is TAKEN:
            self.wire.append(email.pk)
        receipt = Receipt({email.to_address: Outcome(reply, Phase.BODY)})
        attempt = Attempt(email, began_at=ledger.now(), at=ledger.now())
        ledger.journal.hear(attempt, receipt)
        if kind != "forget":
            again(lambda: ledger.record([Entry(outcomes.of_receipt(attempt, receipt))]))
            EmailLog.objects.filter(pk=email.pk, status="queued").update(
                next_attempt_at=timezone.now()
            )


def again(work: Callable[[], T]) -> T:
    """Do it again after a deadlock, as a drain does."""
    for _ in range(20):
        try:
            return work()
        except OperationalError:
            time.sleep(0.01)
    return work()


def open_ones():
    return EmailLog.objects.filter(status__in=["queued", "sending"])


def test_drains_that_race_and_die_lose_nothing_and_send_nothing_twice(tenant):
    # Without limits: the lock on their counters would keep claims apart by itself.
    account = account_at(Host, tenant=tenant, max_connections=50)
    now = timezone.now()
    ids = [
        an_email(
            tenant,
            account=account,
            to_address=f"r{number}@example.com",
            priority=10 + number % 3 * 10,
            queued_at=now,
            tried_since=now,
            next_attempt_at=now - timedelta(minutes=1),
        ).pk
        for number in range(MESSAGES)
    ]
    wire: list[int] = []

    with ThreadPoolExecutor(DRAINS) as pool:
        for run in [pool.submit(Worker(account, seed=s, wire=wire).run) for s in range(DRAINS)]:
            run.result()

    ends = EmailEvent.objects.exclude(type__in=["sending", "deferred"])
    assert Counter(wire) == Counter(ids)
    assert Counter(ends.values_list("email_id", "type")) == Counter((pk, "sent") for pk in ids)
    assert not EmailLog.objects.exclude(status="sent", lease_token="", in_data=False).exists()
