"""The sink keeps exactly what it was sent, and when."""

from __future__ import annotations

import smtplib
import socket

import pytest

from tests.servers.smtp_sink import SmtpSink


def test_a_message_is_kept_with_envelope_bytes_and_login(smtp_sink):
    with smtplib.SMTP(smtp_sink.host, smtp_sink.port) as client:
        client.ehlo()
        client.login("shop", "secret")
        client.sendmail("a@x.test", ["b@y.test", "c@y.test"], b"Subject: S\r\n\r\n.dot\r\n")

    [mail] = smtp_sink.wait_for(1)
    assert mail.mail_from == "a@x.test"
    assert mail.recipients == ("b@y.test", "c@y.test")
    assert mail.data == b"Subject: S\r\n\r\n.dot\r\n"
    assert mail.login == "shop"
    assert mail.started <= mail.ended


def test_the_empty_sender_of_a_bounce_is_empty(smtp_sink):
    with smtplib.SMTP(smtp_sink.host, smtp_sink.port) as client:
        client.sendmail("", ["b@y.test"], b"Subject: S\r\n\r\n")

    assert smtp_sink.wait_for(1)[0].mail_from == ""


def test_pipelined_messages_are_kept_one_by_one(smtp_sink):
    envelope = b"MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n"

    with socket.create_connection((smtp_sink.host, smtp_sink.port), timeout=20) as wire:
        wire.sendall(
            b"EHLO me\r\n" + envelope + b"one\r\n.\r\n" + envelope + b"two\r\n.\r\nQUIT\r\n"
        )
        replies = wire.makefile("rb").read()

    assert b"250-PIPELINING\r\n" in replies
    assert [mail.data for mail in smtp_sink.received] == [b"one\r\n", b"two\r\n"]


def test_waiting_in_vain_says_how_many_came():
    with SmtpSink() as sink, pytest.raises(AssertionError, match="only 0"):
        sink.wait_for(1, timeout=0.05)
