"""Who is told when a server's refusal pauses an account, and how a pause ends."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import jobs, services
from accounts.models import EmailAccount
from accounts.tests.conftest import PASSWORD
from common.errors import Refused
from common.tests.smtp_server import ScriptedServer
from tenants.models import Membership, Role

pytestmark = pytest.mark.django_db
NOW = timezone.now()
PAGE = "/admin/accounts/emailaccount/"


def member(tenant, role: str, **fields) -> User:
    name = f"{role}-{tenant.slug}"
    values = {"email": f"{name}@staff.test", "is_staff": True, **fields}
    user = User.objects.create_user(name, **values)
    Membership.objects.create(tenant=tenant, user=user, role=role)
    return user


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def at_server(account: EmailAccount, server: ScriptedServer, **fields) -> EmailAccount:
    values = {"smtp_port": server.port, "use_tls": False, "allow_plaintext": True, **fields}
    EmailAccount.objects.filter(pk=account.pk).update(**values)
    return EmailAccount.objects.select_related("domain__tenant").get(pk=account.pk)


def test_the_tenants_owners_are_told_of_a_pause_once(account, tenant, other_tenant):
    tenant.language = "en"
    tenant.save()
    for role in (Role.OWNER, Role.ADMIN):
        member(tenant, role)
    member(other_tenant, Role.OWNER)
    account.pause("535 wrong password", at=NOW)
    account.pause("535 again", at=NOW)

    assert [jobs.tell_of_pauses(at=NOW) for _ in range(2)] == [1, 0]

    (message,) = mail.outbox
    assert message.to == ["owner-shop@staff.test"]
    assert message.subject == "orders@shop.test is paused"
    assert "535 wrong password" in message.body
    assert f"{PAGE}{account.pk}/change/" in message.body


def test_another_pause_is_told_again(account, tenant):
    member(tenant, Role.OWNER)
    for _ in range(2):
        account.pause("535 wrong password", at=NOW)
        jobs.tell_of_pauses(at=NOW)
        account.resume()

    assert len(mail.outbox) == 2


def test_what_could_not_be_told_is_told_later(account, tenant, settings):
    member(tenant, Role.OWNER)
    account.pause("535 wrong password", at=NOW)
    working = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    failed = jobs.tell_of_pauses(at=NOW)
    settings.EMAIL_BACKEND = working

    assert (failed, jobs.tell_of_pauses(at=NOW)) == (0, 1)


def test_staff_pause_and_resume_an_account_and_nobody_is_written_to(account, tenant):
    client = browser_of(member(tenant, Role.ADMIN))
    member(tenant, Role.OWNER)
    switch = f"{PAGE}{account.pk}/switch"

    assert client.get(f"{switch}/pause").status_code == 405
    client.post(f"{switch}/pause")
    account.refresh_from_db()
    paused = account.paused_reason
    told = jobs.tell_of_pauses(at=NOW)
    client.post(f"{switch}/resume")

    account.refresh_from_db()
    assert (paused, told) == ("Paused by admin-shop.", 0)
    assert (account.paused_at, account.paused_reason) == (None, "")


def test_staff_of_others_and_viewers_pause_nothing(account, tenant, other_tenant):
    switch = f"{PAGE}{account.pk}/switch/pause"

    assert browser_of(member(other_tenant, Role.OWNER)).post(switch).status_code == 404
    assert browser_of(member(tenant, Role.VIEWER)).post(switch).status_code == 403


def test_a_passed_test_ends_a_pause_of_the_servers_and_none_by_hand(api, account):
    with ScriptedServer(users={"orders": PASSWORD}) as server:
        account = at_server(account, server)
        account.pause("535 wrong password", at=NOW)
        api.post(f"/api/v1/accounts/{account.pk}/test")
        account.refresh_from_db()
        resumed = account.paused_at
        services.pause(account, reason="holidays", at=NOW)
        api.post(f"/api/v1/accounts/{account.pk}/test")

    account.refresh_from_db()
    assert (resumed, account.paused_reason) == (None, "holidays")


def test_a_failed_test_resumes_nothing(account):
    with ScriptedServer(users={"orders": "another"}) as server:
        account = at_server(account, server)
        account.pause("535 wrong password", at=NOW)
        with pytest.raises(Refused) as caught:
            services.resume(account)

    account.refresh_from_db()
    assert (caught.value.code, account.paused_reason) == ("test_failed", "535 wrong password")


def test_a_pause_shows_on_the_start_page_and_on_the_accounts_as_text(account, tenant, other_tenant):
    account.pause("535 <script>alert(1)</script>", at=NOW)
    shown = "535 &lt;script&gt;alert(1)"
    client = browser_of(member(tenant, Role.VIEWER))

    assert shown in client.get("/admin/").content.decode()
    assert shown in client.get(f"{PAGE}{account.pk}/change/").content.decode()
    stranger = browser_of(member(other_tenant, Role.OWNER))
    assert shown not in stranger.get("/admin/").content.decode()
