"""What a killed process leaves behind, and what the next one makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.utils import timezone

from common.smtp import Outcome, Phase, Receipt, Reply
from common.tests.smtp_server import ScriptedServer
from delivery import jobs
from delivery.journal import Journal, JournalFull
from delivery.ledger import Ledger
from delivery.models import Suppression
from delivery.outcomes import Attempt
from delivery.tests.sending import ANA, account_at, queue, queue_many
from logs.models import EmailLog
from logs.signals import email_events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def account(tenant, server):
    return account_at(server, tenant=tenant)


@pytest.fixture
def ledger(account):
    return Ledger(account.pk)


@pytest.fixture
def journals(settings):
    return settings.DATA_DIR / "journal"


def claimed(ledger: Ledger) -> list[EmailLog]:
    """Everything due, claimed and noted, just before the first data goes."""
    return ledger.note_data(ledger.claim())


def hear(
    ledger: Ledger,
    email: EmailLog,
    code: int,
    text: str,
    *,
    phase: Phase = Phase.BODY,
    via: str = "",
):
    ledger.journal.begin(email)
    now = timezone.now()
    receipt = Receipt({email.to_address: Outcome(Reply(code, (text,)), phase)})
    ledger.journal.hear(Attempt(email, began_at=now, at=now, via=via), receipt)


def die(ledger: Ledger) -> None:
    """End as a killed process does: the file stays, its lock does not."""
    ledger.let_go()


def settled(email: EmailLog) -> EmailLog:
    jobs.sweep()
    email.refresh_from_db()
    return email


def test_what_was_heard_before_a_kill_is_recorded_and_not_sent_again(account, server, ledger):
    email = queue(account)
    hear(ledger, *claimed(ledger), 250, "2.0.0 queued as 1")
    die(ledger)

    settled(email)
    jobs.drain_account(account.pk)

    assert (email.status, email.smtp_response) == ("sent", "250 2.0.0 queued as 1")
    assert list(email.events.order_by("pk").values_list("type", flat=True)) == ["sending", "sent"]
    assert server.connections == []


def test_the_next_drain_of_the_machine_records_it_as_well(account, server, ledger):
    email = queue(account)
    hear(ledger, *claimed(ledger), 250, "2.0.0 queued as 1")
    die(ledger)

    jobs.drain_account(account.pk)

    email.refresh_from_db()
    assert (email.status, server.connections) == ("sent", [])


def test_a_bounce_that_was_heard_before_a_kill_suppresses_its_address(account, ledger):
    email = queue(account)
    hear(ledger, *claimed(ledger), 550, "5.1.1 no such user", phase=Phase.RCPT)
    die(ledger)

    assert settled(email).status == "bounced"
    assert Suppression.objects.get().address == ANA


def test_a_refused_account_that_was_heard_before_a_kill_costs_its_message_nothing(account, ledger):
    email = queue(account)
    hear(ledger, *claimed(ledger), 530, "5.7.0 sign in first", phase=Phase.MAIL)
    die(ledger)

    settled(email)

    assert (email.status, email.retry_count, email.error_code) == ("queued", 0, "")


def test_a_foreign_sender_refused_before_a_kill_costs_its_message_nothing(account, tenant, server):
    email = queue(account)
    other = account_at(server, tenant=tenant, name="other")
    ledger = Ledger(other.pk, mail_of=account.pk)
    refusal = "5.7.1 Sender address rejected: not owned by user other"
    hear(ledger, *claimed(ledger), 553, refusal, phase=Phase.RCPT, via=other.email_address)
    die(ledger)

    settled(email)

    assert (email.status, email.retry_count, email.error_code) == ("queued", 0, "")


def test_mail_that_a_fallback_had_carried_before_a_kill_says_so(account, tenant, server):
    email = queue(account)
    other = account_at(server, tenant=tenant, name="other")
    ledger = Ledger(other.pk, mail_of=account.pk)
    hear(ledger, *claimed(ledger), 250, "2.0.0 queued", via=other.email_address)
    die(ledger)

    assert settled(email).status == "sent"
    assert email.events.get(type="sent").data["via"] == "other@shop.test"


@pytest.mark.parametrize(("never_twice", "status"), [(False, "queued"), (True, "failed")])
def test_only_what_had_begun_before_a_kill_is_of_unknown_outcome(
    account, tenant, ledger, never_twice, status
):
    tenant.never_twice = never_twice
    tenant.save()
    queue_many(account, 3)
    first, *rest = claimed(ledger)
    ledger.journal.begin(first)
    die(ledger)

    settled(first)

    assert (first.status, first.error_code) == (status, "outcome_unknown")
    for email in rest:
        email.refresh_from_db()
        assert (email.status, email.error_code, email.retry_count) == ("queued", "", 0)


def test_without_its_machine_a_noted_message_is_of_unknown_outcome(account, tenant, ledger):
    tenant.never_twice = True
    tenant.save()
    email = queue(account)
    hear(ledger, *claimed(ledger), 250, "2.0.0 queued")
    EmailLog.objects.update(leased_until=timezone.now())

    settled(email)

    assert (email.status, email.error_code) == ("failed", "outcome_unknown")
    die(ledger)


def test_half_a_line_at_the_end_is_no_line(account, ledger, journals):
    email = queue(account)
    hear(ledger, *claimed(ledger), 250, "2.0.0 queued")
    path = journals / ledger.journal.token
    die(ledger)
    path.write_bytes(path.read_bytes()[:-9])

    assert settled(email).error_code == "outcome_unknown"
    assert not path.exists()


def test_a_drain_that_ends_well_leaves_no_file(account, server, journals):
    before = set(journals.iterdir())
    queue_many(account, 3)

    jobs.drain_account(account.pk)

    assert len(server.messages) == 3
    assert set(journals.iterdir()) <= before


def test_an_outcome_that_can_not_be_stored_spoils_no_other_and_is_not_forgotten(account, server):
    emails = queue_many(account, 3)

    def break_down(sender, events, **_rest):
        if emails[1].pk in {event.email_id for event in events}:
            raise RuntimeError("receiver")

    email_events.connect(break_down)
    try:
        jobs.drain_account(account.pk)
        between = [EmailLog.objects.get(pk=email.pk).status for email in emails]
    finally:
        email_events.disconnect(break_down)
    jobs.sweep()

    assert between == ["sent", "sending", "sent"]
    assert set(EmailLog.objects.values_list("status", flat=True)) == {"sent"}
    assert len(server.messages) == 3


def test_no_data_goes_once_the_disk_is_full(account):
    email = queue(account)
    journal = Journal()
    with Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), journal._file)

    for _ in range(2):
        with pytest.raises(JournalFull):
            journal.begin(email)

    assert not email.in_data
    journal.close()
