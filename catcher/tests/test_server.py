"""The catcher takes what any client sends, and never claims to have kept what it hasn't."""

from __future__ import annotations

import smtplib
import socket
from datetime import UTC, datetime
from threading import current_thread

import pytest

from catcher.server import MAX_MESSAGE_BYTES, Catcher, CaughtMail

MAIL = b"Subject: Oi\r\n\r\n.a line with a dot\r\n"


class Shelf:
    """A store in memory; fails as often as it is told to."""

    def __init__(self) -> None:
        self.mails: list[CaughtMail] = []
        self.threads: set[str] = set()
        self.failures = 0

    def __call__(self, mail: CaughtMail) -> None:
        self.threads.add(current_thread().name)
        if self.failures:
            self.failures -= 1
            raise OSError("disk full: /secret/path")
        self.mails.append(mail)


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def catcher(shelf):
    with Catcher(shelf, port=0) as running:
        yield running


@pytest.fixture
def client(catcher):
    with smtplib.SMTP("127.0.0.1", catcher.port, timeout=30) as connected:
        yield connected


def test_a_mail_is_stored_with_envelope_exact_bytes_and_time(client, shelf):
    before = datetime.now(tz=UTC)

    client.sendmail("shop@a.test", ["x@b.test", "y@b.test"], MAIL)

    [mail] = shelf.mails
    assert mail.mail_from == "shop@a.test"
    assert mail.recipients == ("x@b.test", "y@b.test")
    assert mail.raw == MAIL
    assert before <= mail.received_at <= datetime.now(tz=UTC)


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
def test_any_login_is_accepted_without_tls(client, mechanism):
    client.ehlo()
    client.user, client.password = "encomendas@alitools.pt", "whatever"
    name = mechanism.removeprefix("auth_").upper()

    code, _ = client.auth(name, getattr(client, mechanism))

    assert code == 235


def test_a_mail_without_a_login_is_accepted(client, shelf):
    client.sendmail("shop@a.test", ["x@b.test"], MAIL)

    assert len(shelf.mails) == 1


def test_tls_is_not_offered(client):
    client.ehlo()

    assert not client.has_extn("starttls")


def test_a_bounce_has_an_empty_sender(client, shelf):
    client.sendmail("", ["x@b.test"], MAIL)

    assert shelf.mails[0].mail_from == ""


def test_addresses_and_headers_may_be_utf8(client, shelf):
    client.ehlo()
    client.mail("joão@exemplo.pt", ["SMTPUTF8"])
    client.rcpt("françois@exemplo.pt")
    client.data("Subject: Olá\r\n\r\n".encode())

    [mail] = shelf.mails
    assert (mail.mail_from, mail.recipients) == ("joão@exemplo.pt", ("françois@exemplo.pt",))
    assert mail.raw == "Subject: Olá\r\n\r\n".encode()


def test_an_address_that_is_not_utf8_can_still_be_stored(catcher, shelf):
    with socket.create_connection(("127.0.0.1", catcher.port), timeout=30) as wire:
        wire.sendall(b"EHLO me\r\nMAIL FROM:<\xff@a.test>\r\nRCPT TO:<\xfe@b.test>\r\nDATA\r\n")
        wire.sendall(MAIL + b".\r\nQUIT\r\n")
        wire.makefile("rb").read()

    [mail] = shelf.mails
    assert (mail.mail_from, mail.recipients) == ("\ufffd@a.test", ("\ufffd@b.test",))


def test_a_mail_that_could_not_be_stored_is_refused_for_now_without_saying_why(client, shelf):
    shelf.failures = 1

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        client.sendmail("shop@a.test", ["x@b.test"], MAIL)

    assert refusal.value.smtp_code == 451
    assert b"secret" not in refusal.value.smtp_error
    assert shelf.mails == []


def test_after_a_failure_the_same_connection_can_send_again(catcher, shelf):
    shelf.failures = 1
    envelope = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n"

    with socket.create_connection(("127.0.0.1", catcher.port), timeout=30) as wire:
        wire.sendall(b"EHLO me\r\n" + (envelope + MAIL + b".\r\n") * 2 + b"QUIT\r\n")
        replies = wire.makefile("rb").read()

    assert replies.count(b"451 4.3.0") == 1
    assert len(shelf.mails) == 1


def test_a_mail_over_the_limit_is_refused_before_its_data_by_a_client_that_tells_the_size(client):
    client.ehlo()

    code, _ = client.mail("shop@a.test", [f"SIZE={MAX_MESSAGE_BYTES + 1}"])

    assert client.esmtp_features["size"] == str(MAX_MESSAGE_BYTES)
    assert code == 552


def test_a_mail_over_the_limit_is_refused_after_its_data_and_not_stored(client, shelf):
    client.ehlo()
    client.mail("shop@a.test")
    client.rcpt("x@b.test")

    code, _ = client.data((b"x" * 998 + b"\r\n") * (MAX_MESSAGE_BYTES // 1000 + 1))

    assert code == 552
    assert shelf.mails == []


def test_all_mails_are_stored_in_one_thread_that_may_own_a_database_connection(catcher, shelf):
    for _ in range(3):
        with smtplib.SMTP("127.0.0.1", catcher.port, timeout=30) as client:
            client.sendmail("shop@a.test", ["x@b.test"], MAIL)

    assert len(shelf.mails) == 3
    assert len(shelf.threads) == 1
    assert current_thread().name not in shelf.threads


def test_a_port_in_use_is_told_at_once(catcher, shelf):
    with pytest.raises(OSError, match="in use"):
        Catcher(shelf, port=catcher.port)


def test_after_a_stop_nobody_answers(shelf):
    with Catcher(shelf, port=0) as catcher:
        port = catcher.port

    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP("127.0.0.1", port)
