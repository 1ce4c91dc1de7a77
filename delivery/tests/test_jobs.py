"""From a due row to the server's answer, and what an answer makes of the row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from celery import current_app
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import EmailAccount
from common.tests.smtp_server import DROP, Drip, ScriptedServer
from delivery import backoff, doorbell, feed, jobs, slots, stopping, tasks
from delivery.ledger import Ledger
from delivery.models import Suppression
from delivery.tests.sending import ANA, BOB, account_at, drained, drained_later, queue, queue_many
from logs import transitions
from logs.models import EmailLog
from tests.factories import make_template

pytestmark = pytest.mark.django_db(transaction=True)
SOON = timedelta(minutes=2)


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def account(tenant, server) -> EmailAccount:
    return account_at(server, tenant=tenant)


def history(email: EmailLog) -> list[str]:
    return list(email.events.order_by("pk").values_list("type", flat=True))


def statuses() -> set[str]:
    return set(EmailLog.objects.values_list("status", flat=True))


def elsewhere(work: Callable[[], object]) -> None:
    """Do ``work`` in a thread: a server's script runs in its event loop, where no ORM may."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def take_all_back() -> None:
    transitions.take_back_expired(at=timezone.now() + timedelta(hours=1))
    EmailLog.objects.update(next_attempt_at=timezone.now())
    connection.close()


def waits(email: EmailLog) -> timedelta:
    return email.next_attempt_at - timezone.now()


def recipients(server: ScriptedServer) -> list[str]:
    return [to for message in server.messages for to in message.recipients]


# The way through


def test_a_queued_message_reaches_the_server_and_is_sent(account, server):
    email = queue(account, subject="Order A-1", html="<p>Olá</p>")

    drained(email)

    (message,) = server.messages
    assert (message.sender, message.recipients) == ("shop@shop.test", [ANA])
    assert b"Subject: Order A-1" in message.content
    assert (email.status, email.smtp_response) == ("sent", "250 2.0.0 queued")
    assert history(email) == ["sending", "sent"]
    assert "< 250 2.0.0 queued" in email.events.get(type="sent").data["transcript"]
    account.refresh_from_db()
    assert timezone.now() - account.last_used < SOON


def test_many_messages_share_one_connection_the_most_urgent_first(tenant, server):
    account = account_at(server, tenant=tenant, max_connections=1)
    queue_many(account, 25)
    queue(account, priority="high")

    jobs.drain_account(account.pk)

    assert statuses() == {"sent"}
    assert recipients(server)[0] == ANA
    assert len(server.messages) == 26
    assert len(server.connections) == 1


def test_a_scheduled_message_waits_for_its_time(account, server):
    email = queue(account, send_at=timezone.now() + timedelta(hours=1))

    drained(email)

    assert (email.status, server.messages) == ("queued", [])


def test_a_template_is_rendered_for_its_recipient_and_counted_once(account, tenant, server):
    template = make_template(tenant)
    email = queue(account, template_id="order", variables={"number": 7, "name": "Ana"})
    server.on("RCPT", "450 4.2.0 busy")

    drained(email)
    drained_later(email)

    template.refresh_from_db()
    assert b"Subject: Order 7" in server.messages[0].content
    assert template.usage_count == 1


def test_a_message_whose_template_fails_now_is_failed_and_others_go_on(account, tenant, server):
    make_template(tenant)
    email = queue(account, template_id="order", variables={"number": 7, "name": "Ana"})
    email.content.variables = {}
    email.content.save()
    other = queue(account)

    drained(email)

    other.refresh_from_db()
    assert (email.status, email.error_code) == ("failed", "template_error")
    assert history(email) == ["failed"]
    assert other.status == "sent"


def test_a_message_that_trips_over_a_fault_of_ours_waits_and_others_go_on(account, server):
    email = queue(account, to_address=BOB)
    EmailLog.objects.filter(pk=email.pk).update(from_name="a\nb", priority=10)
    content = {"filename": "a.txt", "content": "aGk=", "content_type": "text/plain"}
    lost = queue(account, attachments=[content])
    lost.content.attachments.update(path="gone")
    other = queue(account)

    drained(lost)

    other.refresh_from_db()
    assert (lost.status, lost.error_code, lost.retry_count) == ("queued", "internal_error", 1)
    assert other.status == "sent"


# Test mode


def test_test_mail_is_captured_even_where_the_account_is_paused(account, server):
    account.pause("bad password", at=timezone.now())
    email = queue(account, mode="test")
    live = queue(account)

    assert list(jobs.accounts_to_ring(at=timezone.now())) == [account.pk]
    drained(email)

    live.refresh_from_db()
    assert (email.status, email.smtp_response) == ("sent", "captured (test mode)")
    assert history(email) == ["sending", "sent"]
    assert live.status == "queued"
    assert server.connections == []


# Table A.4


@pytest.mark.parametrize("event", ["RCPT", "DATA", "BODY"])
def test_a_refusal_for_now_is_tried_again_and_then_sent(account, server, event):
    server.on(event, "451 4.3.0 not now")
    email = drained(queue(account))
    first = (email.status, email.retry_count, email.error_message, history(email))

    drained_later(email)

    assert first == ("queued", 1, "451 4.3.0 not now", ["sending", "deferred"])
    assert (email.status, email.error_code, len(server.messages)) == ("sent", "", 1)
    assert not Suppression.objects.exists()


def test_a_greylisted_message_comes_back_soon(account, server):
    server.on("RCPT", "450 4.2.0 Greylisted, come back")

    email = drained(queue(account))

    assert (email.status, waits(email) < SOON) == ("queued", True)


def test_a_greylisted_message_comes_back_just_after_the_time_that_was_stated(account, server):
    server.on("RCPT", "451 4.7.1 Greylisting in action, please come back in 00:07:00")

    email = drained(queue(account))

    assert timedelta(minutes=7) - SOON / 20 < waits(email) <= timedelta(minutes=8)
    assert not backoff.is_on(account.pk)


@pytest.mark.parametrize("event", ["BANNER", "MAIL", "BODY"])
def test_a_server_that_closes_for_a_stated_time_is_left_alone_for_so_long(account, server, event):
    server.on(event, "421 4.7.0 Too many messages, try again in 20 minutes")

    email = drained(queue(account))

    stated = timedelta(minutes=20)
    assert stated - SOON / 20 < waits(email) <= 1.2 * stated
    alone = backoff.current(account.pk).until - timezone.now().timestamp()
    assert stated.total_seconds() - 6 < alone <= 1.2 * stated.total_seconds()


def test_an_unknown_recipient_bounces_and_is_suppressed(account, server, tenant):
    server.on("RCPT", "550 5.1.1 no such user")
    email = queue(account)
    other = queue(account, to_address=BOB)

    drained(email)

    other.refresh_from_db()
    entry = Suppression.objects.get()
    assert (email.status, email.error_code) == ("bounced", "refused_at_rcpt")
    assert email.smtp_response == "550 5.1.1 no such user"
    assert history(email) == ["sending", "bounced"]
    assert (entry.address, entry.topic, entry.reason) == (ANA, "", "hard_bounce")
    assert (entry.source, entry.tenant) == (email, tenant)
    assert other.status == "sent"


@pytest.mark.parametrize("event", ["RCPT", "DATA", "BODY"])
def test_a_refused_content_bounces_without_suppressing_anybody(account, server, event):
    server.on(event, "552 5.3.4 too big")

    email = drained(queue(account))

    assert (email.status, email.failed_at is not None) == ("bounced", True)
    assert not Suppression.objects.exists()


def test_a_busy_server_at_mail_is_left_alone_and_the_rest_is_not_tried(account, server):
    server.always("MAIL", "452 4.3.1 out of space")
    first, second = queue_many(account, 2)

    drained(first)
    jobs.drain_account(account.pk)

    second.refresh_from_db()
    assert (first.status, first.retry_count) == ("queued", 1)
    assert (second.status, second.retry_count) == ("queued", 0)
    assert server.verbs.count("MAIL") == 1
    assert jobs.accounts_to_ring(at=timezone.now()) == {}


@pytest.mark.parametrize("event", ["MAIL", "RCPT", "DATA", "BODY"])
def test_a_closing_server_gets_the_message_again_later_and_the_rest_is_released(
    account, server, event
):
    server.on(event, ["421 4.3.2 closing", DROP])
    first, second = queue_many(account, 2)

    drained(first)
    second.refresh_from_db()
    between = [(first.status, first.retry_count), (second.status, second.retry_count)]
    drained_later(first)

    assert between == [("queued", 1), ("queued", 0)]
    assert statuses() == {"sent"}
    assert len(server.messages) == 2
    assert not Suppression.objects.exists()


def test_a_session_that_the_server_ended_meanwhile_is_replaced_at_no_cost(account, server):
    server.on("MAIL", "250 ok", ["421 4.7.0 enough for one connection", DROP])
    queue_many(account, 3)

    jobs.drain_account(account.pk)

    assert statuses() == {"sent"}
    assert len(server.connections) == 2
    assert not EmailLog.objects.filter(retry_count__gt=0).exists()


@pytest.mark.parametrize("answer", [DROP, b"what?\r\n", b"250-" + b"x" * 9000])
def test_a_lost_answer_to_the_body_is_an_unknown_outcome(account, server, answer):
    server.on("BODY", answer)
    email = drained(queue(account))
    first = (email.status, email.error_code)

    drained_later(email)

    assert first == ("queued", "outcome_unknown")
    assert (email.status, email.error_code) == ("sent", "")


def test_a_tenant_that_wants_nothing_twice_keeps_an_unknown_outcome(account, server, tenant):
    tenant.never_twice = True
    tenant.save()
    server.on("BODY", DROP)

    email = drained(queue(account))

    assert (email.status, email.error_code) == ("failed", "outcome_unknown")


@pytest.mark.parametrize("answer", [DROP, b"what?\r\n", b"250-" + b"x" * 9000, b"-1 no\r\n"])
@pytest.mark.parametrize("event", ["BANNER", "MAIL", "RCPT"])
def test_nonsense_before_the_body_is_no_refusal(account, server, event, answer):
    server.on(event, answer)

    email = drained(queue(account))

    assert (email.status, email.error_code) == ("queued", "connection_failed")


def test_a_drop_after_the_answer_leaves_the_message_sent(account, server):
    server.on("QUIT", DROP)
    server.on("BODY", ["250 2.0.0 queued", DROP])

    email = drained(queue(account))

    assert email.status == "sent"


def test_a_closed_port_costs_one_message_a_try_and_keeps_the_rest(account):
    account.smtp_port = 1
    account.save()
    first, second = queue_many(account, 2)

    drained(first)

    second.refresh_from_db()
    assert (first.status, first.retry_count) == ("queued", 1)
    assert (second.status, second.retry_count) == ("queued", 0)


def test_a_server_that_refuses_to_talk_is_left_alone_for_long(account, server):
    server.always("BANNER", "554 5.7.1 not you")

    email = drained(queue(account))

    account.refresh_from_db()
    assert (email.status, email.retry_count, account.paused_reason) == ("queued", 0, "")
    assert jobs.accounts_to_ring(at=timezone.now()) == {}


def test_a_message_that_nobody_took_in_five_days_is_expired(account, server):
    server.on("RCPT", "450 4.2.0 busy")
    email = queue(account)
    long_ago = timezone.now() - timedelta(days=6)
    EmailLog.objects.filter(pk=email.pk).update(tried_since=long_ago)

    drained(email)

    assert (email.status, email.error_code) == ("failed", "expired")


# The account


def test_a_refused_password_pauses_the_account_and_its_mail_waits(tenant):
    with ScriptedServer(users={"shop": "right"}) as server:
        account = account_at(server, tenant=tenant, smtp_username="shop")
        account.smtp_password = "wrong"
        account.save()
        first, _ = queue_many(account, 2)

        drained(first)
        jobs.drain_account(account.pk)
        account.refresh_from_db()
        paused = account.paused_reason
        account.smtp_password = "right"
        account.save()
        account.resume()
        jobs.drain_account(account.pk)

    assert "535" in paused or "password" in paused
    assert server.verbs.count("AUTH") == 2
    assert statuses() == {"sent"}
    assert not EmailLog.objects.filter(retry_count__gt=0).exists()


def test_a_server_without_tls_gets_neither_password_nor_mail(tenant):
    with ScriptedServer(users={"shop": "secret"}) as server:
        account = account_at(server, tenant=tenant, use_tls=True, smtp_username="shop")
        account.smtp_password = "secret"
        account.save()
        email = drained(queue(account))

    account.refresh_from_db()
    assert (email.status, "STARTTLS" in account.paused_reason) == ("queued", True)
    assert "AUTH" not in server.verbs


def test_a_sender_that_the_server_refuses_pauses_the_account(account, server):
    server.always("MAIL", "553 5.7.1 not your address")

    email = drained(queue(account))

    account.refresh_from_db()
    assert (email.status, email.retry_count) == ("queued", 0)
    assert account.paused_reason == "553 5.7.1 not your address"


@pytest.mark.parametrize("held", ["inactive", "paused", "domain", "tenant"])
def test_mail_of_a_held_account_waits_and_goes_when_it_is_free_again(account, server, tenant, held):
    email = queue(account)
    row, change, back = {
        "inactive": (account, {"is_active": False}, {"is_active": True}),
        "paused": (account, {"paused_at": timezone.now()}, {"paused_at": None}),
        "domain": (account.domain, {"is_active": False}, {"is_active": True}),
        "tenant": (tenant, {"is_active": False}, {"is_active": True}),
    }[held]
    rows = type(row).objects.filter(pk=row.pk)

    rows.update(**change)
    drained(email)
    waiting = (email.status, jobs.accounts_to_ring(at=timezone.now()))
    rows.update(**back)
    drained(email)

    assert waiting == ("queued", {})
    assert email.status == "sent"


def test_an_account_never_has_more_connections_than_it_allows(account, server):
    EmailAccount.objects.filter(pk=account.pk).update(max_connections=1)
    account.refresh_from_db()
    email = queue(account)
    now = timezone.now()
    assert slots.take(account, token="a" * 32, until=now + SOON, at=now)

    drained(email)
    held = email.status
    slots.give_back("a" * 32)
    drained(email)

    assert (held, email.status) == ("queued", "sent")


def test_a_slow_server_gets_more_connections_up_to_the_limit_and_each_message_once(account, server):
    EmailAccount.objects.filter(pk=account.pk).update(max_connections=3)
    server.always("BODY", [b"250 ", Drip(b"2.0.0 queued\r\n", every=0.01)])
    queue_many(account, 60)

    jobs.drain_account(account.pk)

    assert statuses() == {"sent"}
    assert sorted(recipients(server)) == sorted(set(recipients(server)))
    assert len(server.connections) == 3
    assert slots.ConnectionSlot.objects.exclude(token="").count() == 1  # of the one that is kept


def test_a_server_that_refuses_further_connections_costs_no_message_a_try(account, server):
    server.on("BANNER", "220 hello").always("BANNER", ["421 4.7.0 too many connections", DROP])
    server.always("BODY", [b"250 ", Drip(b"2.0.0 queued\r\n", every=0.005)])
    queue_many(account, 60)

    jobs.drain_account(account.pk)

    assert statuses() == {"sent"}
    assert not EmailLog.objects.filter(retry_count__gt=0).exists()
    assert len(server.connections) > 1


def test_half_of_the_free_slots_are_left_to_other_workers(account):
    EmailAccount.objects.filter(pk=account.pk).update(max_connections=8)
    account.refresh_from_db()
    now = timezone.now()

    held = {"until": now + SOON, "at": now}
    taken = [slots.take_some(account, most=9, token=str(number), **held) for number in range(5)]

    assert taken == [4, 2, 1, 1, 0]


def test_no_more_slots_are_taken_than_are_asked_for(account):
    now = timezone.now()

    assert slots.take_some(account, most=1, token="a", until=now + SOON, at=now) == 1
    assert slots.take_some(account, most=0, token="a", until=now + SOON, at=now) == 0


def test_slots_are_taken_up_to_the_limit_and_a_lapsed_one_is_free(account):
    now = timezone.now()
    taken = [slots.take(account, token=str(n), until=now + SOON, at=now) for n in range(5)]

    assert taken == [True, True, True, True, False]
    assert slots.take(account, token="late", until=now + 2 * SOON, at=now + 2 * SOON)


# Suppression


def test_a_recipient_suppressed_after_acceptance_gets_nothing(account, server, tenant):
    email = queue(account)
    Suppression.objects.create(tenant=tenant, address=ANA, reason="manual")

    drained(email)

    assert (email.status, email.error_code, server.connections) == ("failed", "suppressed", [])


def test_what_was_not_sent_says_why_since_when_and_about_what(account, server, tenant):
    email = queue(account)
    entry = Suppression.objects.create(tenant=tenant, address=ANA, reason="complaint")

    drained(email)

    event = email.events.get(type="failed")
    assert event.data == {
        "reason": "suppressed",
        "suppression_reason": "complaint",
        "topic": None,
        "since": entry.created_at.isoformat(timespec="seconds"),
    }
    assert "complaint" in email.error_message


@pytest.mark.parametrize("path", ["scheduled", "retried", "test"])
def test_every_way_to_the_wire_asks_just_before(account, server, tenant, path):
    soon = timezone.now() + timedelta(hours=1)
    server.on("RCPT", "450 4.2.0 busy")
    own = {"scheduled": {"send_at": soon}, "test": {"mode": "test"}}.get(path, {})
    email = queue(account, **own)
    if path == "retried":
        assert drained(email).retry_count == 1
    connections = len(server.connections)
    Suppression.objects.create(tenant=tenant, address=ANA, reason="manual")

    drained_later(email)

    assert (email.status, email.error_code) == ("failed", "suppressed")
    assert len(server.connections) == connections
    assert server.messages == []


def test_bulk_mail_leaves_out_who_unsubscribed_after_it_was_accepted(api, account, server, tenant):
    make_template(tenant, "news", subject="News", template_type="newsletter", html="x")
    body = {"template_id": "news", "recipient_list": [ANA, BOB]}
    batch = api.post(
        "/api/v1/emails/send-bulk", body | {"from_account": account.email_address}
    ).json()
    Suppression.objects.create(
        tenant=tenant, address=ANA, topic="newsletter", reason="unsubscribed"
    )

    jobs.drain_account(account.pk)

    rows = dict(EmailLog.objects.values_list("to_address", "status"))
    assert batch["accepted"] == 2
    assert (rows, recipients(server)) == ({ANA: "failed", BOB: "sent"}, [BOB])


def test_a_copy_suppressed_after_acceptance_is_left_out(account, server, tenant):
    email = queue(account, cc=["carl@example.com"], bcc=["dora@example.com"])
    Suppression.objects.create(tenant=tenant, address="dora@example.com", reason="complaint")

    drained(email)

    assert (email.status, recipients(server)) == ("sent", [ANA, "carl@example.com"])
    left_out = email.events.get(type="sent").data["left_out"]
    assert left_out["dora@example.com"]["suppression_reason"] == "complaint"


def test_another_tenants_or_topics_suppression_stops_nothing(account, tenant, other_tenant):
    email = queue(account)
    Suppression.objects.create(tenant=other_tenant, address=ANA, reason="manual")
    Suppression.objects.create(tenant=tenant, address=ANA, topic="news", reason="unsubscribed")

    assert drained(email).status == "sent"


# Copies


def test_a_copy_that_has_the_message_does_not_get_it_again(account, server):
    answers = {ANA: "450 4.2.0 busy"}
    server.always("RCPT", lambda line: answers.get(line[line.index("<") + 1 : -1], "250 ok"))
    email = drained(queue(account, cc=[BOB]))
    first = email.status
    answers.clear()

    drained_later(email)

    assert (first, email.status) == ("queued", "sent")
    assert recipients(server) == [BOB, ANA]


def test_a_refused_copy_is_history_and_the_message_is_sent(account, server):
    server.on("RCPT", "250 ok", "550 5.1.1 no such user")

    email = drained(queue(account, cc=[BOB]))

    assert email.status == "sent"
    assert email.events.get(type="sent").data["recipients"][BOB] == "550 5.1.1 no such user"
    assert Suppression.objects.get().address == BOB


def test_a_copy_that_has_to_wait_is_tried_until_it_is_settled(account, server):
    server.on("RCPT", "250 ok", "450 4.2.0 busy")
    email = drained(queue(account, cc=[BOB]))
    first = email.status

    drained_later(email)

    assert (first, email.status) == ("queued", "sent")
    assert email.smtp_response == "250 2.0.0 queued"
    assert recipients(server) == [ANA, BOB]


# Fencing, leases and stops


def test_two_drains_of_one_account_never_send_a_row_twice(account, server):
    queue_many(account, 60)
    drains = [threading.Thread(target=jobs.drain_account, args=[account.pk]) for _ in range(2)]

    for drain in drains:
        drain.start()
    for drain in drains:
        drain.join()

    assert statuses() == {"sent"}
    assert sorted(recipients(server)) == sorted(set(recipients(server)))


def test_a_message_taken_back_before_its_data_goes_is_left_to_its_new_holder(account, server):
    email = queue(account)

    def take_back(command: str) -> str:
        elsewhere(take_all_back)
        return "220 hello"

    server.on("BANNER", take_back)
    drained(email)

    assert (email.status, email.attempt, len(server.messages)) == ("sent", 2, 1)


def test_a_message_that_waited_its_turn_is_not_sent_once_it_was_taken_back(
    account, server, monkeypatch
):
    monkeypatch.setattr(feed, "NOTED_FOR", 0)
    first, second = queue(account, priority="high"), queue(account, to_address=BOB)

    def take_back(command: str) -> str:
        elsewhere(take_all_back)
        return "250 2.0.0 queued"

    server.on("BODY", take_back)
    drained(first)

    second.refresh_from_db()
    assert (second.status, second.attempt) == ("sent", 2)
    assert recipients(server).count(BOB) == 1


def test_an_outcome_that_comes_after_the_row_was_taken_back_changes_nothing(account, server):
    email = queue(account)

    def take_back(command: str) -> str:
        elsewhere(take_all_back)
        return "250 2.0.0 the first"

    server.on("BODY", take_back)
    drained(email)

    assert history(email) == ["deferred", "sending", "sent"]
    assert (email.attempt, email.smtp_response) == (2, "250 2.0.0 queued")


def test_a_lease_is_longer_than_its_drain_and_one_delivery(account):
    email = queue(account)
    ledger = Ledger(account.pk)

    ledger.claim()

    email.refresh_from_db()
    assert email.leased_until - timezone.now() > timedelta(seconds=15 + 30 + 90)
    ledger.close()
    email.refresh_from_db()
    assert (email.status, email.retry_count) == ("queued", 0)


def test_what_a_dead_process_held_is_free_at_the_next_sweep(account, server, settings):
    email = queue(account)
    ledger = Ledger(account.pk)
    ledger.claim()
    jobs.sweep()
    email.refresh_from_db()
    assert email.status == "sending"  # this process lives

    dead = "0123456789abcdef" * 2
    (settings.DATA_DIR / "journal" / dead).touch()
    EmailLog.objects.update(lease_token=dead)
    jobs.sweep()

    email.refresh_from_db()
    assert email.status == "queued"
    assert not (settings.DATA_DIR / "journal" / dead).exists()
    ledger.close()


def test_a_drain_that_is_asked_to_stop_finishes_one_message_and_gives_the_rest_back(
    account, server
):
    def stop(command: str) -> str:
        stopping.ask()
        return "250 2.0.0 queued"

    server.on("BODY", stop)
    queue_many(account, 5)
    try:
        jobs.drain_account(account.pk)
    finally:
        stopping.forget()

    assert len(server.messages) == 1
    assert sorted(EmailLog.objects.values_list("status", flat=True)) == ["queued"] * 4 + ["sent"]


# The doorbell and the sweep


def test_the_flag_is_taken_down_before_the_first_claim(account, server):
    flags = []
    name = doorbell.flag(account.pk, "default")
    server.on("BANNER", lambda _: flags.append(cache.get(name)) or "220 hi")
    queue(account)
    doorbell.ring(account.pk)
    assert cache.get(name)

    jobs.drain_account(account.pk)

    assert flags == [None]


def test_the_sweep_rings_only_for_accounts_with_due_mail(account, server, tenant):
    idle = account_at(server, tenant=tenant, name="idle")
    queue(idle, send_at=timezone.now() + timedelta(hours=1))
    queue(account, priority="low")

    assert list(jobs.accounts_to_ring(at=timezone.now())) == [account.pk]


def test_the_doorbell_rings_where_the_most_urgent_due_message_belongs(
    account, server, tenant, monkeypatch
):
    rung = []
    monkeypatch.setattr(
        current_app, "send_task", lambda _name, args, queue, **_: rung.append((args[0], queue))
    )
    other = account_at(server, tenant=tenant, name="other")
    queue(account, priority="low")
    queue(account, priority="high", send_at=timezone.now() + timedelta(hours=1))
    queue(other, priority="low")
    queue(other, priority="high")
    assert rung == [(account.pk, "bulk"), (other.pk, "bulk"), (other.pk, "high")]
    cache.clear()
    rung.clear()

    jobs.sweep()

    assert rung == [(account.pk, "bulk"), (other.pk, "high")]


def test_sweeps_that_piled_up_while_no_worker_ran_are_one(account, server, monkeypatch):
    rung = []
    monkeypatch.setattr(current_app, "send_task", lambda *_, **__: rung.append(1))
    monkeypatch.setattr(tasks, "_ran_at", {})
    queue(account)
    rung.clear()

    for _ in range(3):
        cache.clear()
        tasks.sweep()

    assert rung == [1]


def test_a_sweep_asks_the_database_as_often_for_fifty_accounts_as_for_one(
    server, tenant, django_assert_num_queries
):
    for number in range(50):
        queue(account_at(server, tenant=tenant, name=f"a{number}"))

    with django_assert_num_queries(2):
        assert len(jobs.accounts_to_ring(at=timezone.now())) == 50


def test_a_drain_of_nothing_or_of_nobody_does_no_harm(account, server):
    jobs.drain_account(account.pk)
    jobs.drain_account(account.pk + 1)

    assert server.connections == []


def test_queue_status_says_what_waits_and_why(account, tenant, capsys):
    queue(account)
    queue(account, send_at=timezone.now() + timedelta(hours=1))
    account.pause("bad password", at=timezone.now())

    call_command("queue_status")

    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == [
        "account",
        "due",
        "sending",
        "scheduled",
        "retrying",
        "sent/min",
        "oldest",
        "held",
    ]
    assert line.split()[:6] == ["shop@shop.test", "1", "0", "1", "0", "0"]
    assert line.endswith("paused: bad password")
