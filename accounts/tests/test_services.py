"""What may be stored as an account, and when it is switched on and off."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services
from accounts.checks import check_keys
from accounts.models import EmailAccount
from accounts.tests.conftest import PASSWORD, fields, message_of
from common.errors import Conflict, Refused, RefusedTogether
from common.keyring import SecretUnreadable
from common.network import NetworkPolicy
from common.smtp import Stage
from common.tests.smtp_server import ScriptedServer
from domains.models import Domain


def refusals(call, *args, **kwargs) -> set[tuple[str | None, str]]:
    """Return (attr, code) of everything that a call refuses."""
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)
    error = caught.value
    found = error.refusals if isinstance(error, RefusedTogether) else [error]
    return {(refusal.attr, refusal.code) for refusal in found}


def pointed_at(account: EmailAccount, server: ScriptedServer, **changes) -> EmailAccount:
    given = {"smtp_server": server.host, "smtp_port": server.port, "use_tls": False, **changes}
    return services.update_account(account, changes=given)


def active(account: EmailAccount) -> EmailAccount:
    account.is_active = True
    account.save()
    return account


def test_an_account_starts_inactive_at_the_domain_of_its_address(tenant, domain):
    account = services.create_account(
        tenant=tenant, fields=fields(email_address="Orders@SHOP.test")
    )

    assert account.domain == domain
    assert account.email_address == "orders@shop.test"
    assert (account.is_active, account.is_default) == (False, False)
    assert (account.smtp_port, account.use_tls, account.use_ssl) == (587, True, False)


def test_the_password_is_readable_in_the_program_and_nowhere_in_the_database(account):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_emailaccount")
        row = repr(cursor.fetchall())

    assert EmailAccount.objects.get().smtp_password == PASSWORD
    assert PASSWORD not in row
    assert PASSWORD not in repr(account) + repr(services.connection_of(account))


def test_tls_from_the_start_replaces_starttls(tenant, domain):
    account = services.create_account(tenant=tenant, fields=fields(use_ssl=True, smtp_port=465))

    assert (account.use_tls, account.use_ssl) == (False, True)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"use_tls": True, "use_ssl": True}, {("use_ssl", "invalid")}),
        ({"email_address": "orders@elsewhere.test"}, {("domain", "not_found")}),
        ({"domain": "elsewhere.test"}, {("domain", "not_found")}),
        ({"domain": "second.test"}, {("email_address", "invalid")}),
        ({"email_address": "Shop <orders@shop.test>"}, {("email_address", "invalid")}),
        ({"email_address": "a@b@shop.test"}, {("email_address", "invalid")}),
        ({"email_address": "orders@shop.test\r\nBcc: x@y.test"}, {("email_address", "invalid")}),
        ({"smtp_username": "orders\r\nRSET"}, {("smtp_username", "invalid")}),
        ({"smtp_password": "one\r\ntwo"}, {("smtp_password", "invalid")}),
        ({"imap_password": "nul\0"}, {("imap_password", "invalid")}),
        ({"display_name": "Shop\x0bOrders"}, {("display_name", "invalid")}),
        ({"imap_folder": "INBOX\r\nA1 LOGOUT"}, {("imap_folder", "invalid")}),
        ({"smtp_server": "mail.test\r\n"}, {("smtp_server", "invalid")}),
        ({"imap_server": "imap test"}, {("imap_server", "invalid")}),
        (
            {"warmup_start": 10},
            {("warmup_growth", "required"), ("warmup_ceiling", "required")},
        ),
        (
            {"warmup_start": 10, "warmup_growth": 2.0, "warmup_ceiling": 5},
            {("warmup_ceiling", "invalid")},
        ),
        ({"reads_mail": True}, {("imap_server", "required")}),
        ({"bounce_address": "bounces"}, {("bounce_address", "invalid")}),
        ({"bounce_address": "B <b@shop.test>"}, {("bounce_address", "invalid")}),
        ({"bounce_address": "a@b.test, c@d.test"}, {("bounce_address", "invalid")}),
        ({"bounce_address": '"b b"@shop.test'}, {("bounce_address", "invalid")}),
        ({"bounce_address": "ção@shop.test"}, {("bounce_address", "invalid")}),
        ({"bounce_address": "b@shop.test>\r\nRSET"}, {("bounce_address", "invalid")}),
        (
            {"use_tls": True, "use_ssl": True, "smtp_server": "a b"},
            {("use_ssl", "invalid"), ("smtp_server", "invalid")},
        ),
        ({"fallback_account": "nobody@shop.test"}, {("fallback_account", "not_found")}),
        ({"fallback_account": "orders@other.test"}, {("fallback_account", "not_found")}),
        ({"fallback_account": "info@second.test"}, {("fallback_account", "invalid")}),
    ],
)
def test_settings_that_can_not_be_are_refused_by_name(
    tenant, domain, foreign_account, changes, refused
):
    Domain.objects.create(tenant=tenant, name="second.test")
    services.create_account(tenant=tenant, fields=fields(email_address="info@second.test"))
    before = EmailAccount.objects.count()

    given = fields(**changes)

    assert refusals(services.create_account, tenant=tenant, fields=given) == refused
    assert EmailAccount.objects.count() == before


def test_another_tenants_domain_is_as_unknown_as_none(tenant, foreign_account):
    given = fields(email_address="sales@other.test")

    assert refusals(services.create_account, tenant=tenant, fields=given) == {
        ("domain", "not_found")
    }


def test_an_international_domain_may_be_written_in_its_letters(tenant):
    domain = Domain.objects.create(tenant=tenant, name="xn--bcher-kva.test")

    account = services.create_account(
        tenant=tenant,
        fields=fields(email_address="orders@bücher.test", domain="bücher.test"),
    )

    assert account.domain == domain
    assert account.email_address == "orders@xn--bcher-kva.test"


@pytest.mark.parametrize("spelling", ["orders@shop.test", "ORDERS@Shop.Test"])
def test_an_address_is_used_once_in_the_installation(tenant, account, spelling):
    given = fields(email_address=spelling)

    assert refusals(services.create_account, tenant=tenant, fields=given) == {
        ("email_address", "unique")
    }


@pytest.mark.parametrize(
    "change",
    [
        {"smtp_server": "mail.shop.test"},
        {"smtp_port": 2525},
        {"smtp_username": "somebody"},
        {"smtp_password": "another"},
        {"smtp_password": None},
        {"use_tls": False},
        {"use_tls": False, "use_ssl": True},
        {"allow_plaintext": True},
    ],
)
def test_another_way_to_connect_switches_the_account_off(account, change):
    active(account)

    row = services.update_account(account, changes=change)

    assert row.is_active is False
    row.refresh_from_db()
    assert row.is_active is False


@pytest.mark.parametrize(
    "change",
    [
        {"display_name": "The shop", "limit_per_day": 5},
        {"smtp_server": "127.0.0.1", "smtp_port": 587},
        {"smtp_password": ""},
        {"smtp_password": PASSWORD},
        {"imap_server": "imap.shop.test", "imap_password": "other"},
    ],
)
def test_what_does_not_change_the_connection_leaves_the_account_on(account, change):
    active(account)

    row = services.update_account(account, changes=change)

    assert row.is_active is True
    assert row.smtp_password == PASSWORD


def test_the_address_is_fixed(account):
    changes = {"email_address": "sales@shop.test", "domain": "second.test"}

    assert refusals(services.update_account, account, changes=changes) == {
        ("email_address", "read_only"),
        ("domain", "read_only"),
    }
    same = {"email_address": "Orders@shop.test", "domain": "shop.test"}
    assert services.update_account(account, changes=same).email_address == "orders@shop.test"


def test_a_fallback_never_leads_back(tenant, account):
    second = services.create_account(
        tenant=tenant,
        fields=fields(email_address="b@shop.test", fallback_account="Orders@shop.test"),
    )
    third = services.create_account(
        tenant=tenant, fields=fields(email_address="c@shop.test", fallback_account=second.pk)
    )

    for target in (account, second, third):
        assert refusals(
            services.update_account, account, changes={"fallback_account": target.pk}
        ) == {("fallback_account", "invalid")}


def test_a_tenant_has_one_default_account(tenant, account, foreign_account):
    services.set_default(account)
    services.set_default(foreign_account)

    second = services.create_account(
        tenant=tenant, fields=fields(email_address="b@shop.test", is_default=True)
    )

    account.refresh_from_db()
    foreign_account.refresh_from_db()
    assert (account.is_default, second.is_default) == (False, True)
    assert foreign_account.is_default
    assert tenant.default_account == second
    assert not services.update_account(second, changes={"is_default": False}).is_default


def test_activating_takes_a_passed_test_and_ends_a_pause(account):
    account.pause("wrong password", at=timezone.now())
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        account = pointed_at(account, server)
        row = services.activate(account)

    assert row.is_active
    assert (row.paused_reason, row.paused_at) == ("", None)
    assert server.verbs == ["EHLO", "AUTH", "QUIT"]


def test_a_failed_test_leaves_the_account_off_and_paused(account):
    account.pause("wrong password", at=timezone.now())
    with ScriptedServer(users={"orders": "another"}) as server:
        account = pointed_at(account, server)
        with pytest.raises(Refused) as caught:
            services.activate(account)

    account.refresh_from_db()
    assert (caught.value.code, caught.value.attr) == ("test_failed", "auth")
    assert caught.value.detail.startswith("auth: ")
    assert (account.is_active, account.paused_reason) == (False, "wrong password")


def test_settings_changed_during_the_test_are_not_activated(account):
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        tested = pointed_at(account, server)
        pointed_at(account, server, smtp_username="other")
        with pytest.raises(Conflict):
            services.activate(tested)

    account.refresh_from_db()
    assert not account.is_active


def test_an_account_can_be_switched_off(account):
    active(account)

    services.deactivate(account)

    account.refresh_from_db()
    assert not account.is_active


def test_a_test_writes_nothing(account):
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        account = pointed_at(account, server)
        before = EmailAccount.objects.values().get()
        assert services.test_account(account).ok

    assert EmailAccount.objects.values().get() == before


def test_a_password_moved_from_another_row_is_not_used(account, foreign_account):
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        account = pointed_at(account, server)
        stolen = foreign_account.smtp_password_encrypted
        EmailAccount.objects.filter(pk=account.pk).update(smtp_password_encrypted=stolen)
        account.refresh_from_db()
        result = services.test_account(account)

    assert (result.ok, result.stage, result.code) == (False, Stage.AUTH, "secret_unreadable")
    assert server.connections == []
    with pytest.raises(SecretUnreadable):
        services.connection_of(account)


def test_a_password_whose_key_is_gone_can_be_given_again(account, settings):
    settings.ENCRYPTION_KEYS = ["an entirely different key"]
    result = services.test_account(account)

    row = services.update_account(account, changes={"smtp_password": PASSWORD})

    assert "ENCRYPTION_KEYS lacks" in result.detail
    assert row.smtp_password == PASSWORD


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"],
)
@pytest.mark.parametrize("field", ["smtp_server", "imap_server"])
def test_a_private_address_gets_the_same_text_as_no_address_at_all(
    tenant, domain, settings, host, field
):
    settings.SENDCRAFT_ALLOW_PRIVATE_HOSTS = False
    odd = ["127.1", "2130706433", "0x7f.1", "017700000001", "①②⑦.⓪.⓪.①", "http://x@y", "-"]
    texts = set()
    for spelling in [host, *odd]:
        given = fields(smtp_server="mail.shop.test") | {field: spelling}
        with pytest.raises(RefusedTogether) as caught:
            services.create_account(tenant=tenant, fields=given)
        texts.add(caught.value.refusals[0].detail)

    assert len(texts) == 1


def test_a_host_that_the_operator_lists_is_allowed(tenant, domain, settings):
    settings.SENDCRAFT_ALLOW_PRIVATE_HOSTS = False
    settings.SENDCRAFT_PRIVATE_HOSTS = ["127.0.0.0/8"]

    assert services.create_account(tenant=tenant, fields=fields()).smtp_server == "127.0.0.1"


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"]])
def test_a_name_that_leads_to_a_private_address_gets_no_connection(account, answers):
    async def lookup(host: str, port: int) -> list[str]:
        return answers

    with ScriptedServer() as server:
        account = pointed_at(account, server, smtp_server="mail.shop.test")
        policy = NetworkPolicy(allow_private=False, lookup=lookup)
        result = services.test_account(account, policy=policy)

    assert (result.ok, result.stage) == (False, Stage.RESOLVE)
    assert server.connections == []


def test_a_name_without_an_address_fails_while_resolving(account):
    async def lookup(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    account = services.update_account(account, changes={"smtp_server": "nowhere.shop.test"})
    policy = NetworkPolicy(allow_private=True, lookup=lookup)

    result = services.test_account(account, policy=policy)

    assert (result.ok, result.stage) == (False, Stage.RESOLVE)


def test_an_unused_account_can_be_deleted(account):
    services.delete_account(account)

    assert not EmailAccount.objects.exists()


def test_refusing_to_delete_reads_none_of_the_messages(account):
    message_of(account)

    with CaptureQueriesContext(connection) as captured, pytest.raises(Conflict):
        services.delete_account(account)

    asked = [query["sql"] for query in captured if "logs_emaillog" in query["sql"]]
    assert asked
    assert all("LIMIT 1" in sql for sql in asked)
    assert EmailAccount.objects.exists()


@pytest.mark.parametrize(
    ("public_url", "name"),
    [
        ("https://mail.example.com", "mail.example.com"),
        ("http://localhost:8000", "shop.test"),
        ("http://192.0.2.1", "shop.test"),
        ("http://[2001:db8::1]", "shop.test"),
    ],
)
def test_the_greeting_names_a_full_host(account, settings, public_url, name):
    settings.PUBLIC_URL = public_url

    assert services.connection_of(account).helo_name == name


@pytest.mark.parametrize("ring", [[], [""]])
def test_an_empty_key_ring_is_reported_at_the_start(settings, ring):
    settings.ENCRYPTION_KEYS = ring

    assert [error.id for error in check_keys(None)] == ["accounts.E001"]
