"""No password goes where it must not, and nothing is connected that is not allowed."""

from __future__ import annotations

import logging
from base64 import b64encode

import pytest

from common.network import NetworkPolicy
from common.tests.certificates import DAY, NOW, authority, issue
from inbox.models import InboundEmail
from inbox.tests.imap_server import ScriptedIMAP
from inbox.tests.mails import a_mail
from inbox.tests.reading import account_reading, read

pytestmark = pytest.mark.django_db
PASSWORD = "s3cret-imap"
OURS = authority()
CERTIFICATES = {
    "self-signed": issue("localhost", signer=None),
    "of another authority": issue("localhost", signer=authority()),
    "for another name": issue("elsewhere.test", signer=OURS),
    "expired": issue("localhost", signer=OURS, start=NOW - 9 * DAY, end=NOW - 2 * DAY),
    "not yet valid": issue("localhost", signer=OURS, start=NOW + DAY, end=NOW + 2 * DAY),
}


def said(server: ScriptedIMAP) -> str:
    return "\n".join(server.heard)


def told(server: ScriptedIMAP) -> bool:
    """Whether anything like the password reached the server."""
    return PASSWORD in said(server) or "LOGIN" in said(server) or "AUTHENTICATE" in said(server)


@pytest.mark.parametrize("kind", ["tls", "starttls"])
def test_mail_is_read_over_verified_tls(domain, tmp_path, kind):
    context = issue("localhost", signer=OURS).server_context(tmp_path)
    server = ScriptedIMAP({1: a_mail()}, **{kind: context})
    if kind == "starttls":  # only after TLS it lets sign in
        server.answers["CAPABILITY"] = _disabled_at_first
    with server:
        account = account_reading(domain, server, imap_use_ssl=kind == "tls", allow_plaintext=False)

        mailbox = read(account, tls_context=OURS.client_context())

    assert mailbox.error == ""
    assert InboundEmail.objects.count() == 1


def _disabled_at_first(server, tag, rest):
    is_first = sum("CAPABILITY" in line for line in server.heard) == 1
    server.capabilities = "IMAP4rev1 AUTH=PLAIN" + " STARTTLS LOGINDISABLED" * is_first
    return server.usual(tag, rest)


@pytest.mark.parametrize("kind", ["tls", "starttls"])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_no_password_goes_to_a_server_with_a_wrong_certificate(domain, tmp_path, name, kind):
    context = CERTIFICATES[name].server_context(tmp_path)
    server = ScriptedIMAP({1: a_mail()}, **{kind: context})
    server.capabilities += " STARTTLS"
    with server:
        account = account_reading(domain, server, imap_use_ssl=kind == "tls")

        mailbox = read(account, tls_context=OURS.client_context())

    assert mailbox.error.startswith("The server's certificate was not accepted")
    assert not told(server)


@pytest.mark.parametrize("case", ["no TLS offered", "TLS refused", "signed in already", "clear"])
def test_no_password_goes_in_clear(domain, case):
    server = ScriptedIMAP({1: a_mail()})
    is_ssl = case == "clear"  # an answer in clear where TLS was to be
    if case == "TLS refused":
        server.capabilities += " STARTTLS"
        server.answers = {"STARTTLS": lambda server, tag, rest: f"{tag} NO\r\n".encode()}
    elif case == "signed in already":
        server.greeting = b"* PREAUTH welcome\r\n"
    with server:
        account = account_reading(domain, server, imap_use_ssl=is_ssl, allow_plaintext=False)

        mailbox = read(account)

    assert mailbox.error
    assert not told(server)
    assert not InboundEmail.objects.exists()


def test_what_was_said_in_clear_ahead_of_tls_is_forgotten(domain, tmp_path):
    def inject(server, tag, rest):
        return f"{tag} OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nX OK\r\n".encode()

    server = ScriptedIMAP({1: a_mail()}, answers={"STARTTLS": inject})
    server.capabilities += " STARTTLS"
    with server:
        account = account_reading(domain, server, allow_plaintext=False)

        mailbox = read(account, tls_context=OURS.client_context())

    assert mailbox.error
    assert not told(server)


def test_a_plain_password_goes_to_private_hosts_of_accounts_that_allow_it(domain):
    with ScriptedIMAP({1: a_mail()}) as server:
        read(account_reading(domain, server))

    assert f'LOGIN "orders" "{PASSWORD}"' in said(server)


def test_a_password_of_any_letters_works(domain):
    with ScriptedIMAP({1: a_mail()}) as server:
        mailbox = read(account_reading(domain, server, imap_password="pälavra"))

    assert mailbox.error == ""
    assert b64encode("\0orders\0pälavra".encode()).decode() in server.heard


@pytest.mark.parametrize(
    "answer", [b"NO [AUTHENTICATIONFAILED] " + PASSWORD.encode(), b"BAD LOGIN " + PASSWORD.encode()]
)
def test_a_refused_password_is_told_without_the_servers_words(domain, answer, caplog):
    caplog.set_level(logging.DEBUG)
    refuse = {"LOGIN": lambda server, tag, rest: tag.encode() + b" " + answer + b"\r\n"}
    with ScriptedIMAP(answers=refuse) as server:
        mailbox = read(account_reading(domain, server))

    assert mailbox.error == "The server refused the user name or the password."
    assert PASSWORD not in caplog.text
    assert PASSWORD not in repr([record.__dict__ for record in caplog.records])


def test_the_password_stands_in_no_error_nor_log(domain, caplog):
    caplog.set_level(logging.DEBUG)

    def fail(server, tag, rest):
        return b"* \xff " + PASSWORD.encode() + b"\r\n"

    with ScriptedIMAP(answers={"EXAMINE": fail}) as server:
        mailbox = read(account_reading(domain, server))

    assert mailbox.error
    assert PASSWORD not in mailbox.error + caplog.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "mail.shop.test"])
def test_a_private_host_is_not_connected_where_that_is_not_allowed(domain, host):
    async def rebinding(name, port):
        return ["127.0.0.1"]

    with ScriptedIMAP({1: a_mail()}) as server:
        account = account_reading(domain, server, imap_server=host)

        mailbox = read(account, policy=NetworkPolicy(allow_private=False, lookup=rebinding))

    assert mailbox.error == "Connections to this host are not allowed."
    assert server.connections == 0


def test_a_name_that_answers_differently_the_second_time_gets_no_connection(domain):
    """The address that was checked is the one that is connected to."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]

    async def rebinding(name, port):
        return answers.pop(0)

    with ScriptedIMAP({1: a_mail()}) as server:
        account = account_reading(domain, server, imap_server="mail.shop.test")

        read(account, policy=NetworkPolicy(allow_private=True, lookup=rebinding))

    assert server.connections == 1
    assert answers == [["127.0.0.2"]]


@pytest.mark.parametrize(("name", "is_right"), [("imap.shop.test", True), ("localhost", False)])
def test_the_certificate_has_to_be_for_the_name_that_was_set(domain, tmp_path, name, is_right):
    async def lookup(host, port):
        return ["127.0.0.1"]

    context = issue(name, signer=OURS).server_context(tmp_path)
    with ScriptedIMAP({1: a_mail()}, tls=context) as server:
        account = account_reading(domain, server, imap_server="imap.shop.test", imap_use_ssl=True)

        mailbox = read(
            account,
            policy=NetworkPolicy(allow_private=True, lookup=lookup),
            tls_context=OURS.client_context(),
        )

    assert (mailbox.error == "") is is_right
    assert told(server) is is_right
