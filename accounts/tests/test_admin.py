"""Accounts as staff meet them in the admin."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services
from accounts.models import EmailAccount
from accounts.tests.conftest import PASSWORD, fields, message_of
from common.tests.smtp_server import ScriptedServer
from tenants.models import Role, Tenant
from tests.factories import make_account
from tests.staff import JOB, staff, worked_off

LIST = "/admin/accounts/emailaccount/"
ADD = f"{LIST}add/"
JOBS = "/admin/tenants/backgroundjob/"


@pytest.fixture
def admin(tenant) -> Client:
    return staff(tenant, Role.ADMIN)


def change_page(account: EmailAccount) -> str:
    return f"{LIST}{account.pk}/change/"


def entered(**changes: object) -> dict[str, object]:
    """What a person's browser sends; a box that is not ticked is left out."""
    form = {
        "smtp_server": "127.0.0.1",
        "smtp_port": 587,
        "smtp_username": "orders",
        "use_tls": "on",
        "max_connections": 4,
        "imap_port": 993,
        "imap_folder": "INBOX",
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def run(client: Client, action: str, *accounts: EmailAccount) -> str:
    """Run an action on rows of the list and return what is told about it."""
    body = {"action": action, "_selected_action": [account.pk for account in accounts]}
    return ["", *told(client.post(LIST, body))][-1]


def switch(client: Client, action: str, account: EmailAccount) -> str:
    """Press a button on the account's own page and return what is told about it."""
    return ["", *told(client.post(f"{LIST}{account.pk}/switch/{action}"))][-1]


def told(response) -> list[str]:
    """Return every message that waits for the next page, the latest last."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def said_off(response) -> bool:
    return any("is off until" in text for text in told(response))


def test_an_account_is_set_up_by_the_form(admin, domain):
    form = entered(
        domain=domain.pk, email_address="Orders@shop.test", smtp_password=PASSWORD, limit_per_day=9
    )

    response = admin.post(ADD, form)

    assert response.status_code == 302, response.context["errors"]
    account = EmailAccount.objects.get()
    assert (account.email_address, account.domain) == ("orders@shop.test", domain)
    assert (account.smtp_password, account.is_active) == (PASSWORD, False)
    page = admin.get(LIST).content.decode()
    assert "127.0.0.1:587" in page
    assert "9/day" in page


def test_the_first_account_is_the_tenants_default_and_stays_it(admin, domain):
    for name in ("orders", "news"):
        admin.post(ADD, entered(domain=domain.pk, email_address=f"{name}@shop.test"))

    default = EmailAccount.objects.get(default_for=domain.tenant)
    assert (default.email_address, EmailAccount.objects.count()) == ("orders@shop.test", 2)


def test_another_account_takes_no_place_that_was_left_empty(admin, domain):
    admin.post(ADD, entered(domain=domain.pk, email_address="orders@shop.test"))
    services.update_account(EmailAccount.objects.get(), changes={"is_default": False})

    admin.post(ADD, entered(domain=domain.pk, email_address="news@shop.test"))

    assert EmailAccount.objects.count() == 2
    assert not EmailAccount.objects.exclude(default_for=None).exists()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"use_ssl": "on"}, "use_ssl"),
        ({"email_address": "orders@elsewhere.test"}, "email_address"),
        ({"email_address": "no address"}, "email_address"),
        ({"smtp_server": "127.1"}, "smtp_server"),
        ({"smtp_password": "a\x01b"}, "smtp_password"),
        ({"warmup_start": 5}, "warmup_growth"),
        ({"smtp_port": 0}, "smtp_port"),
    ],
)
def test_the_form_refuses_what_the_api_refuses(admin, domain, wrong, named):
    form = entered(**{"domain": domain.pk, "email_address": "orders@shop.test", **wrong})

    response = admin.post(ADD, form)

    assert response.status_code == 200
    assert named in response.context["adminform"].form.errors
    assert not EmailAccount.objects.exists()


def test_both_kinds_of_tls_are_refused_in_words_beside_another_error(admin, domain):
    form = entered(domain=domain.pk, email_address="orders@shop.test", smtp_port="", use_ssl="on")

    page = admin.post(ADD, form).content.decode()

    assert "STARTTLS and implicit TLS exclude each other." in page
    assert "account_one_kind_of_tls" not in page


def test_a_taken_address_is_refused_in_any_spelling(admin, account):
    form = entered(domain=account.domain.pk, email_address="ORDERS@shop.test")

    response = admin.post(ADD, form)

    assert "email_address" in response.context["adminform"].form.errors
    assert EmailAccount.objects.count() == 1


def test_passwords_are_never_shown_and_stay_when_left_empty(admin, account):
    page = admin.get(change_page(account))
    saved = admin.post(change_page(account), entered(display_name="Shop"))

    assert PASSWORD not in page.content.decode()
    assert account.smtp_password_encrypted not in page.content.decode()
    assert saved.status_code == 302, saved.context["errors"]
    account.refresh_from_db()
    assert (account.display_name, account.smtp_password) == ("Shop", PASSWORD)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_who_may_only_look_sees_no_password(tenant, account, role):
    services.update_account(account, changes={"imap_password": "canary-imap"})

    page = staff(tenant, role).get(change_page(account)).content.decode()

    assert "orders@shop.test" in page
    assert PASSWORD not in page
    assert "canary-imap" not in page


def test_a_wrong_form_does_not_send_the_password_back(admin, account):
    response = admin.post(change_page(account), entered(smtp_password="canary-9", smtp_port=0))

    assert response.status_code == 200
    assert "canary-9" not in response.content.decode()


def returned_fields(response) -> dict[str, str]:
    """The hidden fields that the browser sends along with a form that came back."""
    return dict(
        re.findall(
            r'<input type="hidden" name="(\w+_typed)" value="(\w+)">', response.content.decode()
        )
    )


def test_a_password_that_a_wrong_form_lost_is_asked_for_again(admin, domain):
    form = entered(domain=domain.pk, email_address="orders@elsewhere.test", imap_username="orders")

    first = admin.post(ADD, {**form, "smtp_password": PASSWORD, "imap_password": "canary-imap"})
    form |= {"email_address": "orders@shop.test", **returned_fields(first)}
    without = admin.post(ADD, form)
    form |= returned_fields(without)
    half = admin.post(ADD, {**form, "smtp_password": PASSWORD})

    again = "Enter the password again."
    assert [page.content.decode().count(again) for page in (first, without, half)] == [2, 2, 2]
    assert not EmailAccount.objects.exists()
    whole = admin.post(ADD, {**form, "smtp_password": PASSWORD, "imap_password": "canary-imap"})
    assert whole.status_code == 302, whole.context["errors"]
    assert EmailAccount.objects.get().smtp_password == PASSWORD


def test_an_account_whose_server_asks_for_no_user_needs_no_password_again(admin, domain):
    form = entered(domain=domain.pk, email_address="orders@elsewhere.test")
    first = admin.post(ADD, {**form, "smtp_password": PASSWORD})

    form |= {"email_address": "orders@shop.test", "smtp_username": "", **returned_fields(first)}
    saved = admin.post(ADD, form)

    assert saved.status_code == 302, saved.context["errors"]


def test_the_page_says_whether_a_password_is_stored(admin, account):
    services.update_account(account, changes={"imap_password": None})

    page = admin.get(change_page(account)).content.decode()
    new = admin.get(ADD).content.decode()

    assert page.count("A password is stored; empty: it stays.") == 1
    assert page.count("No password is stored.") == 1
    assert "stored" not in new


def test_a_new_password_that_a_wrong_form_lost_is_asked_for_again(admin, account):
    wrong = admin.post(change_page(account), entered(smtp_password="another", smtp_port=0))

    assert "Enter the password again." in wrong.content.decode()
    account.refresh_from_db()
    assert account.smtp_password == PASSWORD


def test_a_new_password_switches_the_account_off_and_says_so(admin, account):
    EmailAccount.objects.update(is_active=True)

    unchanged = admin.post(change_page(account), entered(display_name="Shop"))
    account.refresh_from_db()
    assert (account.is_active, said_off(unchanged)) == (True, False)

    changed = admin.post(change_page(account), entered(smtp_password="another"))
    account.refresh_from_db()
    assert (account.is_active, said_off(changed)) == (False, True)
    assert account.smtp_password == "another"


def test_the_address_and_the_state_can_not_be_posted(admin, account):
    form = entered(email_address="b@shop.test", is_active="on", paused_reason="x", default_for=1)

    assert admin.post(change_page(account), form).status_code == 302

    account.refresh_from_db()
    assert (account.email_address, account.is_active) == ("orders@shop.test", False)
    assert (account.paused_reason, account.is_default) == ("", False)


def test_testing_and_activating_tell_the_stage(admin, account):
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        given = {"smtp_server": server.host, "smtp_port": server.port, "use_tls": False}
        services.update_account(account, changes=given)
        server.on("AUTH", "535 5.7.8 no")
        failed = switch(admin, "test_connection", account)
        works = switch(admin, "test_connection", account)
        activated = switch(admin, "activate", account)

    assert "“signed in”" in failed
    assert "535" in failed
    assert works == "orders@shop.test works."
    assert activated == "orders@shop.test is active."
    assert EmailAccount.objects.get().is_active
    assert "is off" in run(admin, "deactivate", account)
    assert not EmailAccount.objects.get().is_active


@pytest.mark.parametrize("action", ["test_connection", "activate", "resume"])
def test_many_accounts_are_tested_as_a_job_that_tells_each_failure(admin, tenant, account, action):
    other = make_account(account.domain, "other")
    EmailAccount.objects.filter(pk=other.pk).update(smtp_port=1)
    EmailAccount.objects.update(is_active=False, paused_at=timezone.now(), paused_reason="x")
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        given = {"smtp_server": server.host, "smtp_port": server.port, "use_tls": False}
        services.update_account(account, changes=given)
        body = {"action": action, "_selected_action": [account.pk, other.pk]}
        job = worked_off(admin.post(LIST, body))

    assert (job.status, job.result) == ("done", {"done": 1, "refused": 1})
    (problem,) = job.problems.all()
    assert problem.value.startswith(f"{other}: ")
    assert "refused the connection" in problem.value
    account.refresh_from_db()
    assert account.is_active == (action == "activate")
    assert account.paused_at is None
    shown = admin.get(JOB.format(job.pk)).content.decode()
    assert "It failed its test." in shown
    assert f"{other} failed at the stage “connected”: The server refused the connection." in shown
    for suffix in ("change/", "problems/"):
        page = admin.get(f"{JOBS}{job.pk}/{suffix}", headers={"Accept-Language": "pt"})
        assert "The server refused the connection" not in page.getvalue().decode()


def test_a_test_in_place_shows_each_stage(admin, account):
    url = f"/admin/accounts/emailaccount/{account.pk}/switch/test_connection"
    EmailAccount.objects.filter(pk=account.pk).update(smtp_port=1)

    answer = admin.post(url, headers={"HX-Request": "true"})

    shown = " ".join(re.sub("<[^>]+>", " ", answer.content.decode()).split())
    assert answer.status_code == 200
    assert "name found (passed)" in shown
    assert "connected (failed)" in shown
    assert "signed in (not reached)" in shown
    assert "refused the connection" in shown


def test_a_failed_tests_dialogue_is_still_there_later_and_for_colleagues(admin, tenant, account):
    switch = f"{LIST}{account.pk}/switch/test_connection"
    with ScriptedServer(users={"orders": "another"}) as server:
        services.update_account(
            account,
            changes={"smtp_server": server.host, "smtp_port": server.port, "use_tls": False},
        )
        in_place = admin.post(switch, headers={"HX-Request": "true"}).content.decode()

    for client in (admin, staff(tenant, Role.VIEWER)):
        later = client.get(change_page(account)).content.decode()
        assert "signed in <span" in later
        assert "&gt; AUTH PLAIN ***" in later
        assert "&lt; 535 5.7.8\n" in later
        assert "only the codes are shown" in later
        assert PASSWORD not in later
    assert "&gt; AUTH PLAIN ***" in in_place

    admin.post(change_page(account), entered(smtp_port=2525))
    assert "AUTH PLAIN" not in admin.get(change_page(account)).content.decode()


@pytest.mark.parametrize(
    ("language", "words"),
    [("pt", "ou a palavra-passe: 535 5.7.8"), ("pt-br", "ou a senha: 535 5.7.8")],
)
def test_a_refusal_is_told_in_the_readers_language(admin, account, language, words):
    error = "The server refused the user name or the password: 535 5.7.8"
    EmailAccount.objects.update(paused_at=timezone.now(), paused_reason=error)
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        given = {"smtp_server": server.host, "smtp_port": server.port, "use_tls": False}
        services.update_account(account, changes=given)
        server.on("AUTH", "535 5.7.8 no")
        url = f"{LIST}{account.pk}/switch/test_connection"
        tested = admin.post(url, headers={"HX-Request": "true", "Accept-Language": language})

    for answer in (
        tested,
        admin.get(change_page(account), headers={"Accept-Language": language}),
        admin.get(LIST, headers={"Accept-Language": language}),
    ):
        assert words in answer.content.decode()
        assert "The server refused" not in answer.content.decode()


@pytest.mark.parametrize("action", ["test_connection", "activate", "resume"])
def test_a_failure_of_a_button_is_told_in_the_readers_language(admin, account, action):
    EmailAccount.objects.update(smtp_port=1, paused_at=timezone.now(), paused_reason="x")
    url = f"{LIST}{account.pk}/switch/{action}"

    answer = admin.post(url, headers={"Accept-Language": "pt"})

    (text,) = told(answer)
    assert text.startswith("orders@shop.test")
    assert "connect" not in text
    assert "The server refused the connection" not in text


def test_a_passed_test_takes_the_place_of_a_failed_one(admin, account):
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        given = {"smtp_server": server.host, "smtp_port": server.port, "use_tls": False}
        services.update_account(account, changes=given)
        server.on("AUTH", "535 5.7.8 no")
        switch(admin, "test_connection", account)
        switch(admin, "test_connection", account)

    page = admin.get(change_page(account)).content.decode()

    assert "The server takes mail of this account" in page
    assert "AUTH PLAIN" not in page.replace("AUTH PLAIN LOGIN", "")


def test_without_the_cache_the_page_and_the_test_work(admin, account, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "common.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }

    answer = admin.post(
        f"{LIST}{account.pk}/switch/test_connection", headers={"HX-Request": "true"}
    )

    assert "name found" in answer.content.decode()
    assert "name found" not in admin.get(change_page(account)).content.decode()


@pytest.mark.parametrize("is_in_place", [True, False])
def test_times_are_those_of_the_accounts_tenant(other_tenant, admin_client, account, is_in_place):
    Tenant.objects.filter(pk=account.tenant.pk).update(timezone="Asia/Tokyo")
    paused_at = datetime(2026, 1, 1, 20, tzinfo=UTC)
    EmailAccount.objects.update(smtp_port=1, paused_at=paused_at, paused_reason="x")

    url = f"{LIST}{account.pk}/switch/test_connection"
    shown = admin_client.post(url, headers={"HX-Request": "true"}).content.decode()
    now = timezone.now().astimezone(ZoneInfo("Asia/Tokyo"))
    if not is_in_place:
        shown = admin_client.get(change_page(account)).content.decode()
        assert "Since 2 Jan 2026, 05:00." in shown

    at = re.search(r"Tested on (\d+ \w+ \d+, \d+):", shown)[1]
    assert at in {f"{each:%-d %b %Y, %H}" for each in (now, now - timedelta(minutes=1))}


def switches(client: Client, account: EmailAccount) -> set[str]:
    """The actions whose buttons the account's page shows."""
    page = client.get(change_page(account)).content.decode()
    return set(re.findall(rf'action="{LIST}{account.pk}/switch/([a-z_]+)"', page))


def test_only_buttons_that_would_change_something_are_shown(admin, account):
    assert switches(admin, account) == {"test_connection", "activate", "pause", "make_default"}

    EmailAccount.objects.update(
        is_active=True,
        paused_at="2026-01-01T10:00Z",
        paused_reason="535",
        default_for=account.tenant,
    )

    assert switches(admin, account) == {"test_connection", "deactivate", "resume"}


def test_who_pauses_an_account_says_why_and_the_page_says_how_it_ends(admin, account):
    admin.post(f"{LIST}{account.pk}/switch/pause", {"reason": " the quota is \n used up "})

    account.refresh_from_db()
    assert account.paused_reason == "Paused by admin-shop. the quota is used up"
    page = admin.get(change_page(account)).content.decode()
    assert "Paused by admin-shop. the quota is used up" in page
    assert "It goes on when somebody resumes it." in page

    admin.post(f"{LIST}{account.pk}/switch/resume")
    account.refresh_from_db()
    account.pause("535 5.7.8 wrong password", at=timezone.now())
    assert "It goes on after a passed test." in admin.get(change_page(account)).content.decode()


def test_the_usual_providers_are_offered_to_who_may_change_and_nobody_else(admin, tenant, account):
    page = f"/admin/accounts/emailaccount/{account.pk}/change/"

    assert "smtp-relay.brevo.com" in admin.get(page).content.decode()
    assert "smtp-relay.brevo.com" in admin.get("/admin/accounts/emailaccount/add/").content.decode()
    viewer = staff(tenant, Role.VIEWER)
    assert "smtp-relay.brevo.com" not in viewer.get(page).content.decode()


def test_the_accounts_own_page_has_the_actions_as_buttons(admin, account, foreign_account):
    switch = f"{LIST}{account.pk}/switch"

    assert f'action="{switch}/make_default"' in admin.get(change_page(account)).content.decode()
    assert admin.get(f"{switch}/make_default").status_code == 405
    assert admin.post(f"{switch}/delete_model").status_code == 404
    assert admin.post(f"{LIST}{foreign_account.pk}/switch/make_default").status_code == 404
    response = admin.post(f"{switch}/make_default")

    assert response.headers["Location"] == change_page(account)
    assert list(EmailAccount.objects.exclude(default_for=None)) == [account]


def test_a_failed_activation_is_told(admin, account):
    EmailAccount.objects.update(smtp_password_encrypted="v1:00000000:x")

    assert "“signed in”" in switch(admin, "activate", account)
    assert not EmailAccount.objects.get().is_active


def test_the_default_is_chosen_in_the_list(admin, tenant, account):
    run(admin, "make_default", account)

    assert EmailAccount.objects.get(default_for=tenant) == account


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_who_does_not_administer_the_tenant_only_looks(tenant, account, role):
    client = staff(tenant, role)

    assert client.get(LIST).status_code == 200
    assert client.get(change_page(account)).status_code == 200
    assert client.post(change_page(account), entered(display_name="x")).status_code == 403
    assert client.get(ADD).status_code == 403
    assert client.post(f"{LIST}{account.pk}/switch/make_default").status_code == 403
    assert "/switch/" not in client.get(change_page(account)).content.decode()
    run(client, "make_default", account)
    account.refresh_from_db()
    assert (account.display_name, account.is_default) == ("", False)


def test_another_tenants_accounts_are_not_there(admin, account, foreign_account, domain):
    page = admin.get(LIST).content.decode()
    foreign = admin.get(change_page(foreign_account))
    run(admin, "make_default", foreign_account)
    fallback = admin.post(change_page(account), entered(fallback_account=foreign_account.pk))
    elsewhere = admin.post(
        ADD, entered(domain=foreign_account.domain.pk, email_address="b@other.test")
    )

    assert "orders@other.test" not in page
    assert foreign.status_code == 302
    assert "fallback_account" in fallback.context["adminform"].form.errors
    assert "domain" in elsewhere.context["adminform"].form.errors
    foreign_account.refresh_from_db()
    assert not foreign_account.is_default
    assert EmailAccount.objects.count() == 2


def test_an_unused_account_is_deleted_after_a_question(admin, account):
    page = f"{LIST}{account.pk}/delete/"

    assert admin.get(page).status_code == 200
    admin.post(page, {"post": "yes"})

    assert not EmailAccount.objects.exists()


def test_an_account_that_messages_refer_to_stays(admin, account):
    message_of(account)
    page = f"{LIST}{account.pk}/delete/"

    asked = admin.get(page).content.decode()
    admin.post(page, {"post": "yes"})
    body = {"action": "delete_selected", "_selected_action": [account.pk], "post": "yes"}
    admin.post(LIST, body)

    assert "Messages refer to orders@shop.test" in asked
    assert EmailAccount.objects.exists()


def test_a_long_list_costs_as_many_queries_as_a_short_one(admin, tenant, account):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(LIST).status_code == 200
        return len(captured)

    admin.get(LIST)
    few = queries()
    for number in range(49):
        given = fields(email_address=f"a{number}@shop.test")
        services.create_account(tenant=tenant, fields=given)

    assert queries() == few
