"""What waits on an account, counted so far as it costs little."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone, translation

from common.tests.smtp_server import ScriptedServer
from delivery import backoff, jobs, tallies
from delivery.status import account_queues, sent_last_minute, why_held
from delivery.tallies import Reach
from delivery.tests.sending import account_at, queue, queue_many
from logs.models import EmailLog

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def account(tenant, server):
    return account_at(server, tenant=tenant)


def figures(at=None, **options) -> list[tuple[str, ...]]:
    return [
        tuple(map(str, (each.due, each.sending, each.scheduled, each.retrying)))
        for each in account_queues(at=at or timezone.now(), **options)
    ]


def test_open_messages_are_counted_by_what_they_wait_for_over_all_priorities(account):
    for priority in ("high", "normal", "low"):
        queue(account, priority=priority)
        queue(account, priority=priority, send_at=timezone.now() + HOUR)
    later = queue(account, send_at=timezone.now() + HOUR)
    EmailLog.objects.filter(pk=later.pk).update(retry_count=2)
    held = queue(account)
    EmailLog.objects.filter(pk=held.pk).update(status="sending")

    assert figures() == [("3", "1", "3", "1")]
    assert figures(at=timezone.now() + 2 * HOUR) == [("7", "1", "0", "0")]


def test_a_long_queue_is_counted_no_further_than_costs_little(account, capsys):
    queue_many(account, 5)
    queue_many(account, 4, send_at=timezone.now() + HOUR)

    call_command("queue_status")

    assert capsys.readouterr().out.splitlines()[1].split()[1:5] == ["5", "0", "4", "0"]
    assert figures(reach=Reach(due=3, later=2)) == [("3+", "0", "2+", "0+")]


def test_accounts_beyond_one_statement_are_all_counted(tenant, server, monkeypatch):
    monkeypatch.setattr(tallies, "ACCOUNTS_AT_ONCE", 2)
    for number in range(5):
        queue(account_at(server, tenant=tenant, name=f"a{number}"))

    assert figures() == [("1", "0", "0", "0")] * 5


def test_the_oldest_is_the_one_at_the_front_of_the_queue(account):
    first, *_others = queue_many(account, 3, priority="low")
    long_ago = timezone.now() - 5 * HOUR
    EmailLog.objects.filter(pk=first.pk).update(queued_at=long_ago, next_attempt_at=long_ago)

    (queued,) = account_queues(at=timezone.now())

    assert queued.oldest == long_ago


def test_why_a_server_is_left_alone_is_told_in_the_readers_language(account):
    backoff.begin(account.pk, reason="The server could not be reached.")
    in_english = why_held(account)

    with translation.override("pt"):
        in_portuguese = why_held(account)

    assert in_english == "server left alone: The server could not be reached."
    assert "The server" not in in_portuguese


def test_the_rate_is_what_went_out_in_the_last_minute_without_test_mail(account, server):
    queue_many(account, 3)
    queue(account, mode="test")
    jobs.drain_account(account.pk)
    queue(account, send_at=timezone.now() + HOUR)

    assert [each.sent for each in account_queues(at=timezone.now())] == [3]
    assert not sent_last_minute(at=timezone.now() + HOUR)
