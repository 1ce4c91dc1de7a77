"""The account test's answers: how far, why not, and never more than that."""

from __future__ import annotations

import time

from common.network import NetworkPolicy
from common.smtp import AccountError, ProbeResult, SMTPServer, Stage, Timeouts, probe
from common.tests.smtp_server import HANG, ScriptedServer

PRIVATE = NetworkPolicy(allow_private=True)


def settings(server: ScriptedServer, **changes: object) -> SMTPServer:
    given = {"host": server.host, "port": server.port, "use_tls": False}
    return SMTPServer(**{**given, **changes})


def test_a_working_account_is_ready_and_leaves_no_message():
    with ScriptedServer(users={"anna": "right"}, offers=("SIZE 10", "PIPELINING")) as server:
        result = probe(settings(server, username="anna", password="right"), policy=PRIVATE)

    assert (result.ok, result.stage, result.code) == (True, Stage.READY, "")
    assert result.capabilities == ("SIZE 10", "PIPELINING", "AUTH PLAIN LOGIN")
    assert result.latency_ms >= 0
    assert server.verbs == ["EHLO", "AUTH", "QUIT"]


def test_a_wrong_password_is_named_by_stage_and_code():
    with ScriptedServer(users={"anna": "right"}) as server:
        result = probe(settings(server, username="anna", password="wrong-one"), policy=PRIVATE)

    assert (result.ok, result.stage, result.code) == (False, Stage.AUTH, "bad_credentials")
    assert "535 5.7.8" in result.detail
    assert "wrong-one" not in repr(result)
    assert result.capabilities == ()


def test_a_refused_host_gets_no_connection():
    with ScriptedServer() as server:
        result = probe(settings(server), policy=NetworkPolicy(allow_private=False))

    assert (result.ok, result.stage, result.code) == (False, Stage.RESOLVE, "host_refused")
    assert server.connections == []


def test_a_silent_server_is_given_up():
    with ScriptedServer().on("BANNER", HANG) as server:
        start = time.monotonic()
        result = probe(settings(server), policy=PRIVATE, timeouts=Timeouts(opening=0.3))

    assert (result.ok, result.stage) == (False, Stage.CONNECT)
    assert time.monotonic() - start < 5


def test_a_failure_shows_what_was_said_without_the_password_or_private_words():
    with ScriptedServer(users={"anna": "right"}) as server:
        server.on("AUTH", "535-5.7.8 you gave wrong-one\r\n535 5.7.8 in the intranet")
        result = probe(settings(server, username="anna", password="wrong-one"), policy=PRIVATE)

    assert ("C", "AUTH PLAIN ***") in result.dialogue
    assert result.dialogue[-2:] == (("S", "535-5.7.8"), ("S", "535 5.7.8"))
    assert result.is_masked
    assert "intranet" not in repr(result)
    assert "wrong-one" not in repr(result)


def test_a_public_servers_own_words_are_shown():
    refusal = AccountError("no", stage=Stage.AUTH)
    refusal.transcript, refusal.is_quotable = (("S", "535 5.7.8 Application password?"),), True

    result = ProbeResult.failed(refusal)

    assert result.dialogue == (("S", "535 5.7.8 Application password?"),)
    assert not result.is_masked
