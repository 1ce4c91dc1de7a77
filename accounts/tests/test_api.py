"""``/accounts`` as an integrator meets it."""

from __future__ import annotations

import logging

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services
from accounts.models import EmailAccount
from accounts.tests.conftest import PASSWORD, fields, message_of
from common.tests.certificates import issue
from common.tests.smtp_server import ScriptedServer
from conftest import client_of
from tests.servers.mail_server import ALICE
from tests.servers.waiting import free_ports

ACCOUNTS = "/api/v1/accounts"


def path(account: EmailAccount, action: str = "") -> str:
    return f"{ACCOUNTS}/{account.pk}{action}"


def errors(response) -> set[tuple[str, str]]:
    return {(error["attr"], error["code"]) for error in response.json()["errors"]}


def pointed_at(api, account, **changes) -> None:
    response = api.patch(path(account), changes)
    assert response.status_code == 200, response.content


def at_mail_server(server, **changes) -> dict[str, object]:
    return {
        "smtp_server": server.host,
        "smtp_port": server.submission_port,
        "smtp_username": ALICE,
        "smtp_password": server.passwords[ALICE],
        **changes,
    }


def test_a_new_account_is_answered_and_read_back_without_its_passwords(api, domain):
    created = api.post(ACCOUNTS, fields(imap_password="canary-imap-2", limit_per_minute=60))

    assert created.status_code == 201
    answer = created.json()
    assert answer["domain"] == "shop.test"
    assert (answer["is_active"], answer["paused_reason"]) == (False, None)
    assert (answer["limit_per_minute"], answer["limit_per_day"]) == (60, None)
    assert api.get(f"{ACCOUNTS}/{answer['id']}").json() == answer
    listed = api.get(ACCOUNTS)
    assert listed.json()["results"] == [answer]
    for response in (created, listed):
        assert "password" not in response.content.decode()
        assert "canary" not in response.content.decode()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("is_active", True, "read_only"),
        ("id", 5, "read_only"),
        ("last_used", None, "read_only"),
        ("paused_reason", "", "read_only"),
        ("created_at", "2026-01-01T00:00:00Z", "read_only"),
        ("tenant", 1, "unknown_field"),
        ("default_for", 1, "unknown_field"),
        ("public_id", "x", "unknown_field"),
        ("smtp_password_encrypted", "v1:x:y", "unknown_field"),
        ("smtp_port", 0, "min_value"),
        ("smtp_port", 65536, "max_value"),
        ("smtp_port", None, "null"),
        ("limit_per_second", 0, "min_value"),
        ("max_connections", 0, "min_value"),
        ("max_connections", 101, "max_value"),
        ("warmup_growth", 11, "max_value"),
        ("smtp_server", "", "blank"),
        ("smtp_password", ["x"], "invalid"),
        ("smtp_password", "x" * 1025, "max_length"),
        ("fallback_account", True, "incorrect_type"),
        ("fallback_account", {"id": 1}, "incorrect_type"),
        ("fallback_account", 10**30, "not_found"),
        ("fallback_account", "nul\0", "does_not_exist"),
        ("display_name", "nul\0", "null_characters_not_allowed"),
        ("display_name", 1, "invalid"),
        ("smtp_username", 1, "invalid"),
        ("smtp_password", 1, "invalid"),
        ("use_tls", "yes", "invalid"),
        ("is_default", 1, "invalid"),
    ],
)
def test_a_field_that_can_not_be_set_like_that_is_refused_by_name(api, account, field, value, code):
    before = EmailAccount.objects.values().get()

    response = api.patch(path(account), {field: value})

    assert response.status_code == 422
    assert errors(response) == {(field, code)}
    assert EmailAccount.objects.values().get() == before


def test_a_bounce_address_is_set_shown_and_removed(api, account):
    was_active = EmailAccount.objects.get().is_active

    given = api.patch(path(account), {"bounce_address": " Bounces@Return.TEST "})
    shown = api.get(path(account))
    removed = api.patch(path(account), {"bounce_address": ""})

    assert given.json()["bounce_address"] == "Bounces@return.test"
    assert shown.json()["bounce_address"] == "Bounces@return.test"
    assert removed.json()["bounce_address"] == ""
    assert EmailAccount.objects.get().is_active is was_active


@pytest.mark.parametrize("action", ["/test", "/activate", "/deactivate"])
def test_an_action_refuses_fields_and_what_is_no_json(api, account, action):
    before = EmailAccount.objects.values().get()

    field = api.post(path(account, action), {"smtp_server": "elsewhere.test"})
    broken = api.post(path(account, action), "{", content_type="application/json")
    form = api.post(path(account, action), "a=b", content_type="text/plain")

    assert field.status_code == 422
    assert errors(field) == {("smtp_server", "unknown_field")}
    assert (broken.status_code, form.status_code) == (400, 415)
    assert EmailAccount.objects.values().get() == before


def test_creating_needs_an_address_and_a_server(api, domain):
    response = api.post(ACCOUNTS, {})

    assert response.status_code == 422
    assert errors(response) == {("email_address", "required"), ("smtp_server", "required")}


def test_a_taken_address_is_refused_without_telling_whose_it_is(api, domain, foreign_account):
    mine = api.post(ACCOUNTS, fields())
    again = api.post(ACCOUNTS, fields())

    assert mine.status_code == 201
    assert again.status_code == 422
    assert errors(again) == {("email_address", "unique")}


def test_put_keeps_the_passwords_and_what_it_leaves_out(api, account):
    body = {"email_address": "orders@shop.test", "smtp_server": "127.0.0.1", "display_name": "Shop"}

    response = api.put(path(account), body)

    assert response.status_code == 200
    assert response.json()["display_name"] == "Shop"
    account.refresh_from_db()
    assert (account.smtp_username, account.smtp_password) == ("orders", PASSWORD)


def test_an_empty_password_keeps_the_stored_one_and_null_removes_it(api, account):
    api.patch(path(account), {"smtp_password": ""})
    account.refresh_from_db()
    assert account.smtp_password == PASSWORD

    api.patch(path(account), {"smtp_password": None})
    account.refresh_from_db()
    assert account.smtp_password == ""


def test_a_fallback_is_given_by_address_and_shown_by_id(api, account):
    response = api.post(
        ACCOUNTS, fields(email_address="b@shop.test", fallback_account="orders@shop.test")
    )

    assert response.json()["fallback_account"] == account.pk
    cleared = api.patch(f"{ACCOUNTS}/{response.json()['id']}", {"fallback_account": None})
    assert cleared.json()["fallback_account"] is None


def test_the_default_moves_to_the_account_that_asks_for_it(api, account):
    pointed_at(api, account, is_default=True)
    second = api.post(ACCOUNTS, fields(email_address="b@shop.test", is_default=True)).json()

    assert second["is_default"] is True
    assert api.get(path(account)).json()["is_default"] is False


def test_a_changed_connection_deactivates(api, account):
    EmailAccount.objects.update(is_active=True)

    assert api.patch(path(account), {"display_name": "x"}).json()["is_active"] is True
    assert api.patch(path(account), {"smtp_port": 2525}).json()["is_active"] is False


def test_an_unused_account_is_deleted(api, account):
    assert api.delete(path(account)).status_code == 204
    assert api.get(path(account)).status_code == 404


def test_an_account_that_messages_refer_to_is_not_deleted(api, account):
    message_of(account)

    response = api.delete(path(account))

    assert response.status_code == 409
    assert response.json()["errors"][0]["code"] == "in_use"
    assert api.get(path(account)).status_code == 200


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_another_tenants_account_is_not_there(api, account, foreign_account, method):
    body = fields(email_address="orders@other.test") if method in ("put", "patch") else {}
    before = EmailAccount.objects.filter(pk=foreign_account.pk).values().get()

    response = getattr(api, method)(path(foreign_account), body)
    unknown = getattr(api, method)(f"{ACCOUNTS}/987654321", body)

    assert (response.status_code, unknown.status_code) == (404, 404)
    assert response.content == unknown.content
    assert EmailAccount.objects.filter(pk=foreign_account.pk).values().get() == before


@pytest.mark.parametrize("action", ["test", "activate", "deactivate"])
def test_another_tenants_account_is_neither_tried_nor_switched(api, foreign_account, action):
    EmailAccount.objects.update(is_active=action == "deactivate")
    with ScriptedServer() as server:
        EmailAccount.objects.update(smtp_port=server.port, use_tls=False)
        before = EmailAccount.objects.values().get()
        response = api.post(path(foreign_account, f"/{action}"))

    assert response.status_code == 404
    assert server.connections == []
    assert EmailAccount.objects.values().get() == before


def test_another_tenants_account_is_no_fallback(api, account, foreign_account):
    for reference in (foreign_account.pk, foreign_account.email_address):
        response = api.patch(path(account), {"fallback_account": reference})
        assert errors(response) == {("fallback_account", "not_found")}


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("get", ""),
        ("patch", ""),
        ("put", ""),
        ("delete", ""),
        ("post", "/test"),
        ("post", "/activate"),
        ("post", "/deactivate"),
    ],
)
def test_a_key_without_the_scope_does_nothing(tenant, account, method, action):
    api = client_of(tenant, scopes=["domains:write", "emails:send"])

    assert getattr(api, method)(path(account, action)).status_code == 403
    assert api.get(ACCOUNTS).status_code == 403
    assert api.post(ACCOUNTS, fields()).status_code == 403


def test_a_list_shows_the_tenants_own_rows_by_filter(api, tenant, account, foreign_account):
    second = services.create_account(
        tenant=tenant, fields=fields(email_address="b@shop.test", is_default=True)
    )
    EmailAccount.objects.filter(pk=second.pk).update(is_active=True)

    def found(query: str) -> list[int]:
        return [row["id"] for row in api.get(f"{ACCOUNTS}?{query}").json()["results"]]

    assert found("") == [second.pk, account.pk]
    assert found("ordering=email_address") == [second.pk, account.pk]
    assert found("ordering=-email_address") == [account.pk, second.pk]
    assert found("domain=SHOP.test") == [second.pk, account.pk]
    assert found("domain=other.test") == []
    assert found("is_active=true") == found("is_default=true") == [second.pk]
    assert found("is_active=false") == found("is_default=false") == [account.pk]
    assert found("email_address=B@shop.test") == [second.pk]
    assert found("search=orders") == [account.pk]


@pytest.mark.parametrize(
    "query", ["is_active=maybe", "smtp_password=x", "ordering=smtp_password_encrypted"]
)
def test_a_list_refuses_parameters_that_it_does_not_know(api, account, query):
    assert api.get(f"{ACCOUNTS}?{query}").status_code == 400


def test_a_long_list_costs_as_many_queries_as_a_short_one(api, tenant, account):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert api.get(ACCOUNTS).status_code == 200
        return len(captured)

    api.get(ACCOUNTS)
    few = queries()
    for number in range(49):
        given = fields(email_address=f"a{number}@shop.test", fallback_account=account.pk)
        services.create_account(tenant=tenant, fields=given)

    assert queries() == few


# Real connections


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_an_account_at_a_real_server_is_tested_and_activated(
    api, account, trusted_mail_server, kind
):
    server = trusted_mail_server
    port = {"starttls": server.submission_port, "tls": server.smtps_port}[kind]
    is_ssl = kind == "tls"
    pointed_at(
        api,
        account,
        **at_mail_server(server, smtp_port=port, use_ssl=is_ssl, use_tls=not is_ssl),
    )

    tested = api.post(path(account, "/test"))
    untouched = api.get(path(account)).json()
    activated = api.post(path(account, "/activate"))

    assert tested.status_code == 200
    assert set(tested.json()) == {"ok", "stage", "detail", "capabilities", "latency_ms"}
    assert (tested.json()["ok"], tested.json()["stage"]) == (True, "ready")
    assert "PIPELINING" in tested.json()["capabilities"]
    assert untouched["is_active"] is False
    assert (activated.status_code, activated.json()["is_active"]) == (200, True)


def test_a_wrong_password_fails_at_auth(api, account, trusted_mail_server):
    pointed_at(api, account, **at_mail_server(trusted_mail_server, smtp_password="canary-wrong-3"))

    tested = api.post(path(account, "/test"))
    activated = api.post(path(account, "/activate"))

    assert (tested.status_code, tested.json()["ok"], tested.json()["stage"]) == (200, False, "auth")
    assert activated.status_code == 422
    assert errors(activated) == {("auth", "test_failed")}
    assert activated.json()["errors"][0]["detail"].startswith("auth: ")
    assert "canary" not in tested.content.decode() + activated.content.decode()


def test_a_server_whose_authority_is_unknown_gets_no_password(api, account, mail_server):
    pointed_at(api, account, **at_mail_server(mail_server))

    tested = api.post(path(account, "/test")).json()

    assert (tested["ok"], tested["stage"]) == (False, "tls")
    assert "certificate" in tested["detail"]


def test_a_self_signed_server_gets_no_password(api, account, tmp_path):
    tls = issue("127.0.0.1", signer=None).server_context(tmp_path)
    with ScriptedServer(tls=tls, users={"orders": PASSWORD}) as server:
        pointed_at(api, account, smtp_server=server.host, smtp_port=server.port)
        tested = api.post(path(account, "/test")).json()
        activated = api.post(path(account, "/activate"))

    assert (tested["ok"], tested["stage"]) == (False, "tls")
    assert errors(activated) == {("tls", "test_failed")}
    assert server.verbs == ["EHLO", "STARTTLS"] * 2
    assert b"AUTH" not in server.received


def test_nothing_listening_fails_at_connect(api, account):
    pointed_at(api, account, smtp_port=free_ports(1)[0])

    tested = api.post(path(account, "/test")).json()

    assert (tested["ok"], tested["stage"]) == (False, "connect")


def test_a_private_host_fails_while_resolving_where_the_operator_forbids_it(api, account, settings):
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        pointed_at(api, account, smtp_server="localhost", smtp_port=server.port, use_tls=False)
        settings.SENDCRAFT_ALLOW_PRIVATE_HOSTS = False
        tested = api.post(path(account, "/test")).json()
        activated = api.post(path(account, "/activate"))
        saved = api.patch(path(account), {"smtp_server": "127.0.0.1"})

    assert (tested["ok"], tested["stage"]) == (False, "resolve")
    assert errors(activated) == {("resolve", "test_failed")}
    assert errors(saved) == {("smtp_server", "invalid")}
    assert server.connections == []


def test_deactivating_and_activating_moves_the_pause(api, account):
    account.pause("The password was refused.", at=timezone.now())
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        pointed_at(api, account, smtp_port=server.port, use_tls=False)
        assert api.get(path(account)).json()["paused_reason"] == "The password was refused."
        assert api.post(path(account, "/activate")).json()["paused_reason"] is None

    assert api.post(path(account, "/deactivate")).json()["is_active"] is False


def test_no_log_line_holds_a_password(api, account, caplog):
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        pointed_at(api, account, smtp_port=server.port, use_tls=False, smtp_password=PASSWORD)
        api.post(path(account, "/activate"))
        api.patch(path(account), {"smtp_password": "canary-two", "smtp_port": "x"})
        api.post(path(account, "/test"))

    said = "\n".join(str(record.__dict__) for record in caplog.records)
    assert "activated" in said
    assert "canary" not in said
