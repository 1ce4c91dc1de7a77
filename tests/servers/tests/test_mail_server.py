"""The mail server of the tests is a real one: it verifies, delivers, bounces and can be fooled."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
from email.message import EmailMessage

import pytest

from tests.servers.mail_server import ALICE, BOB, BOUNCE, GHOST, MailServer
from tests.servers.smtp_sink import SmtpSink

pytestmark = pytest.mark.servers

BODY = b"Subject: Hi\r\n\r\nthe body\r\n"


def submit(server: MailServer, *, sender: str, recipient: str, data: bytes = BODY) -> None:
    with smtplib.SMTP(server.host, server.submission_port, timeout=20) as client:
        client.starttls(context=server.trusting_context())
        client.login(sender, server.passwords[sender])
        client.sendmail(sender, [recipient], data)


def test_a_mail_sent_over_starttls_with_a_login_lies_in_the_mailbox(mail_server):
    message = EmailMessage()
    message["Subject"] = "Encomenda 1042"
    message.set_content("Obrigado pela sua encomenda.")

    submit(mail_server, sender=BOB, recipient=ALICE, data=message.as_bytes())

    [mail] = mail_server.wait_for(ALICE, count=1)
    assert b"Subject: Encomenda 1042" in mail
    assert b"Obrigado pela sua encomenda." in mail


def test_a_mail_sent_over_implicit_tls_lies_in_the_mailbox(mail_server):
    context = mail_server.trusting_context()

    with smtplib.SMTP_SSL(mail_server.host, mail_server.smtps_port, context=context) as client:
        client.login(BOB, mail_server.passwords[BOB])
        client.sendmail(BOB, [ALICE], BODY)

    [mail] = mail_server.wait_for(ALICE, count=1)
    assert b"the body" in mail


def test_the_certificate_is_good_for_the_address_too(mail_server):
    context = mail_server.trusting_context()

    with smtplib.SMTP_SSL("127.0.0.1", mail_server.smtps_port, context=context) as client:
        assert client.noop()[0] == 250


def test_a_client_that_does_not_know_the_authority_refuses_the_certificate(mail_server):
    with pytest.raises(ssl.SSLCertVerificationError):
        smtplib.SMTP_SSL(
            mail_server.host, mail_server.smtps_port, context=ssl.create_default_context()
        )


def test_no_login_is_offered_before_tls(mail_server):
    with smtplib.SMTP(mail_server.host, mail_server.submission_port) as client:
        client.ehlo()

        assert client.has_extn("starttls")
        assert not client.has_extn("auth")


def test_a_wrong_password_is_refused(mail_server):
    with smtplib.SMTP(mail_server.host, mail_server.submission_port) as client:
        client.starttls(context=mail_server.trusting_context())

        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            client.login(ALICE, "guess")

    assert refusal.value.smtp_code == 535


def test_the_plain_port_knows_who_has_a_mailbox(mail_server):
    with (
        smtplib.SMTP(mail_server.host, mail_server.plain_port) as client,
        pytest.raises(smtplib.SMTPRecipientsRefused) as refusal,
    ):
        client.sendmail(BOB, ["nobody@sendcraft.test"], BODY)

    [(code, text)] = refusal.value.recipients.values()
    assert (code, text[:5]) == (550, b"5.1.1")


def test_mail_for_other_domains_goes_to_the_far_port(mail_server):
    with SmtpSink(port=mail_server.far_port) as far:
        submit(mail_server, sender=ALICE, recipient="someone@elsewhere.test")

        [mail] = far.wait_for(1)

    assert mail.recipients == ("someone@elsewhere.test",)


def test_an_unknown_mailbox_behind_postfix_sends_a_real_bounce_to_the_tagged_sender(mail_server):
    sender = BOUNCE.replace("@", "+token@")

    with smtplib.SMTP(mail_server.host, mail_server.plain_port) as client:
        client.sendmail(sender, [GHOST], BODY)

    [bounce] = mail_server.wait_for(BOUNCE, count=1)
    assert bounce.startswith(b"Return-Path: <>")
    assert b"multipart/report" in bounce


def test_delivered_mail_can_be_read_over_imap(mail_server):
    submit(mail_server, sender=BOB, recipient=ALICE)
    mail_server.wait_for(ALICE, count=1)

    context = mail_server.trusting_context()
    with imaplib.IMAP4_SSL("localhost", mail_server.imaps_port, ssl_context=context) as box:
        box.login(ALICE, mail_server.passwords[ALICE])
        _, [count] = box.select("INBOX", readonly=True)

    assert count == b"1"


def test_bare_newlines_smuggle_a_second_mail_into_this_server(mail_server):
    smuggled = b"MAIL FROM:<boss@other.test>\r\nRCPT TO:<alice@sendcraft.test>\r\nDATA\r\n"
    data = b"Subject: outer\r\n\r\nhello\n.\n" + smuggled + b"Subject: inner\r\n\r\nevil\r\n.\r\n"

    with socket.create_connection(("127.0.0.1", mail_server.plain_port), timeout=20) as wire:
        replies = wire.makefile("rb")
        replies.readline()
        for command in ("HELO x", f"MAIL FROM:<{BOB}>", f"RCPT TO:<{ALICE}>", "DATA"):
            wire.sendall(f"{command}\r\n".encode())
            replies.readline()
        wire.sendall(data + b"QUIT\r\n")
        replies.read()

    mails = mail_server.wait_for(ALICE, count=2)
    assert [mail for mail in mails if mail.startswith(b"Return-Path: <boss@other.test>")]
