"""Opening a session: never a password over an unverified channel, never without end."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import time
import traceback
from ipaddress import ip_address

import pytest

from common.network import NetworkPolicy
from common.smtp import (
    AccountError,
    ConnectionFailed,
    SMTPServer,
    SMTPSession,
    Stage,
    Timeouts,
    open_session,
)
from common.tests.certificates import DAY, NOW, authority, issue
from common.tests.smtp_server import DROP, HANG, Drip, ScriptedServer

PRIVATE = NetworkPolicy(allow_private=True)
PASSWORD = "s3cret-pässwörd"
USERS = {"anna": PASSWORD}
QUICK = Timeouts(opening=1.0, send=1.0, resolve=0.5, connect=0.5, tls=0.5, reply=0.4)
PATIENT = Timeouts()
HOST = "127.0.0.1"

CA = authority()
TRUST = CA.client_context()


@pytest.fixture(scope="module")
def tls(tmp_path_factory) -> ssl.SSLContext:
    return issue(HOST, signer=CA).server_context(tmp_path_factory.mktemp("tls"))


def settings(server: ScriptedServer, **changes: object) -> SMTPServer:
    given = {
        "host": server.host,
        "port": server.port,
        "username": "anna",
        "password": PASSWORD,
        "use_tls": server.tls is not None and not server.implicit,
        "use_ssl": server.implicit,
        "helo_name": "client.example.test",
    }
    return SMTPServer(**{**given, **changes})


def opened(
    server: ScriptedServer,
    *,
    policy: NetworkPolicy = PRIVATE,
    timeouts: Timeouts = PATIENT,
    **changes: object,
) -> SMTPSession:
    """Open a session, say goodbye, and return it for its capabilities and transcript."""

    async def run() -> SMTPSession:
        session = await open_session(
            settings(server, **changes), policy=policy, timeouts=timeouts, tls_context=TRUST
        )
        await session.quit()
        return session

    return asyncio.run(run())


def secrets() -> list[bytes]:
    encoded = PASSWORD.encode()
    plain = b"\0anna\0" + encoded
    return [encoded, base64.b64encode(encoded), base64.b64encode(plain)]


def assert_no_password(server: ScriptedServer) -> None:
    assert "AUTH" not in server.verbs
    assert not any(secret in server.received for secret in secrets())


def assert_silent_about_password(text: str) -> None:
    assert not any(secret.decode() in text for secret in secrets())


# Success


def test_starttls_is_verified_before_signing_in_and_capabilities_are_asked_anew(tls):
    with ScriptedServer(tls=tls, users=USERS, offers=("SIZE 1000", "PIPELINING")) as server:
        session = opened(server)

    assert server.verbs == ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]
    assert server.commands[0] == "EHLO client.example.test"
    assert session.capabilities == {"SIZE": "1000", "PIPELINING": "", "AUTH": "PLAIN LOGIN"}


def test_implicit_tls_starts_before_the_first_word(tls):
    with ScriptedServer(tls=tls, implicit=True, users=USERS, auth_after_tls=True) as server:
        opened(server)

    assert server.verbs == ["EHLO", "AUTH", "QUIT"]


def test_login_is_used_where_plain_is_not_offered(tls):
    with ScriptedServer(tls=tls, users=USERS, auth="LOGIN") as server:
        opened(server)

    assert "AUTH LOGIN" in server.commands


def test_without_user_name_nobody_signs_in(tls):
    with ScriptedServer(tls=tls, users=USERS) as server:
        opened(server, username="", password=PASSWORD)

    assert_no_password(server)


def test_a_private_host_may_be_used_without_tls():
    with ScriptedServer(users=USERS) as server:
        opened(server)

    assert server.verbs == ["EHLO", "AUTH", "QUIT"]


def test_a_drop_at_the_goodbye_is_no_error(tls):
    with ScriptedServer(tls=tls, users=USERS).on("QUIT", DROP) as server:
        assert not opened(server).is_open


# Certificates and TLS


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (issue(HOST, signer=None), "self-signed"),
        (issue(HOST, signer=authority()), "signature"),
        (issue(HOST, signer=CA, start=NOW - 3 * DAY, end=NOW - DAY), "expired"),
        (issue(HOST, signer=CA, start=NOW + DAY, end=NOW + 3 * DAY), "not yet valid"),
        (issue("other.example.test", signer=CA), "mismatch"),
    ],
)
def test_no_password_goes_to_a_server_with_a_wrong_certificate(tmp_path, implicit, identity, words):
    with (
        ScriptedServer(
            tls=identity.server_context(tmp_path),
            implicit=implicit,
            users=USERS,
            auth_before_tls=True,
        ) as server,
        pytest.raises(AccountError, match=words) as failure,
    ):
        opened(server)

    assert failure.value.stage == Stage.TLS
    assert failure.value.code == "certificate_invalid"
    assert_no_password(server)


def test_no_password_goes_to_a_server_without_starttls():
    with ScriptedServer(users=USERS) as server, pytest.raises(AccountError) as failure:
        opened(server, use_tls=True)

    assert failure.value.stage == Stage.TLS
    assert failure.value.code == "tls_unavailable"
    assert_no_password(server)


def test_no_password_goes_anywhere_when_something_was_injected_behind_starttls(tls):
    injected = b"220 go ahead\r\n250-mx\r\n250 AUTH PLAIN\r\n"
    with (
        ScriptedServer(tls=tls, users=USERS).on("STARTTLS", injected) as server,
        pytest.raises(AccountError) as failure,
    ):
        opened(server)

    assert failure.value.stage == Stage.TLS
    assert_no_password(server)


def test_what_was_offered_before_tls_counts_for_nothing_after_it(tls):
    with (
        ScriptedServer(tls=tls, users=USERS, auth_before_tls=True, auth_after_tls=False) as server,
        pytest.raises(AccountError) as failure,
    ):
        opened(server)

    assert failure.value.stage == Stage.AUTH
    assert failure.value.code == "auth_unavailable"
    assert_no_password(server)


@pytest.mark.parametrize(
    ("answer", "error"),
    [("454 4.7.0 TLS not now", ConnectionFailed), ("502 5.5.1 no", AccountError)],
)
def test_a_refused_starttls_ends_the_attempt(tls, answer, error):
    with (
        ScriptedServer(tls=tls, users=USERS).on("STARTTLS", answer) as server,
        pytest.raises(error) as failure,
    ):
        opened(server)

    assert failure.value.stage == Stage.TLS
    assert failure.value.smtp_code == int(answer[:3])
    assert_no_password(server)


def test_implicit_tls_on_a_plain_port_is_named_as_such():
    with (
        ScriptedServer(users=USERS) as server,
        pytest.raises(AccountError, match=r"in clear|not TLS") as failure,
    ):
        opened(server, use_ssl=True)

    assert failure.value.stage == Stage.TLS
    assert_no_password(server)


def test_an_unverifying_context_is_not_accepted():
    lax = ssl.create_default_context()
    lax.check_hostname = False
    server = SMTPServer(host=HOST, port=25)

    with pytest.raises(ValueError, match="verified"):
        asyncio.run(open_session(server, policy=PRIVATE, tls_context=lax))


# Plain text


def looked_up(*answers: list[str], **kwargs: object) -> tuple[NetworkPolicy, list[str]]:
    asked: list[str] = []

    async def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    return NetworkPolicy(**{"allow_private": True, "lookup": lookup, **kwargs}), asked


@pytest.mark.parametrize("found", [["8.8.8.8"], [HOST, "8.8.8.8"], ["100.64.0.1"]])
def test_no_connection_without_tls_unless_every_address_is_private(found):
    policy, _asked = looked_up(found, private_hosts=("100.64.0.0/10",))
    with ScriptedServer(users=USERS) as server, pytest.raises(AccountError) as failure:
        opened(server, policy=policy, host="mail.example.test")

    assert failure.value.stage == Stage.TLS
    assert failure.value.code == "plaintext_refused"
    assert server.connections == []


def test_the_account_may_allow_plain_text_explicitly():
    policy, _asked = looked_up([HOST, "8.8.8.8"])
    with ScriptedServer(users=USERS) as server:
        opened(server, policy=policy, host="mail.example.test", allow_plaintext=True)

    assert "AUTH" in server.verbs


# Destinations


def test_a_refused_destination_is_not_connected_at_all():
    with ScriptedServer(users=USERS) as server, pytest.raises(AccountError) as failure:
        opened(server, policy=NetworkPolicy(allow_private=False))

    assert failure.value.stage == Stage.RESOLVE
    assert failure.value.code == "host_refused"
    assert server.connections == []


def test_a_name_is_looked_up_once_so_it_cannot_change_its_mind():
    policy, asked = looked_up([HOST], ["127.0.0.2"])
    with ScriptedServer(users=USERS) as server:
        opened(server, policy=policy, host="mail.example.test")

    assert asked == ["mail.example.test"]


def test_a_name_without_address_fails_at_resolving():
    policy, _asked = looked_up([])
    with ScriptedServer() as server, pytest.raises(ConnectionFailed) as failure:
        opened(server, policy=policy, host="mail.example.test")

    assert failure.value.stage == Stage.RESOLVE


def test_a_closed_port_fails_at_connecting():
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with ScriptedServer() as server, pytest.raises(ConnectionFailed) as failure:
        opened(server, port=port)

    assert failure.value.stage == Stage.CONNECT


def test_words_of_private_hosts_do_not_reach_the_error():
    with (
        ScriptedServer(users=USERS).on("BANNER", "554 5.3.2 redis 7.0 internal") as server,
        pytest.raises(AccountError) as failure,
    ):
        opened(server)

    assert failure.value.stage == Stage.CONNECT
    assert (failure.value.smtp_code, failure.value.enhanced_code) == (554, "5.3.2")
    assert "554 5.3.2" in str(failure.value)
    assert "redis" not in str(failure.value)


# Signing in


@pytest.mark.parametrize("auth", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("code", [530, 534, 535])
def test_refused_credentials_are_the_accounts_error_and_are_tried_once(tls, auth, code):
    with ScriptedServer(tls=tls, users=USERS, auth=auth) as server:
        server.on("AUTH", f"{code} 5.7.8 no")
        with pytest.raises(AccountError) as failure:
            opened(server)

    assert failure.value.stage == Stage.AUTH
    assert failure.value.code == "bad_credentials"
    assert (failure.value.smtp_code, failure.value.enhanced_code) == (code, "5.7.8")
    assert server.verbs.count("AUTH") == 1


@pytest.mark.parametrize("answer", ["454 4.7.0 later", "421 4.3.2 bye", "334 more?", "hello"])
def test_other_answers_to_credentials_are_tried_again_later(tls, answer):
    with (
        ScriptedServer(tls=tls, users=USERS).on("AUTH", answer) as server,
        pytest.raises(ConnectionFailed) as failure,
    ):
        opened(server)

    assert failure.value.stage == Stage.AUTH


@pytest.mark.parametrize("auth", ["PLAIN", "LOGIN"])
def test_the_password_is_in_no_error_transcript_or_local_variable(tls, auth):
    echo = "".join(f"535-{secret.decode()}\r\n" for secret in secrets())
    with ScriptedServer(tls=tls, users=USERS, auth=auth) as server:
        server.on("AUTH", f"{echo}535 no\r\n".encode())
        with pytest.raises(AccountError) as failure:
            opened(server)
        given = settings(server)

    error = failure.value
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    own_frames = [frame for frame in report.stack if "/common/smtp/" in frame.filename]
    assert error.transcript.count(("S", "535-***")) == 3
    assert own_frames
    assert_silent_about_password(f"{error} {error!r} {error.__dict__} {given!r}")
    assert_silent_about_password(repr([frame.locals for frame in own_frames]))
    assert any(secret in server.received for secret in secrets())


# Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"use_tls": True, "use_ssl": True},
        {"port": 0},
        {"port": 65536},
        {"helo_name": "x\r\nMAIL FROM:<evil@x.test>"},
        {"helo_name": "two words"},
        {"helo_name": ""},
        {"username": "a\r\nb"},
        {"password": "a\nb"},
        {"password": "a\0b"},
    ],
)
def test_settings_that_contradict_themselves_or_leave_their_line_are_refused(wrong):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 each has its own words
        SMTPServer(**{"host": HOST, "port": 25, "password": PASSWORD, **wrong})
    assert_silent_about_password(str(refusal.value))


# Hostile and broken servers


@pytest.mark.parametrize(
    ("event", "answer", "stage"),
    [
        ("BANNER", HANG, Stage.CONNECT),
        ("BANNER", DROP, Stage.CONNECT),
        ("BANNER", "421 4.3.2 too busy", Stage.CONNECT),
        ("BANNER", "451 4.3.2 too busy", Stage.CONNECT),
        ("BANNER", "-ERR unknown command", Stage.CONNECT),
        ("BANNER", b"220 " + b"x" * 9000 + b"\r\n", Stage.CONNECT),
        ("BANNER", b"220-a\r\n" * 200, Stage.CONNECT),
        ("BANNER", b"220-a\r\n250 b\r\n", Stage.CONNECT),
        ("BANNER", Drip(b"220 mx\r\n", every=0.5), Stage.CONNECT),
        ("BANNER", Drip(b"220-x\r\n", every=0.02, forever=True), Stage.CONNECT),
        ("BANNER", b"22", Stage.CONNECT),
        ("EHLO", HANG, Stage.CONNECT),
        ("EHLO", DROP, Stage.CONNECT),
        ("EHLO", Drip(b"250-X\r\n", size=7, every=0, forever=True), Stage.CONNECT),
        ("EHLO", b"250-" + b"x" * 5000, Stage.CONNECT),
        ("EHLO", "354 send me a mail", Stage.CONNECT),
        ("STARTTLS", HANG, Stage.TLS),
        ("STARTTLS", ["220 go", DROP], Stage.TLS),
        ("STARTTLS", ["220 go", HANG], Stage.TLS),
        ("AUTH", HANG, Stage.AUTH),
        ("AUTH", DROP, Stage.AUTH),
    ],
)
def test_every_misbehaviour_ends_in_time_as_a_temporary_failure(tls, event, answer, stage):
    with ScriptedServer(tls=tls, users=USERS).on(event, answer) as server:
        start = time.monotonic()
        with pytest.raises(ConnectionFailed) as failure:
            opened(server, timeouts=QUICK)
        taken = time.monotonic() - start

        assert failure.value.stage == stage
        assert server.connections[0].closed.wait(5)
    assert taken < QUICK.opening + 5


@pytest.mark.parametrize(
    "answer",
    [
        [b"220 " + b"x" * 9000, HANG],
        [b"220 " + b"x" * 9000 + b"\r\n", HANG],
        [b"220-a\r\n" * 200, HANG],
    ],
)
def test_too_much_is_recognised_without_waiting_for_its_end(answer):
    with (
        ScriptedServer().on("BANNER", answer) as server,
        pytest.raises(ConnectionFailed, match="not understood"),
    ):
        opened(server, timeouts=Timeouts(opening=3))


def test_a_tls_handshake_that_never_answers_ends_in_time():
    with (
        ScriptedServer(users=USERS).on("BANNER", HANG) as server,
        pytest.raises(ConnectionFailed) as failure,
    ):
        opened(server, use_ssl=True, timeouts=QUICK)

    assert failure.value.stage == Stage.TLS


def test_the_whole_opening_has_one_limit_however_the_stages_share_it(tls):
    slow = Timeouts(opening=0.5, reply=60)
    with ScriptedServer(tls=tls, users=USERS) as server:
        server.on("BANNER", Drip(b"220 mx\r\n", every=0.03))
        server.on("EHLO", Drip(b"250 STARTTLS\r\n", every=0.03))
        with pytest.raises(ConnectionFailed, match="in time"):
            opened(server, timeouts=slow)


def test_control_characters_of_the_server_do_not_reach_the_transcript(tls):
    banner = b"220 mx\x1b[31m\x00\x85evil\xff\r\n"
    with ScriptedServer(tls=tls, users=USERS) as server:
        server.on("BANNER", banner)
        transcript = opened(server).transcript

    assert all(line.isprintable() for _direction, line in transcript)


def test_the_transcript_is_bounded(tls):
    long_reply = b"250-" + b"x" * 3000 + b"\r\n250 STARTTLS\r\n"
    with ScriptedServer(tls=tls, users=USERS).on("EHLO", long_reply) as server:
        transcript = opened(server).transcript

    assert max(len(line) for _direction, line in transcript) == 500


def test_what_ehlo_offers_is_read_leniently_and_bounded(tls):
    offers = ("size 10", "AUTH=OLD", "", "!?", "X-LONG " + "y" * 600, "limits RCPTMAX=5")
    with ScriptedServer(tls=tls, users=USERS, offers=offers) as server:
        capabilities = opened(server).capabilities

    assert capabilities == {"SIZE": "10", "AUTH": "OLD PLAIN LOGIN", "LIMITS": "RCPTMAX=5"}


def test_the_address_that_was_vetted_is_the_one_connected():
    policy, _asked = looked_up(["127.0.0.9", HOST])
    with ScriptedServer(users=USERS) as server:
        opened(server, policy=policy, host="mail.example.test")

    assert ip_address(server.host) == ip_address(HOST)
    assert len(server.connections) == 1
