"""The client against a real Postfix, which takes bare line feeds for line ends."""

from __future__ import annotations

import asyncio

import pytest

from common.network import NetworkPolicy
from common.smtp import Envelope, Phase, Receipt, SMTPServer, open_session, probe

pytestmark = pytest.mark.servers

PRIVATE = NetworkPolicy(allow_private=True)
ALICE, BOB = "alice@sendcraft.test", "bob@sendcraft.test"


def account(mail_server, *, password: str = "", use_ssl: bool = False) -> SMTPServer:
    return SMTPServer(
        host="localhost",
        port=mail_server.smtps_port if use_ssl else mail_server.submission_port,
        username=ALICE,
        password=password or mail_server.passwords[ALICE],
        use_tls=not use_ssl,
        use_ssl=use_ssl,
    )


def sent(mail_server, *envelopes: Envelope) -> list[Receipt]:
    async def run() -> list[Receipt]:
        session = await open_session(
            account(mail_server), policy=PRIVATE, tls_context=mail_server.trusting_context()
        )
        assert {"PIPELINING", "CHUNKING"} <= set(session.capabilities)
        receipts = [await session.send(envelope) for envelope in envelopes]
        await session.quit()
        return receipts

    return asyncio.run(run())


@pytest.mark.parametrize("use_ssl", [False, True])
def test_a_real_account_is_ready(mail_server, use_ssl):
    result = probe(
        account(mail_server, use_ssl=use_ssl),
        policy=PRIVATE,
        tls_context=mail_server.trusting_context(),
    )

    assert result.ok, result


def test_a_real_server_refuses_a_wrong_password_and_an_unknown_authority(mail_server):
    wrong = account(mail_server, password="wrong")
    trusting = mail_server.trusting_context()

    refused = probe(wrong, policy=PRIVATE, tls_context=trusting)
    untrusted = probe(account(mail_server), policy=PRIVATE)

    assert (refused.stage, refused.code) == ("auth", "bad_credentials")
    assert (untrusted.stage, untrusted.code) == ("tls", "certificate_invalid")


@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\r\n", b"\r\n.\n"])
def test_a_smuggling_body_arrives_as_one_message(mail_server, end):
    smuggled = b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<%s>\r\nDATA\r\nevil" % BOB.encode()
    body = b"Subject: one\r\n\r\nbefore" + end + smuggled + end + b"after\r\n"

    (receipt,) = sent(mail_server, Envelope(ALICE, (ALICE,), body))

    assert receipt.accepted == (ALICE,)
    (message,) = mail_server.wait_for(ALICE, count=1)
    assert b"before" in message
    assert b"after" in message
    assert mail_server.messages(BOB) == []


def test_a_refused_message_sent_ahead_is_not_read_as_commands(mail_server):
    """With BDAT the body is on its way before the recipients are refused."""
    body = b"RSET\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<%s>\r\nDATA\r\nevil\r\n.\r\n"
    nobody = "nobody@sendcraft.test"
    refused = Envelope(ALICE, (nobody,), body % BOB.encode())
    ordinary = Envelope(ALICE, (nobody, ALICE), b"Subject: ordinary\r\n\r\nhello\r\n")

    first, second = sent(mail_server, refused, ordinary)

    assert first.outcomes[nobody].phase == Phase.RCPT
    assert first.outcomes[nobody].reply.enhanced_code == "5.1.1"
    assert second.accepted == (ALICE,)
    (message,) = mail_server.wait_for(ALICE, count=1)
    assert b"ordinary" in message
    assert mail_server.messages(BOB) == []
