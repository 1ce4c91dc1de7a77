"""P12: a server that greylists gets each message once, when it is willing."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.utils import timezone

from delivery import jobs
from delivery.models import Suppression
from delivery.tests.sending import account_at, queue
from logs.models import EmailLog
from tests.faults.form import size
from tests.faults.tally import Tally
from tests.servers import postgrey
from tests.servers.databases import skip_or_fail
from tests.servers.mail_server import ALICE
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


class Greylisted:
    host = "127.0.0.1"

    def __init__(self, mail_server) -> None:
        self.port = mail_server.greylisted_port


@pytest.fixture
def greylisting(mail_server):
    if reason := postgrey.missing():
        skip_or_fail(reason)
    with postgrey.postgrey(port=mail_server.policy_port, delay=2):
        yield Greylisted(mail_server)


def test_greylisted_mail_waits_a_minute_and_arrives_once(
    greylisting, mail_server, api, tenant, count
):
    messages = size(5, long=100)
    account = account_at(greylisting, tenant=tenant)
    emails = [
        queue(account, to_address=ALICE.replace("@", f"+{number}@")) for number in range(messages)
    ]
    jobs.drain_account(account.pk)
    deferred = list(EmailLog.objects.values_list("status", "retry_count"))
    waits = [each.next_attempt_at - timezone.now() for each in EmailLog.objects.all()]

    def is_sent() -> bool:
        """Try again as a person may; the server's own clock says when it is willing."""
        cache.clear()
        for email in EmailLog.objects.filter(status="queued"):
            api.post(f"/api/v1/logs/{email.tracking_id}/retry")
        jobs.drain_account(account.pk)
        return not EmailLog.objects.exclude(status="sent").exists()

    until(is_sent, timeout=60, what="all greylisted mail sent")
    mail_server.wait_for(ALICE, count=messages)
    until(lambda: not mail_server.postfix.queued(), timeout=30, what="Postfix done")
    accepted = frozenset(str(email.tracking_id) for email in emails)
    tally = Tally(accepted, mail_server.messages(ALICE))

    count("P12", "greylisting by Postgrey", messages, tally)
    tally.assert_nothing_lost_or_invented()
    assert tally.extra == 0
    assert set(deferred) == {("queued", 1)}
    assert all(60 < wait.total_seconds() < 90 for wait in waits)
    assert not Suppression.objects.exists()
