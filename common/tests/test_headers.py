"""Whatever a caller puts into a header, it stays one header and decodes to the same text."""

import email
import email.policy
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.addresses import Address
from common.errors import Refused
from common.headers import (
    MAX_CUSTOM_HEADERS,
    MAX_VALUE_LENGTH,
    check_header_name,
    check_header_value,
    check_headers,
    encode_address_list,
    encode_parameter,
    encode_unstructured,
)
from common.tests.test_addresses import BREAKS

POISON = [
    "=?utf-8?q?=0D=0ABcc:_evil@x.test?=",
    "=?utf-8?b?DQpCY2M6IGV2aWxAeC50ZXN0?=",
    "=?utf-8?q?=0ABcc:_evil@x.test?= tail",
    "=?us-ascii?q?a?=  =?us-ascii?q?b?=",
    "=?utf-8?q?half",
]
line = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
    | st.sampled_from('=? \u00e9_,:;<>"\\'),
    max_size=200,
)


def decoded(block: bytes, name: str) -> str:
    """What a mail program of the old school shows for one header."""
    raw = email.message_from_bytes(block + b"\r\n", policy=email.policy.compat32)[name]
    return str(make_header(decode_header(raw.replace("\r\n", ""))))


def names_by_every_reading(block: bytes) -> list[list[str]]:
    by_bytes = [row.split(b":")[0].decode() for row in block.splitlines() if row[:1] not in b" \t"]
    parsers = (email.policy.compat32, email.policy.default)
    parsed = [email.message_from_bytes(block + b"\r\n", policy=policy).keys() for policy in parsers]
    return [by_bytes, *parsed]


@pytest.mark.parametrize(
    "name", ["X-Order", "In-Reply-To", "References", "Auto-Submitted", "List-Id"]
)
def test_a_header_of_ones_own_is_allowed(name):
    assert check_header_name(name, attr="headers") == name


@pytest.mark.parametrize(
    "name",
    [
        *("From", "to", "CC", "bCc", "Sender", "Subject", "Date", "Message-ID", "Reply-To"),
        *("Return-Path", "MIME-Version", "Content-Type", "content-transfer-encoding", "Received"),
        *("Received-SPF", "DKIM-Signature", "ARC-Seal", "Authentication-Results", "Resent-To"),
        *("List-Unsubscribe", "list-unsubscribe-post", "X-SendCraft-Id", "Apparently-To"),
        *("", "X Y", "X:Y", "X\tY", "Ünique", "X" * 77, "X-Y:", " X", "X "),
    ],
)
def test_a_header_that_is_ours_or_no_header_is_refused(name):
    with pytest.raises(Refused) as refusal:
        check_header_name(name, attr="headers")

    assert refusal.value.attr == "headers"


@pytest.mark.parametrize("separator", BREAKS)
def test_a_separator_in_a_name_or_a_value_is_refused(separator):
    with pytest.raises(Refused):
        check_header_name(f"X-Y{separator}Bcc", attr="headers")
    with pytest.raises(Refused, match="U\\+"):
        check_header_value(f"v{separator}Bcc: evil@x.test", attr="headers.X-Y")
    with pytest.raises(Refused, match="U\\+"):
        encode_unstructured("X-Y", f"v{separator}Bcc: evil@x.test")
    with pytest.raises(Refused, match="U\\+"):
        encode_parameter("filename", f"v{separator}Bcc: evil@x.test")
    with pytest.raises(Refused, match="U\\+"):
        encode_address_list("To", [Address("a@x.test", f"v{separator}Bcc: evil@x.test")])


def test_headers_are_kept_in_order():
    headers = {"X-B": "1", "X-A": "é"}

    assert check_headers(headers, attr="headers") == (("X-B", "1"), ("X-A", "é"))


@pytest.mark.parametrize(
    ("headers", "attr"),
    [
        ({f"X-{n}": "" for n in range(MAX_CUSTOM_HEADERS + 1)}, "headers"),
        ({"X-A": "1", "x-a": "2"}, "headers"),
        ({"Bcc": "evil@x.test"}, "headers"),
        ({"X-A": "a\nb"}, "headers.X-A"),
        ({"X-A": "a" * (MAX_VALUE_LENGTH + 1)}, "headers.X-A"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers, attr):
    with pytest.raises(Refused) as refusal:
        check_headers(headers, attr="headers")

    assert refusal.value.attr == attr


@given(value=line)
@example(value="")
@example(value=" ")
@example(value=" a  b ")
@example(value="w" * 77)
@example(value="w " * 500 + "w")
@example(value="w" * 2000)
@example(value="é" * 500)
@example(value="日本語" * 100)
@example(value="😀" * 60)
@example(value=POISON[0])
@example(value=POISON[1])
@example(value=POISON[2])
@example(value=POISON[3])
@example(value=POISON[4])
def test_text_arrives_as_it_was_written_and_adds_no_header(value):
    block = encode_unstructured("X-Order", value) + b"X-After: yes\r\n"

    assert names_by_every_reading(block) == [["X-Order", "X-After"]] * 3
    assert decoded(block, "X-Order") == value
    modern = email.message_from_bytes(block + b"\r\n", policy=email.policy.default)["X-Order"]
    assert modern.strip(" ") == value.strip(" ")
    assert block.isascii()
    assert max(map(len, block.split(b"\r\n"))) <= 998
    assert b"\n" not in block.replace(b"\r\n", b"")


@given(st.text(st.sampled_from("ab é日😀"), max_size=300).filter(lambda value: value.strip()))
def test_lines_stay_within_78_columns(value):
    block = encode_unstructured("Subject", value)

    assert all(len(row) <= 78 for row in block.split(b"\r\n")) or value.isascii()


@given(names=st.lists(line, min_size=1, max_size=4))
@example(names=["Silva, Ana", 'O "Rei"', "a\\", ""])
@example(names=POISON)
@example(names=["evil@x.test", "<evil@x.test>", "a;b:c", "(comment)"])
@example(names=["x" * 255, "é" * 255])
def test_display_names_never_become_recipients(names):
    addresses = [Address(f"r{n}@x.test", name) for n, name in enumerate(names)]

    block = encode_address_list("To", addresses)

    assert names_by_every_reading(block) == [["To"]] * 3
    raw = email.message_from_bytes(block + b"\r\n")["To"].replace("\r\n", "")
    pairs = getaddresses([raw])
    assert [spec for _, spec in pairs] == [address.addr_spec for address in addresses]
    shown = [str(make_header(decode_header(name))) for name, _ in pairs]
    assert [" ".join(name.split()) for name in shown] == [" ".join(name.split()) for name in names]
    assert block.isascii()
    assert max(map(len, block.split(b"\r\n"))) <= 998


@given(name=line)
@example(name="Silva, Ana")
@example(name=POISON[0])
def test_the_modern_parser_reads_the_same_mailbox(name):
    block = encode_address_list("To", [Address("r@x.test", name), Address("s@x.test")])

    to = email.message_from_bytes(block + b"\r\n", policy=email.policy.default)["To"]

    assert [address.addr_spec for address in to.addresses] == ["r@x.test", "s@x.test"]


def test_a_local_part_beyond_ascii_goes_out_in_utf8():
    assert encode_address_list("To", [Address("josé@x.test")]) == "To: josé@x.test\r\n".encode()


@given(value=line.filter(lambda value: value.strip()))
@example(value="report.pdf")
@example(value='a";b="c')
@example(value="relatório de março.pdf")
@example(value="日" * 255)
@example(value=POISON[0])
@example(value="'" * 61)
def test_a_parameter_arrives_as_it_was_written(value):
    block = b"Content-Disposition: attachment" + encode_parameter("filename", value) + b"\r\n"

    assert names_by_every_reading(block) == [["Content-Disposition"]] * 3
    message = email.message_from_bytes(block + b"\r\n", policy=email.policy.compat32)
    assert message.get_filename() == value.strip()
    assert block.isascii()
    assert max(map(len, block.split(b"\r\n"))) <= 78
