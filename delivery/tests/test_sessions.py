"""Connections that outlive a drain, and the slots that they hold."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import EmailAccount
from common.tests.smtp_server import DROP, Drip, ScriptedServer
from delivery import jobs, sessions, slots, stopping
from delivery.models import ConnectionSlot
from delivery.tests.sending import account_at, drained, queue, queue_many
from logs.models import EmailLog
from tests.servers.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server():
    with ScriptedServer(users={"shop": "first"}) as server:
        yield server


@pytest.fixture
def account(tenant, server) -> EmailAccount:
    return account_with_password(server, tenant=tenant)


def account_with_password(server: ScriptedServer, *, tenant: object, **fields) -> EmailAccount:
    account = account_at(server, tenant=tenant, smtp_username="shop", **fields)
    account.smtp_password = "first"
    account.save()
    return account


def held_slots() -> list[ConnectionSlot]:
    return list(ConnectionSlot.objects.exclude(token=""))


def test_the_next_drain_goes_on_over_the_connection_of_the_last(account, server):
    first, second = drained(queue(account)), drained(queue(account))

    assert (first.status, second.status) == ("sent", "sent")
    assert len(server.connections) == 1
    assert server.verbs.count("AUTH") == 1
    assert len(held_slots()) == 1


def test_each_message_has_its_own_dialogue_in_its_history_over_a_kept_connection(account):
    drained(queue(account))

    email = drained(queue(account, to_address="second@example.com"))

    transcript = email.events.get(type="sent").data["transcript"]
    assert [line for line in transcript if "RCPT" in line] == ["> RCPT TO:<second@example.com>"]
    assert not any("AUTH" in line for line in transcript)


def test_an_account_that_connects_differently_does_not_go_over_the_old_connection(account, server):
    drained(queue(account))
    server.users["shop"] = "second"
    account.smtp_password = "second"
    account.save()

    email = drained(queue(account))

    assert email.status == "sent"
    assert server.verbs.count("AUTH") == 2
    assert server.connections[0].commands[-1] == "QUIT"


def test_an_account_with_one_connection_keeps_none_from_other_workers(tenant, server):
    account = account_with_password(server, tenant=tenant, max_connections=1)

    drained(queue(account))

    assert server.connections[0].closed.wait(5)
    assert server.verbs[-1] == "QUIT"
    assert held_slots() == []


def test_the_last_free_slot_is_never_held_for_a_connection_that_is_idle(tenant, server):
    account = account_with_password(server, tenant=tenant, max_connections=2)
    now = timezone.now()
    lease = {"until": now + timedelta(minutes=2), "at": now}
    assert slots.take(account, token="a" * 32, **lease)

    drained(queue(account))

    assert server.connections[0].closed.wait(5)
    assert [slot.token for slot in held_slots()] == ["a" * 32]


def test_a_kept_connection_counts_and_its_slot_ends_by_itself_where_its_process_is_killed(
    tenant, server
):
    account = account_with_password(server, tenant=tenant, max_connections=3)
    drained(queue(account))
    now = timezone.now()
    lease = {"until": now + timedelta(minutes=2), "at": now}

    taken = [slots.take(account, token=str(number), **lease) for number in range(3)]
    later = now + timedelta(seconds=21)

    assert taken == [True, True, False]
    assert slots.take(account, token="late", until=later, at=later)


def test_a_drain_takes_the_slot_of_its_kept_connection_over(tenant, server):
    account = account_with_password(server, tenant=tenant, max_connections=2)

    for _ in range(3):
        drained(queue(account))

    assert len(server.connections) == 1
    assert len(held_slots()) == 1


@pytest.mark.parametrize(
    "ending", [[DROP], ["421 4.4.2 idle too long", DROP], [b"250 one too many\r\n"]]
)
def test_a_kept_connection_that_ended_meanwhile_costs_no_message_a_try(account, server, ending):
    server.on("BODY", ["250 2.0.0 queued", *ending])
    drained(queue(account))
    if DROP in ending:
        assert server.connections[0].closed.wait(5)

    email = drained(queue(account))

    assert (email.status, email.retry_count) == ("sent", 0)
    assert len(server.connections) == 2
    assert len(server.messages) == 2


@pytest.mark.parametrize("answer", [DROP, ["421 4.7.0 enough for one connection", DROP], "what?"])
@pytest.mark.parametrize("event", ["MAIL", "RCPT", "DATA"])
def test_a_kept_connection_that_ends_in_the_envelope_is_replaced_at_once(
    account, server, event, answer
):
    server.on(event, None, answer)
    drained(queue(account))

    email = drained(queue(account))

    assert (email.status, email.retry_count) == ("sent", 0)
    assert len(server.connections) == 2
    assert len(server.messages) == 2


def test_an_idle_connection_says_goodbye_after_a_while(account, server, monkeypatch):
    monkeypatch.setattr(sessions, "IDLE_SECONDS", 0.05)

    drained(queue(account))

    assert server.connections[0].closed.wait(5)
    assert server.verbs[-1] == "QUIT"


def test_a_much_used_connection_is_not_kept(account, server, monkeypatch):
    monkeypatch.setattr(sessions, "MOST_MESSAGES", 3)
    queue_many(account, 3)

    jobs.drain_account(account.pk)
    drained(queue(account))

    assert server.connections[0].commands[-1] == "QUIT"
    assert len(server.connections) == 2


def test_a_worker_that_is_asked_to_stop_keeps_no_connection(account, server):
    def stop(command: str) -> str:
        stopping.ask()
        return "250 2.0.0 queued"

    server.on("BODY", stop)
    try:
        drained(queue(account))
    finally:
        stopping.forget()

    assert server.connections[0].closed.wait(5)
    assert held_slots() == []


def test_the_end_of_a_process_says_goodbye_on_what_it_keeps(account, server):
    drained(queue(account))

    sessions.close_all()

    until(lambda: server.verbs[-1] == "QUIT", timeout=5, what="a goodbye")


def test_the_next_envelope_goes_along_with_a_messages_body(account, server):
    server.always("DATA", [b"354 ", Drip(b"go ahead\r\n", every=0.02)])
    queue_many(account, 6)

    jobs.drain_account(account.pk)

    assert set(EmailLog.objects.values_list("status", flat=True)) == {"sent"}
    assert server.received.count(b"\r\n.\r\nMAIL FROM:") >= 3


def test_a_message_that_was_announced_when_its_account_is_paused_is_not_tried(account, server):
    server.always("DATA", [b"354 ", Drip(b"go ahead\r\n", every=0.02)])
    server.on("MAIL", None, "553 5.7.1 not your address")
    queue_many(account, 4)

    jobs.drain_account(account.pk)

    account.refresh_from_db()
    assert account.paused_reason == "553 5.7.1 not your address"
    assert [message.recipients for message in server.messages if message.data] == [
        ["r0@example.com"]
    ]
    waiting = EmailLog.objects.filter(status="queued")
    assert [(email.retry_count, email.in_data) for email in waiting] == [(0, False)] * 3
