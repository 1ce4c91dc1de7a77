"""Built messages, read back by parsers that know nothing of how they were built."""

import email
import email.policy
import re
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.addresses import Address
from common.errors import Refused
from common.tests.test_addresses import BREAKS
from common.tests.test_headers import POISON
from delivery.mime import Outgoing, OutgoingAttachment, build, make_message_id

ANA = Address("ana@example.com", "Ana Gonçalves")
SHOP = Address("encomendas@alitools.pt", "Alitools")
PLAIN = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version"}
SINGLE = PLAIN | {"Content-Type", "Content-Transfer-Encoding"}
SMUGGLING = ["a\n.\nb", "a\r.\rb", "a\r\n.\r\nb", "a\n.\r\nb", ".", "..", "\r\n.\r\n", "a\r\r\nb"]


def outgoing(**changes):
    fields = {
        "from_": SHOP,
        "to": (ANA,),
        "subject": "Encomenda A-1001",
        "message_id": "<0190-7@alitools.pt>",
        "date": datetime(2026, 1, 15, 10, 30, tzinfo=UTC),
        "text": "Obrigado!\n",
    }
    return Outgoing(**fields | changes)


def parsed(message):
    return email.message_from_bytes(build(message), policy=email.policy.compat32)


def shape(part):
    """The tree of content types, as nested lists."""
    if part.is_multipart():
        return [part.get_content_subtype(), *(shape(child) for child in part.get_payload())]
    return part.get_content_type()


def header_names_by_every_reading(data):
    """The names in the message's own header, as bytes and by two parsers."""
    head = data.partition(b"\r\n\r\n")[0]
    rows = [row for row in head.splitlines() if row[:1] not in (b" ", b"	")]
    by_bytes = {row.split(b":")[0].decode() for row in rows}
    policies = (email.policy.compat32, email.policy.default)
    return [by_bytes, *(set(email.message_from_bytes(data, policy=p).keys()) for p in policies)]


def recipients(data):
    message = email.message_from_bytes(data)
    raw = [v.replace("\r\n", "") for name in ("To", "Cc", "Bcc") for v in message.get_all(name, [])]
    return [spec for _, spec in getaddresses(raw)]


def logo(**changes):
    fields = {"filename": "logo.png", "content_type": "image/png", "content": b"\x89PNG"}
    return OutgoingAttachment(**fields | {"content_id": "logo"} | changes)


def invoice(**changes):
    return logo(filename="fatura.pdf", content_type="application/pdf", content_id=None, **changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "text/plain"),
        ({"text": ""}, "text/plain"),
        ({"text": "", "html": "<p>x"}, "text/html"),
        ({"html": "<p>x"}, ["alternative", "text/plain", "text/html"]),
        (
            {"text": "", "html": "<p>x", "attachments": (logo(),)},
            ["related", "text/html", "image/png"],
        ),
        ({"attachments": (invoice(),)}, ["mixed", "text/plain", "application/pdf"]),
        ({"attachments": (logo(),)}, ["mixed", "text/plain", "image/png"]),
        (
            {"html": "<p>x", "attachments": (invoice(), logo(), invoice())},
            [
                "mixed",
                ["alternative", "text/plain", ["related", "text/html", "image/png"]],
                "application/pdf",
                "application/pdf",
            ],
        ),
    ],
)
def test_a_message_has_only_the_layers_it_needs(changes, expected):
    assert shape(parsed(outgoing(**changes))) == expected


def test_the_header_says_what_was_asked():
    message = parsed(
        outgoing(
            cc=(Address("b@example.com"), Address("c@example.com", "Silva, C.")),
            reply_to=(Address("reply@alitools.pt"),),
            subject="Olá, 50 € de desconto",
            headers=(("X-Order", "A-1001"), ("In-Reply-To", "<1@example.com>")),
            list_unsubscribe="https://hub.test/u/abc",
        )
    )

    assert str(make_header(decode_header(message["Subject"]))) == "Olá, 50 € de desconto"
    assert message["From"] == "Alitools <encomendas@alitools.pt>"
    assert getaddresses([message["Cc"]]) == [("", "b@example.com"), ("Silva, C.", "c@example.com")]
    assert message["Reply-To"] == "reply@alitools.pt"
    assert message["X-Order"] == "A-1001"
    assert message["In-Reply-To"] == "<1@example.com>"
    assert message["Message-ID"] == "<0190-7@alitools.pt>"
    assert message["List-Unsubscribe"] == "<https://hub.test/u/abc>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsedate_to_datetime(message["Date"]) == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    assert message["Bcc"] is None


def test_the_message_id_is_the_tracking_id_at_the_accounts_domain():
    assert make_message_id("0190-7", domain="alitools.pt") == "<0190-7@alitools.pt>"


def test_a_date_keeps_its_own_offset_and_must_have_one():
    lisbon = datetime(2026, 7, 1, 9, tzinfo=timezone(timedelta(hours=1)))

    assert parsed(outgoing(date=lisbon))["Date"] == "Wed, 01 Jul 2026 09:00:00 +0100"
    with pytest.raises(ValueError, match="time zone"):
        build(outgoing(date=datetime(2026, 7, 1)))


def test_a_retry_sends_the_same_bytes_and_another_message_other_boundaries():
    message = outgoing(html="<p>x", attachments=(logo(), invoice()))
    other = outgoing(html="<p>x", attachments=(logo(), invoice()), message_id="<other@x.test>")

    assert build(message) == build(message)
    boundaries = [set(re.findall(rb'boundary="([^"]+)"', build(m))) for m in (message, other)]
    assert len(boundaries[0]) == 3
    assert not boundaries[0] & boundaries[1]


@pytest.mark.parametrize(
    "body", ["", "x", "=_" * 300, "x" * 3000, "é" * 3000, " \t" * 200, "a = b\n" * 900]
)
@pytest.mark.parametrize("subtype", ["text", "html"])
def test_every_line_is_short_and_ascii_and_ends_in_crlf(body, subtype):
    data = build(outgoing(**{"text": "", subtype: body}, attachments=(invoice(),)))

    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 78
    assert data.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)


def as_lines(text):
    """The lines of ``text``, each ended as mail wants it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") + "\n"
    return lines.replace("\n", "\r\n")


@given(
    text=st.text(
        st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n.=_ -"),
        min_size=1,
        max_size=300,
    )
)
@example(text="linha\n" * 2000)
@example(text="日本語" * 500)
@example(text="--=_boundary--\r\nX: y\r\n\r\n")
@example(text="x \n y\t\nFrom me\n\x00\x0b\x0c\x85\u2028")
@example(text="a\nb" + " " * 100)
def test_a_body_arrives_as_it_was_written(text):
    data = build(outgoing(text=text, html=text, attachments=(invoice(),)))
    message = email.message_from_bytes(data)

    bodies = [p for p in message.walk() if p.get_content_maintype() == "text"]
    read = [part.get_payload(decode=True).decode() for part in bodies]
    assert read == [as_lines(text)] * 2
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)


def test_half_a_surrogate_in_a_body_does_not_stop_the_message():
    assert parsed(outgoing(text="a\ud800b")).get_payload(decode=True) == b"a?b\r\n"


@pytest.mark.parametrize("body", SMUGGLING)
def test_no_body_can_end_the_data_early(body):
    files = (logo(content=body.encode()), invoice(content=body.encode()))

    data = build(outgoing(text=body, html=body, attachments=files))

    assert not re.search(rb"(^|[\r\n])\.[\r\n]", data)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)
    parts = [p for p in email.message_from_bytes(data).walk() if not p.is_multipart()]
    payloads = [part.get_payload(decode=True) for part in parts]
    assert payloads == [as_lines(body).encode()] * 2 + [body.encode()] * 2


@given(content=st.binary(max_size=400))
def test_a_file_arrives_octet_for_octet(content):
    message = parsed(outgoing(attachments=(invoice(content=content),)))

    assert message.get_payload()[1].get_payload(decode=True) == content


def test_a_file_is_attached_and_an_image_is_shown_in_its_place():
    message = parsed(outgoing(html='<img src="cid:logo">', attachments=(logo(), invoice())))

    image, file = [p for p in message.walk() if p.get_filename()]
    assert image.get_content_disposition() == "inline"
    assert image["Content-ID"] == "<logo>"
    assert file.get_content_disposition() == "attachment"
    assert file["Content-ID"] is None


@pytest.mark.parametrize(
    ("given_name", "sent"),
    [
        ("fatura.pdf", "fatura.pdf"),
        ("relatório de março.pdf", "relatório de março.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\x.exe", "x.exe"),
        ("...hidden. ", "hidden"),
        ('a";x="b.pdf', 'a";x="b.pdf'),
        ("日" * 255, "日" * 255),
    ],
)
def test_a_file_name_is_a_name_without_a_path(given_name, sent):
    data = build(outgoing(attachments=(logo(filename=given_name, content_id=None),)))

    assert email.message_from_bytes(data).get_payload()[1].get_filename() == sent
    assert max(map(len, data.split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "name", ["", "..", "a/", "x" * 256, "x" * 10_000, "\u202efdp.exe", "a\x00b"]
)
def test_a_file_name_that_hides_or_says_nothing_is_refused(name):
    with pytest.raises(Refused):
        build(outgoing(attachments=(logo(filename=name),)))


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        ("text/csv", "text/csv"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ('text/calendar; method=REQUEST; charset="utf-8"',) * 2,
        ("application/vnd.ms-excel", "application/vnd.ms-excel"),
        ("message/rfc822", "application/octet-stream"),
        ("Multipart/Mixed", "application/octet-stream"),
    ],
)
def test_a_content_type_is_kept_unless_it_would_have_parts_of_its_own(content_type, sent):
    message = parsed(outgoing(attachments=(logo(content_type=content_type, content_id=None),)))

    assert message.get_payload()[1]["Content-Type"] == sent


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text",
        "text/",
        "/plain",
        "text/plain; name=x.exe",
        "text/plain;boundary=x",
        "a b/c",
        "é/x",
        "a/b/c",
    ],
)
def test_anything_else_is_no_content_type(content_type):
    with pytest.raises(Refused):
        build(outgoing(attachments=(logo(content_type=content_type),)))


@pytest.mark.parametrize("content_id", ["a b", "a>b", "<a><b>", "é", "a" * 201, "=?utf-8?q?x?="])
def test_a_content_id_is_one_word(content_id):
    with pytest.raises(Refused):
        build(outgoing(html="<p>", attachments=(logo(content_id=content_id),)))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.test/",
        "javascript:x",
        "mailto:a@x.test",
        "https://x.test/>,<mailto:a@x",
        "https://é.test/",
        "https://x.test/?=?utf-8?q?x?=",
        "https://x.test/ y",
        "https://" + "x" * 901,
    ],
)
def test_only_a_web_address_can_unsubscribe(url):
    with pytest.raises(Refused) as refusal:
        build(outgoing(list_unsubscribe=url))

    assert refusal.value.attr == "list_unsubscribe"


@pytest.mark.parametrize("name", ["Bcc", "From", "Content-Type", "X-Y\r\nBcc", "X Y", ""])
def test_a_header_of_ours_cannot_be_set_from_outside(name):
    with pytest.raises(Refused):
        build(outgoing(headers=((name, "evil@x.test"),)))


@pytest.mark.parametrize("address", ["from_", "to", "cc", "reply_to"])
def test_an_address_beyond_ascii_anywhere_needs_smtputf8(address):
    jose = Address("josé@example.com")
    message = outgoing(**{address: jose if address == "from_" else (ANA, jose)})

    assert message.needs_smtputf8
    assert "josé@example.com" in build(message).decode()
    assert not outgoing().needs_smtputf8


def put(place, text):
    """A message with ``text`` in one of the places that a caller can reach."""
    places = {
        "subject": lambda: {"subject": text},
        "sender's name": lambda: {"from_": Address("a@x.test", text)},
        "recipient's name": lambda: {"to": (Address("ana@example.com", text),)},
        "copy's name": lambda: {"cc": (Address("c@x.test", text),)},
        "reply's name": lambda: {"reply_to": (Address("d@x.test", text),)},
        "sender": lambda: {"from_": Address(f"a{text}@x.test")},
        "sender's domain": lambda: {"from_": Address(f"a@x.test{text}")},
        "recipient": lambda: {"to": (ANA, Address(f"a@x.test{text}"))},
        "header name": lambda: {"headers": ((f"X-Y{text}", "v"),)},
        "header value": lambda: {"headers": (("X-Y", text),)},
        "file name": lambda: {"attachments": (logo(filename=f"a{text}.png"),)},
        "content type": lambda: {"attachments": (logo(content_type=f"image/png{text}"),)},
        "content id": lambda: {"attachments": (logo(content_id=f"a{text}"),), "html": "<p>"},
        "unsubscribe": lambda: {"list_unsubscribe": f"https://x.test/{text}"},
        "message id": lambda: {"message_id": f"<a{text}@x.test>"},
        "text": lambda: {"text": text},
        "html": lambda: {"html": text},
    }
    return outgoing(**places[place]())


PLACES = (
    *("subject", "sender's name", "recipient's name", "copy's name", "reply's name", "sender"),
    *("sender's domain", "recipient", "header name", "header value", "file name", "content type"),
    *("content id", "unsubscribe", "message id", "text", "html"),
)
INJECTIONS = [f"x{b}Bcc: evil@evil.test" for b in BREAKS] + [f"x{b}\r\n\r\nbody" for b in BREAKS]
INJECTIONS += [
    *POISON,
    ">, <evil@evil.test",
    ", evil@evil.test",
    '" <evil@evil.test>, "',
    "(",
    ";x=y",
]
ALLOWED = SINGLE | {"Cc", "Reply-To", "X-Y", "List-Unsubscribe", "List-Unsubscribe-Post"}


def assert_nothing_injected(place, text):
    try:
        data = build(put(place, text))
    except (Refused, ValueError):
        return
    for names in header_names_by_every_reading(data):
        assert {name for name in names if not name.startswith("X-Y")} <= ALLOWED
    assert set(recipients(data)) <= {"ana@example.com", "a@x.test", "c@x.test"}
    for part in email.message_from_bytes(data).walk():
        own = {name for name in part if not name.startswith("X-Y")}
        assert own <= ALLOWED | {"Content-Disposition", "Content-ID"}


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("place", PLACES)
def test_no_separator_adds_a_header_or_a_recipient(place, text):
    assert_nothing_injected(place, text)


@given(
    place=st.sampled_from(PLACES),
    text=st.lists(
        st.sampled_from(
            [*BREAKS, *POISON, "Bcc:", " ", "evil@evil.test", "<", ">", ",", '"', "é", "--=_"]
        ),
        max_size=6,
    ).map("".join),
)
def test_no_mixture_of_them_does_either(place, text):
    assert_nothing_injected(place, text)


@pytest.mark.parametrize("separator", BREAKS)
@pytest.mark.parametrize("place", [place for place in PLACES if place not in {"text", "html"}])
def test_a_separator_in_the_header_stops_the_message(place, separator):
    with pytest.raises((Refused, ValueError)):
        build(put(place, f"x{separator}Bcc: evil@evil.test"))
