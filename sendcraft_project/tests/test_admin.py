"""The users and the start page."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import EmailAccount
from domains.models import Domain
from logs.models import EmailContent, EmailLog, EmailStatus
from sendcraft_project.dashboard import accepted_today, midnight
from tenants.models import Membership, Role
from webhooks import services
from webhooks.models import WebhookEndpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client, tenant):
    user = User.objects.create_user("viewer", is_staff=True)
    Membership.objects.create(tenant=tenant, user=user, role=Role.VIEWER)
    client.force_login(user)
    return user


def account_of(tenant, **fields):
    domain, _ = Domain.objects.get_or_create(tenant=tenant, name=f"{tenant.slug}.example")
    return EmailAccount.objects.create(
        domain=domain, email_address=f"a@{domain.name}", smtp_server="s.example", **fields
    )


def emails(account, status, *, count=1, at=None):
    """Messages of the account, accepted ``at``; a new primary key each."""
    tenant = account.domain.tenant
    content = EmailContent.objects.create(tenant=tenant, subject="s", text="t")
    EmailLog.objects.bulk_create(
        EmailLog(
            tenant=tenant,
            account=account,
            content=content,
            mode="live",
            status=status,
            from_address=account.email_address,
            to_address="x@example.com",
            subject="s",
            smtp_message_id="<x@example>",
            queued_at=at or timezone.now(),
        )
        for _ in range(count)
    )


def numbers(client):
    """Every card's title and number on the start page."""
    context = client.get("/admin/").context
    return {str(card["title"]): card["value"] for card in [*context["day"], *context["now"]]}


def test_the_start_page_counts_the_messages_of_the_users_tenants(
    client, viewer, tenant, other_tenant
):
    own = account_of(tenant, paused_at=timezone.now())
    emails(own, EmailStatus.SENT, count=3)
    emails(own, EmailStatus.BOUNCED, count=2)
    emails(own, EmailStatus.QUEUED)
    emails(own, EmailStatus.SENT, at=timezone.now() - timedelta(days=2))
    emails(account_of(other_tenant, paused_at=timezone.now()), EmailStatus.SENT, count=7)

    assert numbers(client) == {
        "Queued": 1,
        "Sending": 0,
        "Sent": 3,
        "Delivered": 0,
        "Bounced": 2,
        "Failed": 0,
        "Waiting": 1,
        "Accounts paused": 1,
    }


def test_waiting_counts_what_was_accepted_before_today_too(client, viewer, tenant):
    emails(account_of(tenant), EmailStatus.QUEUED, at=timezone.now() - timedelta(days=2))

    shown = numbers(client)

    assert (shown["Queued"], shown["Waiting"]) == (0, 1)


def test_a_day_begins_at_the_tenants_midnight(tenant, other_tenant):
    tenant.timezone, other_tenant.timezone = "Asia/Tokyo", "America/Los_Angeles"
    now = datetime(2026, 7, 1, 16, tzinfo=ZoneInfo("UTC"))  # 2 July 01:00 in Tokyo, 09:00 in L.A.
    assert midnight(tenant, at=now) == now - timedelta(hours=1)
    assert midnight(other_tenant, at=now) == now - timedelta(hours=9)
    tenant.save()
    other_tenant.save()
    for one in (tenant, other_tenant):
        emails(account_of(one), EmailStatus.SENT, at=now - timedelta(hours=2))

    figures = accepted_today([tenant, other_tenant], at=now)

    assert figures[tenant.pk]["sent"] == 0
    assert figures[other_tenant.pk]["sent"] == 1


def test_the_figures_cost_as_many_queries_however_many_tenants_and_messages(
    client, tenant, other_tenant
):
    client.force_login(User.objects.create_superuser("root"))
    client.get("/admin/")
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/")
    for one in (tenant, other_tenant):
        emails(account_of(one), EmailStatus.SENT, count=50)

    with CaptureQueriesContext(connection) as many:
        page = client.get("/admin/").content.decode()

    assert len(many) == len(few)
    assert "By tenant" in page


def test_staff_without_a_tenant_are_told_so(client):
    client.force_login(User.objects.create_user("new", is_staff=True))

    assert "You belong to no tenant yet" in client.get("/admin/").content.decode()


def test_the_start_page_has_no_script_of_its_own(client, viewer, tenant):
    page = client.get("/admin/").content.decode()

    assert "<script>" not in page
    assert "onclick=" not in page


def test_the_sidebar_leads_only_where_the_user_may_go(client, viewer, tenant):
    page = client.get("/admin/").content.decode()
    client.force_login(User.objects.create_superuser("root"))
    everything = client.get("/admin/").content.decode()

    assert "/admin/tenants/apikey/" in page
    assert "/admin/auth/user/" not in page
    assert "/admin/auth/user/" in everything


def test_users_are_for_superusers_alone(client, viewer):
    for path in ("", "add/", f"{viewer.pk}/change/", f"{viewer.pk}/password/"):
        assert client.get(f"/admin/auth/user/{path}").status_code == 403
    User.objects.filter(pk=viewer.pk).update(is_superuser=True)
    for path in ("", "add/", f"{viewer.pk}/change/", f"{viewer.pk}/password/"):
        assert client.get(f"/admin/auth/user/{path}").status_code == 200


def test_a_user_who_is_not_staff_does_not_get_in(client, tenant):
    user = User.objects.create_user("customer")
    Membership.objects.create(tenant=tenant, user=user, role=Role.OWNER)
    client.force_login(user)

    assert client.get("/admin/").status_code == 302


def test_a_webhook_that_was_switched_off_is_told_to_its_tenants_staff(
    client, viewer, tenant, other_tenant
):
    for one in (tenant, other_tenant):
        hook = services.create_endpoint(tenant=one, url=f"https://hooks.{one.slug}.example/")
        WebhookEndpoint.objects.filter(pk=hook.pk).update(
            is_active=False, off_reason="failing", off_at=timezone.now()
        )

    page = client.get("/admin/").content.decode()

    assert "hooks.shop.example" in page
    assert "it failed for three days" in page
    assert "hooks.other.example" not in page
