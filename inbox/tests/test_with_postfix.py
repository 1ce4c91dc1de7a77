"""Real servers' reports come back over real IMAP, and change what they are about."""

from __future__ import annotations

import smtplib

import pytest

from delivery import jobs as delivery_jobs
from delivery.models import Suppression
from inbox import services
from inbox.models import InboundEmail, Mailbox
from inbox.tests.mails import a_complaint_of, a_mail
from inbox.tests.reading import read
from inbox.tests.test_mime import POISON
from logs.models import EmailLog
from logs.tests.builders import NOON, an_email
from tests.factories import make_account, make_domain
from tests.servers.mail_server import ALICE, BOB, BOUNCE, DOMAIN, GHOST
from tests.servers.waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def reading_account(mail_server, tenant):
    """An account that sends through Postfix and reads the bounce mailbox by IMAP over TLS."""
    account = make_account(
        make_domain(tenant, DOMAIN),
        "alice",
        smtp_server=mail_server.host,
        smtp_port=mail_server.plain_port,
        allow_plaintext=True,
        imap_server=mail_server.host,
        imap_port=mail_server.imaps_port,
        imap_username=BOUNCE,
        reads_mail=True,
        bounce_address=BOUNCE,
    )
    account.imap_password = mail_server.passwords[BOUNCE]
    account.save()
    return account


def sent(api, to: str) -> EmailLog:
    """A message to ``to`` that Postfix has taken."""
    body = {"from_account": ALICE, "to_address": to, "subject": "Order", "text": "Thank you."}
    answer = api.post("/api/v1/emails/send", body, format="json")
    assert answer.status_code == 202, answer.json()
    email = EmailLog.objects.get(tracking_id=answer.json()["tracking_id"])
    delivery_jobs.drain_account(email.account_id)
    email.refresh_from_db()
    assert email.status == "sent", email.smtp_response
    return email


def read_with(mail_server, account) -> Mailbox:
    return read(account, tls_context=mail_server.trusting_context())


def test_a_hard_bounce_from_postfix_suppresses_and_the_next_send_is_refused(
    mail_server, api, reading_account
):
    email = sent(api, GHOST)
    (report,) = mail_server.wait_for(BOUNCE, count=1)

    mailbox = read_with(mail_server, reading_account)

    email.refresh_from_db()
    row = InboundEmail.objects.get()
    assert mailbox.error == ""
    assert (row.kind, row.email, row.recipient, row.mode) == ("bounce", email, GHOST, "live")
    assert f"{BOUNCE.partition('@')[0]}+".encode() in report
    assert email.status == "bounced"
    bounced = email.events.get(type="bounced")
    assert bounced.data["bounce_type"] == "hard"
    assert bounced.data["enhanced_code"] == "5.1.1"
    assert "User doesn't exist" in bounced.data["reason"]
    assert Suppression.objects.get().address == GHOST
    again = {"from_account": ALICE, "to_address": GHOST, "subject": "Hi", "text": "Hi"}
    refused = api.post("/api/v1/emails/send", again, format="json")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "suppressed"


def test_a_success_report_from_postfix_makes_a_message_delivered(mail_server, api, reading_account):
    email = sent(api, BOB)
    mail_server.wait_for(BOUNCE, count=1)

    read_with(mail_server, reading_account)

    email.refresh_from_db()
    assert email.status == "delivered"
    assert email.delivered_at is not None
    assert InboundEmail.objects.get().kind == "delivered"


def test_a_report_is_known_by_its_return_path_alone(mail_server, api, reading_account):
    """Some servers give back nothing of the message."""
    email = sent(api, GHOST)
    (report,) = mail_server.wait_for(BOUNCE, count=1)
    bare = report.replace(str(email.tracking_id).encode(), b"0" * 36)
    mail_server.empty()
    deliver(mail_server, bare)

    read_with(mail_server, reading_account)

    email.refresh_from_db()
    assert (email.status, InboundEmail.objects.get().email) == ("bounced", email)


def deliver(mail_server, *mails: bytes, to: str = BOUNCE) -> None:
    """Put mails into the mailbox as strangers would, through Postfix."""
    count = len(mail_server.messages(to))
    with smtplib.SMTP("127.0.0.1", mail_server.plain_port, timeout=20) as session:
        for raw in mails:
            session.sendmail("", [to], raw)
    mail_server.wait_for(to, count=count + len(mails))


def test_reports_that_a_stranger_made_up_suppress_nobody(mail_server, api, reading_account):
    email = sent(api, BOB)
    (receipt,) = mail_server.wait_for(BOUNCE, count=1)
    mail_server.empty()
    forged = receipt.replace(b"Action: relayed", b"Action: failed")
    forged = forged.replace(b"Action: delivered", b"Action: failed")
    forged = forged.replace(b"Status: 2.0.0", b"Status: 5.1.1")
    other_victim = forged.replace(BOB.encode(), b"victim@example.com")
    no_token = forged.replace(b"+", b"-").replace(str(email.tracking_id).encode(), b"0" * 36)
    deliver(mail_server, other_victim, no_token)

    mailbox = read_with(mail_server, reading_account)

    email.refresh_from_db()
    assert mailbox.error == ""
    assert InboundEmail.objects.count() == 2
    assert email.status == "sent"
    assert not Suppression.objects.exists()


def test_a_complaint_in_the_mailbox_suppresses(mail_server, api, reading_account):
    email = sent(api, BOB)
    mail_server.wait_for(BOUNCE, count=1)
    mail_server.empty()
    feedback = f"Feedback-Type: abuse\r\nOriginal-Rcpt-To: <{BOB}>"
    deliver(mail_server, a_complaint_of(email.smtp_message_id, feedback=feedback, to=BOB))

    read_with(mail_server, reading_account)

    email.refresh_from_db()
    assert email.status == "spam"
    assert [(one.address, one.reason) for one in Suppression.objects.all()] == [(BOB, "complaint")]


def test_a_box_with_all_poison_first_is_read_to_its_end_and_left_as_it_was(
    mail_server, reading_account
):
    fit = [raw for raw, _reason in POISON.values() if len(raw) < 5_000_000]
    mail_server.put(BOUNCE, *fit, a_mail("The last one", Subject="last"))
    before = mail_server.messages(BOUNCE)

    mailbox = read_with(mail_server, reading_account)

    assert mailbox.error == ""
    assert InboundEmail.objects.filter(subject="last", kind="human").exists()
    assert InboundEmail.objects.count() == len({*fit}) + 1
    assert InboundEmail.objects.filter(kind="quarantined").exists()
    assert sorted(mail_server.messages(BOUNCE)) == sorted(before)
    assert seen(mail_server) == []


def test_a_new_uidvalidity_is_read_from_the_start_and_stores_nothing_twice(
    mail_server, reading_account
):
    mail_server.put(BOUNCE, *[a_mail(str(n), Message_ID=f"<{n}@example.com>") for n in range(30)])
    first = read_with(mail_server, reading_account)
    mail_server.dovecot.forget_uids(BOUNCE)
    mail_server.put(BOUNCE, a_mail("new", Message_ID="<new@example.com>"))

    second = until(
        lambda: _with_other(first, read_with(mail_server, reading_account)),
        timeout=20,
        what="another UIDVALIDITY",
    )

    assert second.error == ""
    assert InboundEmail.objects.count() == 31


def _with_other(first: Mailbox, now: Mailbox) -> Mailbox | None:
    return now if now.uidvalidity != first.uidvalidity else None


def seen(mail_server) -> list[str]:
    """The names of files that Dovecot has marked as seen or deleted."""
    files = (mail_server.dovecot.mail / BOUNCE / "cur").glob("*:2,*")
    return [file.name for file in files if set(file.name.partition(":2,")[2]) & set("ST")]


def test_the_wrong_password_is_told_and_waits(mail_server, reading_account):
    reading_account.imap_password = "wrong"
    reading_account.save()

    mailbox = read_with(mail_server, reading_account)

    assert mailbox.error == "The server refused the user name or the password."
    assert mailbox.failures == 1


def test_a_certificate_that_nobody_signed_for_us_is_refused(mail_server, reading_account):
    mailbox = read(reading_account)

    assert mailbox.error.startswith("The server's certificate was not accepted")


def test_a_bounce_from_postfix_finds_the_message_it_is_about(mail_server, tenant):
    account = make_account(make_domain(tenant, DOMAIN), "bounce")
    email = an_email(tenant, account=account, to_address=GHOST)
    raw = (
        f"From: {BOUNCE}\r\nTo: {GHOST}\r\nSubject: Order\r\n"
        f"Message-ID: {email.smtp_message_id}\r\n\r\nHello\r\n"
    )
    with smtplib.SMTP("127.0.0.1", mail_server.plain_port, timeout=20) as session:
        session.sendmail(BOUNCE, [GHOST], raw)
    (report,) = mail_server.wait_for(BOUNCE, count=1)

    row = services.receive(report, tenant=tenant, at=NOON)

    assert (row.kind, row.email, row.recipient) == ("bounce", email, GHOST)
    assert (row.bounce_type, row.status_code) == ("hard", "5.1.1")
    assert (row.envelope_sender, row.never_auto_reply) == ("", "report")
    assert InboundEmail.objects.count() == 1
