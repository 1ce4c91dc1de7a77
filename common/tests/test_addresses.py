"""One text is one mailbox, or it is refused."""

import smtplib
from email.utils import getaddresses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.addresses import Address, normalized, parse_address
from common.errors import Refused

BREAKS = ["\n", "\r", "\r\n", "\r\n ", "\x00", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"]
BREAKS += ["\u2028", "\u2029"]


@pytest.mark.parametrize(
    ("text", "spec", "name"),
    [
        ("ana@example.com", "ana@example.com", ""),
        ("  ana@example.com ", "ana@example.com", ""),
        ("<ana@example.com>", "ana@example.com", ""),
        ("Ana <ana@example.com>", "ana@example.com", "Ana"),
        ("Ana Gonçalves <ana@example.com>", "ana@example.com", "Ana Gonçalves"),
        ("A. Silva <ana@example.com>", "ana@example.com", "A. Silva"),
        ('"Silva, Ana \\"A\\"" <ana@example.com>', "ana@example.com", 'Silva, Ana "A"'),
        ('"<b@evil.test>" <ana@example.com>', "ana@example.com", "<b@evil.test>"),
        ("Ana.Silva+x@Example.COM", "Ana.Silva+x@example.com", ""),
        ("ana@mail.test", "ana@mail.test", ""),
        ("ana@shop.localhost", "ana@shop.localhost", ""),
        ("ana@MÜNCHEN.de", "ana@xn--mnchen-3ya.de", ""),
        ("ana@xn--mnchen-3ya.de", "ana@xn--mnchen-3ya.de", ""),
        ("josé@example.com", "josé@example.com", ""),
        ('"ana silva"@example.com', '"ana silva"@example.com', ""),
        ('"ana@home"@example.com', '"ana@home"@example.com', ""),
        ('"ana"@example.com', "ana@example.com", ""),
    ],
)
def test_one_mailbox_is_read(text, spec, name):
    assert parse_address(text, attr="to_address") == Address(spec, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ana",
        "@example.com",
        "ana@",
        "a@b.test@evil",
        "a@b.test@evil.test",
        "a@@b.test",
        "a@b.test,c@d.test",
        "a@b.test, c@d.test",
        "a@b.test; c@d.test",
        "a@b.test c@d.test",
        "A <a@b.test>, C <c@d.test>",
        "A <a@b.test> C <c@d.test>",
        "a@b.test <c@d.test>",
        "Silva, Ana <ana@example.com>",
        "Team: ana@example.com;",
        "Team: <ana@example.com>",
        "undisclosed-recipients:;",
        "ana@example.com (work)",
        "(work) ana@example.com",
        "ana(work)@example.com",
        "Ana (work) <ana@example.com>",
        "<ana@example.com",
        "ana@example.com>",
        "<<ana@example.com>>",
        "<@evil.test:ana@example.com>",
        "Ana <ana@example.com> x",
        '"Ana <ana@example.com>',
        '"Ana" "B" <ana@example.com>',
        "ana@localhost",
        "ana@127.0.0.1",
        "ana@[127.0.0.1]",
        "ana@-example.com",
        "ana@exa mple.com",
        "ana@example..com",
        "ana@example.com.",
        ".ana@example.com",
        "ana..b@example.com",
        "ana@example.com SIZE=1",
        "ana@example.com>\u2028<evil@x.test",
        "ana\u202e@example.com",
        "ana\u200b@example.com",
        "ana＠example.com",
        "=?utf-8?q?=0D=0ABcc:_evil=40x.test?=@example.com",
        "=?utf-8?q?x?=@example.com",
        "\ud800@example.com",
        "a" * 65 + "@example.com",
        "é" * 33 + "@example.com",
        "a@" + ("b" * 60 + ".") * 4 + "example.com",
        "a@" + "b" * 64 + ".com",
        "x" * 256 + " <ana@example.com>",
        "a@" * 100_000,
        "<" * 100_000 + ">",
    ],
)
def test_anything_else_is_refused_with_its_field(text):
    with pytest.raises(Refused) as refusal:
        parse_address(text, attr="cc.0")

    assert refusal.value.code == "invalid"
    assert refusal.value.attr == "cc.0"


@pytest.mark.parametrize("separator", BREAKS)
@pytest.mark.parametrize(
    "template", ["a{}b@x.test", "a@x{}.test", "a@x.test{}", "{}a@x.test", "A{}B <a@x.test>"]
)
def test_a_control_character_anywhere_is_refused_by_its_name(separator, template):
    with pytest.raises(Refused, match=f"U\\+{ord(separator[0]):04X}"):
        parse_address(template.format(separator), attr="to_address")


@given(st.text(alphabet='ab.@<>,;:()"\\ =?é\u2028\n[]', max_size=24))
@example('"a\\"b"@x.test')
def test_what_is_accepted_is_one_recipient_to_a_second_parser(text):
    try:
        address = parse_address(text, attr="to_address")
    except Refused:
        return

    assert smtplib.quoteaddr(address.addr_spec) == f"<{address.addr_spec}>"
    assert [spec for _, spec in getaddresses([f"<{address.addr_spec}>"])] == [address.addr_spec]


@pytest.mark.parametrize(
    "spec",
    [
        "=?utf-8?q?x?=@x.test",
        "a@x.test>, <b@x.test",
        "a@x.test\r\nRCPT TO:<b@x.test>",
        "a b@x.test",
        "a@x",
        "a,b@x.test",
    ],
)
def test_an_address_made_by_hand_is_one_mailbox_too(spec):
    with pytest.raises(ValueError, match="not one e-mail address"):
        Address(spec)


def test_the_parts_of_an_address():
    address = parse_address('"a@b"@MÜNCHEN.de', attr="to_address")

    assert address.local_part == '"a@b"'
    assert address.domain == "xn--mnchen-3ya.de"
    assert address.unicode_domain == "münchen.de"


def test_a_domain_that_only_looks_encoded_is_shown_as_it_is():
    assert Address("a@xn--zzzzzzzz.test").unicode_domain == "xn--zzzzzzzz.test"


def test_only_a_local_part_beyond_ascii_needs_smtputf8():
    assert parse_address("josé@example.com", attr="to_address").needs_smtputf8
    assert not parse_address("ana@münchen.de", attr="to_address").needs_smtputf8


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ANA@Example.com", "ana@example.COM"),
        ("Ana <ana@münchen.de>", "ana@XN--MNCHEN-3YA.de"),
        ("JOSÉ@example.com", "jose\u0301@example.com"),
        ("straße@example.com", "STRASSE@example.com"),
    ],
)
def test_spellings_of_one_mailbox_compare_equal(one, other):
    keys = {normalized(parse_address(text, attr="address")) for text in (one, other)}

    assert len(keys) == 1
