"""P8 and P12: every line of the table of server behaviour, and what it means for a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from common.tests.smtp_server import DROP, Drip, ScriptedServer
from delivery import backoff
from delivery.models import Suppression
from delivery.tests.sending import account_at, drained, drained_later, queue
from logs.models import EmailLog

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

SOON, LATER = timedelta(seconds=75), timedelta(minutes=5)
AT_ONCE, NEVER = timedelta(0), None
BUSY = [b"421 4.3.2 closing\r\n", DROP]


@dataclass(frozen=True)
class After:
    """The row after one attempt; ``wait`` is how long it rests, give or take a tenth."""

    status: str
    wait: timedelta | None = NEVER
    retries: int = 0
    code: str = ""
    suppressed: bool = False
    leaves_server_alone: bool = False


def waiting(code: str = "", *, wait: timedelta = LATER, alone: bool = False) -> After:
    return After("queued", wait, 1, code, leaves_server_alone=alone)


TABLE = {
    "421 as banner": ("BANNER", BUSY, waiting("connection_failed", alone=True)),
    "554 as banner": (
        "BANNER", "554 5.3.2 no service", After("queued", AT_ONCE, leaves_server_alone=True),
    ),
    "451 greylisting at RCPT": (
        "RCPT", "451 4.7.1 Greylisted, come back", waiting("refused_at_rcpt", wait=SOON),
    ),
    "450 at RCPT": ("RCPT", "450 4.2.0 mailbox busy", waiting("refused_at_rcpt")),
    "421 at RCPT": ("RCPT", BUSY, waiting("connection_failed", alone=True)),
    "550 5.1.1 at RCPT": (
        "RCPT", "550 5.1.1 no such user",
        After("bounced", code="refused_at_rcpt", suppressed=True),
    ),
    "550 5.7.1 at RCPT": (
        "RCPT", "550 5.7.1 not welcome", After("bounced", code="refused_at_rcpt"),
    ),
    "451 at DATA": ("DATA", "451 4.3.0 later", waiting("refused_at_data")),
    "451 after the dot": ("BODY", "451 4.3.0 later", waiting("refused_at_body")),
    "552 after the dot": (
        "BODY", "552 5.3.4 too big", After("bounced", code="refused_at_body"),
    ),
    "421 after the dot": ("BODY", BUSY, waiting("connection_failed", alone=True)),
    "a drop after the dot": ("BODY", DROP, waiting("outcome_unknown", alone=True)),
    "a drop at QUIT": ("QUIT", DROP, After("sent")),
    "a reply without a code": ("RCPT", b"what?\r\n", waiting("connection_failed", alone=True)),
    "a line of 9,000 bytes": (
        "RCPT", b"550 " + b"x" * 9000 + b"\r\n", waiting("connection_failed", alone=True),
    ),
    "a banner without end": (
        "BANNER", Drip(b"220-x\r\n", every=0, size=7, forever=True),
        waiting("connection_failed", alone=True),
    ),
    "an EHLO without end": (
        "EHLO", Drip(b"250-X\r\n", every=0, size=7, forever=True),
        waiting("connection_failed", alone=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("event", "answer", "after"), TABLE.values(), ids=TABLE)
def test_each_behaviour_of_a_server_has_its_own_meaning(tenant, event, answer, after):
    with ScriptedServer() as server:
        server.on(event, answer)
        account = account_at(server, tenant=tenant)
        email = drained(queue(account))
    account.refresh_from_db()

    assert (email.status, email.retry_count) == (after.status, after.retries)
    assert email.error_code == after.code
    assert_rests(email, after.wait)
    assert Suppression.objects.exists() == after.suppressed
    assert backoff.is_on(account.pk) == after.leaves_server_alone
    assert (account.is_active, account.paused_at) == (True, None)


def assert_rests(email: EmailLog, wait: timedelta | None) -> None:
    if wait is NEVER:
        assert email.next_attempt_at is None
        return
    rests = email.next_attempt_at - timezone.now()
    assert wait * 0.9 - timedelta(minutes=1) <= rests <= wait * 1.1


@pytest.mark.parametrize("event", ["BANNER", "RCPT", "BODY"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_server_that_closes_for_now_gets_the_message_once_in_the_end(tenant, event, times):
    with ScriptedServer() as server:
        server.on(event, *[BUSY] * times)
        email = queue(account_at(server, tenant=tenant))
        drained(email)
        again(email, drained_later, times=times)

    assert (email.status, email.retry_count) == ("sent", times)
    assert len(server.messages) == 1
    assert not Suppression.objects.exists()


def again(email: EmailLog, attempt: Callable[[EmailLog], EmailLog], *, times: int) -> None:
    for _ in range(times):
        attempt(email)
