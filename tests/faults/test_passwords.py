"""P10 and P11: no password over an unverified channel, and none tried again and again."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from common.smtp import opening
from common.tests.smtp_server import DROP, ScriptedServer
from delivery import jobs
from delivery.tests.sending import account_at, drained, drained_later, queue, queue_many
from logs.models import EmailLog
from tests.servers.certificates import CertificateAuthority, KeyPair

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

PASSWORD = "c4nary-pässword"
USERS = {"shop": PASSWORD}
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def authority(tmp_path, monkeypatch) -> Iterator[CertificateAuthority]:
    """The only authority that this process trusts."""
    made = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    opening._system_context.cache_clear()
    yield made
    opening._system_context.cache_clear()


@pytest.fixture
def stranger(tmp_path) -> CertificateAuthority:
    """An authority that nobody trusts."""
    (folder := tmp_path / "stranger").mkdir()
    return CertificateAuthority(folder)


def context(pair: KeyPair) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    return made


def account_with_password(server, tenant, *, password: str = PASSWORD, **fields):
    account = account_at(server, tenant=tenant, smtp_username="shop", **fields)
    account.smtp_password = password
    account.save()
    return account


def assert_kept_secret(server: ScriptedServer) -> None:
    plain = PASSWORD.encode()
    told = [plain, base64.b64encode(plain), base64.b64encode(b"\0shop\0" + plain)]
    assert not any(form in server.received for form in told)
    assert "AUTH" not in server.verbs


def assert_waits_for_a_person(server: ScriptedServer, tenant, *, because: str, **fields) -> None:
    """The account stops as misconfigured, its mail waits, and the password stayed here."""
    account = account_with_password(server, tenant, allow_plaintext=False, **fields)
    email = drained(queue(account))
    account.refresh_from_db()

    assert_kept_secret(server)
    assert (email.status, email.retry_count) == ("queued", 0)
    assert because in account.paused_reason
    assert server.messages == []


BAD = {
    "signature": lambda ours, stranger: stranger.issue("127.0.0.1"),
    "expired": lambda ours, stranger: ours.issue(
        "127.0.0.1", valid_from=NOW - 3 * DAY, valid_until=NOW - DAY
    ),
    "not yet valid": lambda ours, stranger: ours.issue(
        "127.0.0.1", valid_from=NOW + DAY, valid_until=NOW + 3 * DAY
    ),
    "mismatch": lambda ours, stranger: ours.issue("other.example.test"),
}


@pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "TLS"])
@pytest.mark.parametrize("wrong", BAD)
def test_a_wrong_certificate_gets_no_password(authority, stranger, tenant, wrong, implicit):
    tls = context(BAD[wrong](authority, stranger))
    with ScriptedServer(tls=tls, implicit=implicit, users=USERS, auth_before_tls=True) as server:
        fields = {"use_tls": not implicit, "use_ssl": implicit}
        assert_waits_for_a_person(server, tenant, because=wrong, **fields)


def test_a_right_certificate_gets_it(authority, tenant):
    tls = context(authority.issue("127.0.0.1"))
    with ScriptedServer(tls=tls, users=USERS) as server:
        account = account_with_password(server, tenant, use_tls=True)
        assert drained(queue(account)).status == "sent"


def test_a_server_that_offers_no_starttls_gets_no_password(authority, tenant):
    with ScriptedServer(users=USERS, auth_before_tls=True) as server:
        assert_waits_for_a_person(server, tenant, because="STARTTLS", use_tls=True)


def test_a_server_that_offers_to_sign_in_only_before_tls_gets_no_password(authority, tenant):
    tls = context(authority.issue("127.0.0.1"))
    with ScriptedServer(tls=tls, users=USERS, auth_before_tls=True, auth_after_tls=False) as server:
        assert_waits_for_a_person(server, tenant, because="sign", use_tls=True)


def test_words_injected_behind_starttls_get_no_password(authority, tenant):
    tls = context(authority.issue("127.0.0.1"))
    with ScriptedServer(tls=tls, users=USERS) as server:
        server.on("STARTTLS", b"220 go\r\n250 AUTH PLAIN\r\n")
        account = account_with_password(server, tenant, use_tls=True)
        email = drained(queue(account))

    assert_kept_secret(server)
    assert email.status == "queued"
    assert server.messages == []


def test_a_refused_password_stops_the_account_until_it_is_changed_and_tested(api, tenant):
    with ScriptedServer(users=USERS) as server:
        account = account_with_password(server, tenant, password="wrong")
        emails = queue_many(account, 20)
        for _ in range(5):
            jobs.drain_account(account.pk)
            jobs.sweep()
        tried = server.verbs.count("AUTH")
        waiting = set(EmailLog.objects.values_list("status", "retry_count"))
        paused = api.get(f"/api/v1/accounts/{account.pk}").json()
        untested = api.patch(f"/api/v1/accounts/{account.pk}", {"smtp_password": PASSWORD})
        jobs.drain_account(account.pk)
        before_the_test = len(server.messages)
        tested = api.post(f"/api/v1/accounts/{account.pk}/activate")
        jobs.drain_account(account.pk)

    assert tried <= 2
    assert waiting == {("queued", 0)}
    assert paused["paused_reason"]
    assert (untested.status_code, before_the_test) == (200, 0)
    assert tested.status_code == 200
    assert len(server.messages) == len(emails)
    assert set(EmailLog.objects.values_list("status", flat=True)) == {"sent"}


@pytest.mark.parametrize("answer", ["454 4.7.0 try later", ["421 4.7.0 not now", DROP]])
def test_a_password_that_can_not_be_checked_now_is_tried_again(tenant, answer):
    with ScriptedServer(users=USERS).on("AUTH", answer) as server:
        account = account_with_password(server, tenant)
        email = drained(queue(account))
        account.refresh_from_db()
        between = (email.status, account.paused_at)
        drained_later(email)

    assert between == ("queued", None)
    assert email.status == "sent"
    assert len(server.messages) == 1
