"""The envelope sender says which message a report is about, over every way that mail goes."""

from __future__ import annotations

import uuid

import pytest

from common.tests.smtp_server import ScriptedServer
from delivery.return_paths import MAX_LOCAL_PART, named_in, return_path_of
from delivery.tests.sending import account_at, drained, queue, queue_many
from logs.models import EmailLog

pytestmark = pytest.mark.django_db(transaction=True)
BOUNCES = "bounces@return.test"
ALL = " NOTIFY=SUCCESS,FAILURE,DELAY"


@pytest.fixture
def server():
    with ScriptedServer(offers=("PIPELINING", "8BITMIME", "DSN")) as server:
        yield server


def test_each_message_has_a_return_path_of_its_own(tenant, server):
    account = account_at(server, tenant=tenant, bounce_address=BOUNCES)
    emails = queue_many(account, 3)
    drained(emails[0])

    senders = {message.recipients[0]: message.sender for message in server.messages}

    assert len(set(senders.values())) == 3
    for email in emails:
        sender = senders[email.to_address]
        local_part, _at, domain = sender.rpartition("@")
        assert (local_part.partition("+")[0], domain) == ("bounces", "return.test")
        assert local_part == local_part.lower()
        assert len(local_part) <= MAX_LOCAL_PART
        assert named_in([f"<{sender.upper()}>"]) == [email.tracking_id]


def test_mail_over_a_fallback_returns_to_its_own_account(tenant, server):
    carrier = account_at(server, tenant=tenant, name="carrier", bounce_address="other@return.test")
    account = account_at(
        server,
        tenant=tenant,
        bounce_address=BOUNCES,
        limit_per_day=1,
        fallback_account=carrier,
    )
    emails = queue_many(account, 2)

    drained(emails[0])
    drained(emails[1])

    assert {message.sender.partition("+")[0] for message in server.messages} == {"bounces"}
    assert len(server.messages) == 2


@pytest.mark.parametrize(
    ("address", "is_marked"),
    [("b" * 21 + "@return.test", True), ("b" * 22 + "@return.test", False)],
)
def test_a_local_part_that_would_be_too_long_goes_without_a_token(
    tenant, server, address, is_marked
):
    email = queue(account_at(server, tenant=tenant, bounce_address=address))

    drained(email)

    (message,) = server.messages
    assert ("+" in message.sender) is is_marked
    assert message.sender.partition("@")[2] == "return.test"
    assert is_marked or message.sender == address


def test_without_a_bounce_address_mail_returns_to_its_sender(tenant, server):
    email = queue(account_at(server, tenant=tenant))

    drained(email)

    (message,) = server.messages
    assert message.sender == "shop@shop.test"
    assert message.rcpts == [f"RCPT TO:<{email.to_address}>"]


@pytest.mark.parametrize("reading", [{"bounce_address": BOUNCES}, {"reads_mail": True}])
def test_servers_that_report_are_asked_to_where_somebody_reads_it(tenant, server, reading):
    email = queue(account_at(server, tenant=tenant, **reading), to_address="a+b@example.com")

    drained(email)

    (message,) = server.messages
    assert message.rcpts == [f"RCPT TO:<a+b@example.com>{ALL} ORCPT=rfc822;a+2Bb@example.com"]
    assert f"ENVID={email.tracking_id}" in message.mail


def test_servers_that_do_not_report_are_not_asked(tenant):
    with ScriptedServer() as server:
        email = queue(account_at(server, tenant=tenant, bounce_address=BOUNCES))

        drained(email)

    (message,) = server.messages
    assert message.rcpts == [f"RCPT TO:<{email.to_address}>"]


def test_a_refusal_between_two_return_paths_costs_the_next_nothing(tenant, server):
    """The next message's commands may be out already; its sender is another."""
    server.on("RCPT", "250 ok", "550 5.1.1 no such user")
    account = account_at(server, tenant=tenant, bounce_address=BOUNCES)
    emails = queue_many(account, 4)

    drained(emails[0])

    statuses = sorted(EmailLog.objects.values_list("status", flat=True))
    assert statuses == ["bounced", "sent", "sent", "sent"]
    for message in server.messages:
        email = EmailLog.objects.get(to_address=message.recipients[0])
        assert message.sender == return_path_of(email, account=account)


@pytest.mark.parametrize(
    "text", ["", "bounces@return.test", f"b+{'a' * 42}@x.test", "b+é@x.test", "+" * 5000 + "@"]
)
def test_what_holds_no_genuine_token_names_nothing(text):
    assert named_in([text]) == []


def test_a_genuine_token_among_many_texts_is_found_once(tenant, server):
    account = account_at(server, tenant=tenant, bounce_address=BOUNCES)
    email = EmailLog(tracking_id=uuid.uuid4(), from_address="x@y.test")
    path = return_path_of(email, account=account)

    assert named_in([f"for <{path}>; Thu", path, "x"]) == [email.tracking_id]
