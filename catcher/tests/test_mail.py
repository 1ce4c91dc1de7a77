"""Hostile mail is read in bounded time, or said to be unreadable; it never raises."""

from __future__ import annotations

import pytest

from catcher.mail import MAX_SUBJECT, read, subject_of

ALTERNATIVE = (
    b"Subject: =?utf-8?q?Confirma=C3=A7=C3=A3o?=\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nOl\xe1\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"PGI+T2zDoTwvYj4=\r\n"
    b'--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="fatura.txt"'
    b"\r\n\r\n12 EUR\r\n--b--\r\n"
)


def test_text_html_and_attachment_names_are_decoded():
    reading = read(ALTERNATIVE)

    assert reading.text == "Olá"
    assert reading.html == "<b>Olá</b>"
    assert reading.attachments == ("fatura.txt",)
    assert ("MIME-Version", "1.0") in reading.headers


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (b"=?utf-8?q?Encomenda_n=C2=BA_1?=", "Encomenda nº 1"),
        (b"=?utf-8?q?a=0D=0ABcc:_evil@x.test?=", "a Bcc: evil@x.test"),
        (b"=?rot13?q?cyan?=", "cyan"),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
        (b"ol\xe1 \x00", "ol� �"),
        (b"", ""),
    ],
)
def test_a_subject_is_one_line_of_plain_text(header, shown):
    assert subject_of(b"Subject: " + header + b"\r\n\r\nx") == shown


def test_a_long_subject_is_cut():
    assert len(subject_of(b"Subject: " + b"x" * 50_000 + b"\r\n\r\n")) == MAX_SUBJECT


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "raw",
    [
        b"From: " + b"(" * 900 + b"\r\n\r\nx",
        b"From: " + b'"' * 19_000 + b"\r\n\r\nx",
        b"Content-Type: text/plain" + b"; a=b" * 20_000 + b"\r\n\r\nx",
        b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\nx",
        b"Content-Type: text/html; charset=rot13\r\n\r\n<p>x",
        b"Content-Type: text/plain; charset=idna\r\n\r\nx",
        b"Content-Type: message/rfc822\r\n\r\n" * 5000,
        b"".join(
            b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n)
            for n in range(3000)
        ),
        b"",
        bytes(range(256)) * 40,
    ],
)
def test_mail_bombs_neither_raise_nor_hang(raw):
    reading = read(raw)

    assert reading.text.isprintable() or len(reading.text) < 11_000
    assert len(subject_of(raw)) <= MAX_SUBJECT
