"""The users, and what the start page and the sidebar show to whom."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tenants.models import Membership, Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client, tenant):
    user = User.objects.create_user("viewer", is_staff=True)
    Membership.objects.create(tenant=tenant, user=user, role=Role.VIEWER)
    client.force_login(user)
    return user


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
