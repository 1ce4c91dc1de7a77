"""Commands and bodies that no server can read as more than they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import PermanentError
from common.smtp.envelope import Envelope, dot_stuffed, encode_address, prepare, with_crlf

BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
lines_and_dots = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.\r\n", b"\n.\n", b"\x00", b"\xe9"])
).map(b"".join)


def envelope(**changes: object) -> Envelope:
    return Envelope(
        **{"mail_from": "a@x.test", "recipients": ("b@x.test",), "data": b"x", **changes}
    )


@given(lines_and_dots)
def test_no_bare_line_end_and_no_early_final_dot_ever_leaves(data):
    sent = dot_stuffed(with_crlf(data))

    assert not BARE.search(sent)
    assert sent.endswith(b"\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + sent


@given(lines_and_dots)
def test_the_receiver_gets_the_body_back_line_by_line(data):
    sent = dot_stuffed(with_crlf(data))

    received = [line.removeprefix(b".") for line in sent.split(b"\r\n")]
    expected = re.split(rb"\r\n|\r|\n", data)
    assert received == (expected if expected[-1] == b"" and data else [*expected, b""])


@pytest.mark.parametrize(
    "address",
    [
        "anna@example.test",
        "a+b=c/d@example.test",
        '"two words"@example.test',
        '"a<b>\\"c"@example.test',
        "x@[127.0.0.1]",
        "x@localhost",
    ],
)
def test_ordinary_and_quoted_addresses_go_out_as_they_are(address):
    assert encode_address(address) == address.encode()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "@example.test",
        "anna@",
        "a b@example.test",
        "anna@exam ple.test",
        "anna@example.test>",
        "<anna@example.test>",
        "anna@example.test> SIZE=1",
        "anna@example.test\r\nRCPT TO:<evil@x.test>",
        "anna@example.test\n",
        '"a\r\nb"@example.test',
        '"a\x00b"@example.test',
        '"a"b"@example.test',
        '"a\\"@example.test',
        "anna\x00@example.test",
        "anna\u2028@example.test",
        "anna\x85@example.test",
        "anna\ud800@example.test",
        "a@b.test@evil.test",
        "a,b@example.test",
        "anna@①.test",
        "a" * 320 + "@x.test",
    ],
)
def test_what_could_be_read_as_more_than_one_address_is_refused(address):
    with pytest.raises(ValueError, match="address"):
        encode_address(address)


def test_an_international_domain_needs_no_smtputf8():
    commands = prepare(envelope(recipients=("anna@bücher.example",)), capabilities={})

    assert commands.rcpts == (b"RCPT TO:<anna@xn--bcher-kva.example>\r\n",)
    assert commands.mail == b"MAIL FROM:<a@x.test>\r\n"


def test_an_international_local_part_needs_smtputf8():
    wanted = envelope(recipients=("jürgen@x.test",))

    with pytest.raises(PermanentError) as refusal:
        prepare(wanted, capabilities={})
    commands = prepare(wanted, capabilities={"SMTPUTF8": ""})

    assert refusal.value.code == "smtputf8_unsupported"
    assert commands.mail == b"MAIL FROM:<a@x.test> SMTPUTF8\r\n"
    assert commands.rcpts == ("RCPT TO:<jürgen@x.test>\r\n".encode(),)


def test_eight_bit_bodies_are_announced_or_refused():
    wanted = envelope(data="é".encode())

    with pytest.raises(PermanentError) as refusal:
        prepare(wanted, capabilities={})

    assert refusal.value.code == "eight_bit_unsupported"
    assert b" BODY=8BITMIME" in prepare(wanted, capabilities={"8BITMIME": ""}).mail


def test_the_size_is_announced_and_too_large_messages_stay_here():
    wanted = envelope(data=b"12345678")

    assert prepare(wanted, capabilities={"SIZE": "10"}).mail.endswith(b" SIZE=10\r\n")
    assert prepare(wanted, capabilities={"SIZE": "0"}).mail.endswith(b" SIZE=10\r\n")
    assert prepare(wanted, capabilities={"SIZE": "x" * 9}).mail.endswith(b" SIZE=10\r\n")
    with pytest.raises(PermanentError) as refusal:
        prepare(wanted, capabilities={"SIZE": "9"})
    assert refusal.value.code == "too_large"


def test_delivery_reports_carry_the_envelope_id_where_offered():
    wanted = envelope(envelope_id="a+b=c")

    assert prepare(wanted, capabilities={"DSN": ""}).mail.endswith(b" RET=HDRS ENVID=a+2Bb+3Dc\r\n")
    assert b"ENVID" not in prepare(wanted, capabilities={}).mail


def test_reports_are_asked_for_with_each_recipient_as_we_name_it():
    wanted = envelope(recipients=("a+b@x.test", "ção@x.test"), wants_reports=True)

    rcpts = prepare(wanted, capabilities={"DSN": "", "SMTPUTF8": ""}).rcpts

    notify = b" NOTIFY=SUCCESS,FAILURE,DELAY"
    assert rcpts == (
        b"RCPT TO:<a+b@x.test>" + notify + b" ORCPT=rfc822;a+2Bb@x.test\r\n",
        "RCPT TO:<ção@x.test>".encode() + notify + b"\r\n",
    )
    assert b"NOTIFY" not in b"".join(prepare(wanted, capabilities={"SMTPUTF8": ""}).rcpts)


def test_an_envelope_id_cannot_bring_another_parameter():
    with pytest.raises(ValueError, match="envelope id"):
        prepare(envelope(envelope_id="a SIZE=1"), capabilities={"DSN": ""})


def test_the_sender_may_be_empty_and_recipients_count_once():
    commands = prepare(envelope(mail_from="", recipients=("b@x.test", "b@x.test")), capabilities={})

    assert commands.mail == b"MAIL FROM:<>\r\n"
    assert commands.recipients == ("b@x.test",)


def test_an_envelope_without_recipients_is_none():
    with pytest.raises(ValueError, match="recipient"):
        prepare(envelope(recipients=()), capabilities={})
