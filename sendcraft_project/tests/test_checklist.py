"""The list of what a new tenant still has to set up, on the start page."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from domains.models import DKIMKey
from logs.models import EmailLog
from logs.tests.builders import NOON, an_email
from tenants.models import APIKey, Membership, Role
from tests.factories import make_account, make_domain, make_template

pytestmark = pytest.mark.django_db


def start_page(client, tenant, role=Role.OWNER) -> str:
    user, _ = User.objects.get_or_create(username=f"{role}-{tenant.slug}", is_staff=True)
    Membership.objects.get_or_create(tenant=tenant, user=user, role=role)
    client.force_login(user)
    return client.get("/admin/").content.decode()


def test_the_list_ticks_itself_off_and_disappears_with_the_first_message(client, tenant):
    assert "0 of 6 steps are done." in start_page(client, tenant)

    domain = make_domain(tenant, "shop.test")
    make_template(tenant)
    APIKey.issue(tenant=tenant, name="k", mode="live")
    assert "3 of 6 steps are done." in start_page(client, tenant)

    DKIMKey.objects.create(
        domain=domain, selector="s", algorithm="rsa", public_record="x", is_verified=True
    )
    account = make_account(domain, "orders")
    email = an_email(tenant, account=account)
    assert "5 of 6 steps are done." in start_page(client, tenant)

    EmailLog.objects.filter(pk=email.pk).update(status="sent", sent_at=NOON)
    assert "steps are done." not in start_page(client, tenant)


def test_who_may_not_do_a_step_gets_no_link_to_it(client, tenant):
    assert 'href="/admin/domains/domain/add/"' in start_page(client, tenant, Role.ADMIN)
    assert 'href="/admin/domains/domain/add/"' not in start_page(client, tenant, Role.VIEWER)


def test_another_tenants_steps_are_not_shown(client, tenant, other_tenant):
    assert "Set up Other" not in start_page(client, tenant)
