"""Hostile mail costs little and raises one error only; other mail reads as elsewhere."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from email import policy
from email.message import Message
from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox import mime, reading
from inbox.kinds import QuarantineReason
from inbox.mime import Unsafe
from inbox.tests.mails import a_bounce_of, a_complaint_of, a_mail, with_files

MB = 1_000_000
SECONDS = 5
FIELDS = ("message/delivery-status", "message/feedback-report")


def nested(depth: int) -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n)
        for n in range(depth)
    )


def html(body: bytes) -> bytes:
    return b"Content-Type: text/html\r\n\r\n" + body


POISON = {
    "comments in From": (b"From: " + b"(" * 900 + b"\r\n\r\nx", None),
    "quotes in From": (b"From: " + b'"' * 19_000 + b"\r\n\r\nx", None),
    "escaped quotes in From": (b"From: " + b'"\\' * 30_000 + b"\r\n\r\nx", None),
    "parameters": (
        b"Content-Type: text/plain" + b"; a=b" * 20_000 + b"\r\n\r\nx",
        QuarantineReason.HEADER_TOO_LONG,
    ),
    "fewer parameters": (b"Content-Type: text/plain" + b"; a=b" * 12_000 + b"\r\n\r\nx", None),
    "encoded words": (
        b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\nx",
        QuarantineReason.HEADER_TOO_LONG,
    ),
    "fewer encoded words": (b"Subject: " + b"=?utf-8?q?a?= " * 4_000 + b"\r\n\r\nx", None),
    "multipart depth": (nested(3000), QuarantineReason.NESTED_TOO_DEEP),
    "attached mail depth": (
        b"Content-Type: message/rfc822\r\n\r\n" * 5000,
        QuarantineReason.NESTED_TOO_DEEP,
    ),
    "rot13": (b"Content-Type: text/html; charset=rot13\r\n\r\n<p>x", None),
    "zlib": (b"Content-Type: text/plain; charset=zlib\r\n\r\nx\x9c", None),
    "hex": (b"Content-Type: text/plain; charset=hex\r\n\r\n6162", None),
    "bogus": (b"Content-Type: text/plain; charset=bogus\r\n\r\n\xff", None),
    "idna": (b"Content-Type: text/plain; charset=idna\r\n\r\n\xff" + b"a" * MB, None),
    "half characters": (b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-", None),
    "parts": (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n" * 3 * MB,
        QuarantineReason.TOO_MANY_PARTS,
    ),
    "a thousand attachments": (
        with_files(*[(f"{n}.txt", "text/x-note", b"x") for n in range(1000)]),
        QuarantineReason.TOO_MANY_PARTS,
    ),
    "fields": (b"A: b\r\n" * 4 * MB, QuarantineReason.HEADER_TOO_LONG),
    "small fields": (b"A:\n" * 5000 + b"\n", QuarantineReason.HEADER_TOO_LONG),
    "folded lines": (
        b"A: b\r\n" + b" b\r\n" * 60_000 + b"\r\n",
        QuarantineReason.HEADER_TOO_LONG,
    ),
    "spaces": (b"Subject:" + b" " * 60_000 + b"x\r\nTo:" + b" ," * 30_000 + b"\r\n\r\n", None),
    "opened tags": (html(b"<" * 25 * MB), None),
    "opened comments": (html(b"<!--" * 6 * MB), None),
    "opened scripts": (html(b"<script>" * 3 * MB), None),
    "a huge entity": (html(b"&#" + b"9" * 20 * MB), None),
    "quotes of quotes": (b"A: b\r\n\r\n" + b">\n" * 12 * MB, None),
    "introductions": (b"A: b\r\n\r\n" + b"On wrote wrote wrote wrote\n" * MB, None),
    "scanned at each level": (
        nested(19) + b"\r\n" + b"\n--9x9999\n" * (5 * MB // 2),
        QuarantineReason.NESTED_TOO_DEEP,
    ),
    "fragment": (
        b'Content-Type: message/partial; id="a"; number=1\r\n\r\nx',
        QuarantineReason.FRAGMENT,
    ),
    "nothing but line ends": (b"\r\n" * 12 * MB, QuarantineReason.NO_HEADER),
    "every byte": (bytes(range(256)) * 40, QuarantineReason.NO_HEADER),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_ends_soon_and_is_read_or_refused_for_what_it_is(name):
    raw, reason = POISON[name]
    began = time.process_time()

    found = None
    try:
        mail = reading.read(raw)
        assert len(mail.text) <= reading.MAX_TEXT_BYTES
        mail.text.encode()
    except Unsafe as unsafe:
        found = unsafe.reason

    assert found == reason
    assert time.process_time() - began < SECONDS


READ_THE_WORST = r"""
import sys; sys.path.insert(0, ".")
from inbox.reading import read

def worst(kind, way, body):
    head = f"Content-Type: text/{kind}\r\nContent-Transfer-Encoding: {way}\r\n\r\n"
    return head.encode() + body * (25_000_000 // len(body))

read(worst("html", "7bit", b"<"))
read(worst("html", "base64", b"PGE+"))
read(worst("html", "quoted-printable", b"="))
read(worst("plain", "7bit", b">\n"))
read(worst("plain", "base64", b"QUFB"))
"""


def test_the_worst_mails_stay_within_half_a_gigabyte():
    """A mail of 25 MB, the copy that the program builds it from, and all that reading makes."""
    limit = 1 << 29

    done = subprocess.run(
        [sys.executable, "-c", READ_THE_WORST],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert done.returncode == 0, done.stderr


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(data):
    for raw in (data, b"A: b\r\n" + data, html(data)):
        try:
            mail = reading.read(raw)
        except Unsafe:
            continue
        for text in (mail.text, mail.subject, mail.reply_text, mail.html_text):
            assert "\0" not in text
            text.encode()


SOUND = [
    a_mail(),
    a_mail("a\r\n\r\nb\r\n", Content_Type="text/plain; charset=utf-8"),
    with_files(("a.pdf", "application/pdf", b"%PDF" * 100), html="<p>Olá</p>"),
    with_files(("nota.txt", "text/plain", b"12 EUR\n"), ("b", "image/png", bytes(range(256)))),
    a_bounce_of("<1@shop.test>"),
    a_complaint_of("<1@shop.test>", feedback="Feedback-Type: abuse"),
    b'Content-Type: multipart/mixed; boundary="a b"\n\nbefore\n--a b\n\nx\n--a b--\nafter\n',
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bb\n\n--b\nA: c\n\ny\n--b--",
    b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nA: b\r\n\r\nx\r\n--b--\r\n",
]


def parts_of(message: Message) -> Iterator[Message]:
    """Every part as Python's parser finds it; it takes the fields of a report for a mail."""
    yield message
    if message.is_multipart() and message.get_content_type() not in FIELDS:
        for part in message.get_payload():
            yield from parts_of(part)


@pytest.mark.parametrize("number", range(len(SOUND)))
def test_sound_mail_has_the_parts_that_pythons_parser_finds(number):
    theirs = list(parts_of(BytesParser(policy=policy.compat32).parsebytes(SOUND[number])))

    ours = list(mime.take_apart(SOUND[number]).walk())

    assert [part.content_type for part in ours] == [part.get_content_type() for part in theirs]
    assert [part.text(most=MB) for part in ours if part.content_type == "text/plain"] == [
        part.get_payload(decode=True).decode().replace("\r\n", "\n")
        for part in theirs
        if part.get_content_type() == "text/plain"
    ]


def test_sizes_are_those_of_the_decoded_files():
    sizes = [0, 1, 2, 3, 57, 58, 5000]

    mail = reading.read(with_files(*[(f"{n}", "image/png", b"\0" * n) for n in sizes]))

    assert [file.size_bytes for file in mail.attachments] == sizes


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\fatura.pdf", "fatura.pdf"),
        ("ficha\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe", "ficha fdp.exe"),
        ("a\0b.pdf", "a\N{REPLACEMENT CHARACTER}b.pdf"),
        ("x" * 10_000 + ".pdf", "x" * 251 + ".pdf"),
        ("..", ".."),
        ("fatura nº 1.pdf", "fatura nº 1.pdf"),
    ],
)
def test_a_file_name_is_one_plain_name(given_name, kept):
    head = b'Content-Disposition: attachment; filename="%s"\r\n\r\nx'

    mail = reading.read(head % given_name.replace("\\", "\\\\").encode())

    assert mail.attachments[0].filename == kept


def test_a_mail_attached_to_a_mail_lends_it_no_text():
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: secret\r\n\r\nInner\r\n--b--\r\n"
    )

    mail = reading.read(raw)

    assert mail.text.strip() == "See below."
    assert [file.content_type for file in mail.attachments] == ["message/rfc822"]


def test_archives_and_winmail_are_named_and_never_opened():
    mail = reading.read(
        with_files(
            ("bomb.zip", "application/zip", b"PK\3\4" + b"\0" * 100),
            ("winmail.dat", "application/ms-tnef", b"\x78\x9f\x3e\x22" + b"\0" * 100),
        )
    )

    assert [(file.filename, file.size_bytes) for file in mail.attachments] == [
        ("bomb.zip", 104),
        ("winmail.dat", 104),
    ]
