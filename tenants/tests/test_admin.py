"""Tenants, members and keys in the admin."""

from __future__ import annotations

import json
import re
import shlex
from html import unescape
from urllib.parse import urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from common.errors import Refused
from tenants import services
from tenants.models import APIKey, Membership, Role, Tenant
from tenants.scopes import SCOPES
from tenants.signals import tenant_created
from tests.staff import staff

pytestmark = pytest.mark.django_db
TENANTS, MEMBERS, KEYS = (
    "/admin/tenants/tenant/",
    "/admin/tenants/membership/",
    "/admin/tenants/apikey/",
)
USERS = "/admin/auth/user/"


@pytest.fixture
def root(client):
    user = User.objects.create_superuser("root")
    client.force_login(user)
    return user


def key_form(tenant, **fields):
    form = {"tenant": tenant.pk, "name": "shop", "mode": "live", "scopes": ["*"], "rate": ""}
    return {**form, **fields}


def key_on(page: str) -> str:
    return re.search(r'value="(sk_\w{4}_[\w-]{32})"', page)[1]


def command_on(page: str) -> list[str]:
    """The command that the page shows, as a shell would read it."""
    shown = re.search(r'<textarea readonly id="curl"[^>]*>(.*?)</textarea>', page, re.S)[1]
    return shlex.split(unescape(shown).replace("\\\n", " "))


def test_a_new_key_that_may_send_comes_with_a_command_that_sends(tenant):
    client = staff(tenant, Role.ADMIN)

    page = client.post(f"{KEYS}add/", key_form(tenant, scopes=["emails:send"])).content.decode()

    words = command_on(page)
    assert words[0] == "curl"
    assert f"X-API-Key: {key_on(page)}" in words
    assert any(word.endswith("/api/v1/emails/send") for word in words)
    assert set(json.loads(words[words.index("-d") + 1])) == {"to_address", "subject", "text"}


@pytest.mark.parametrize("scope", [one for one in SCOPES if one != "emails:send"])
def test_a_new_key_that_may_not_send_comes_with_a_command_that_it_may_do(tenant, scope):
    client = staff(tenant, Role.ADMIN)

    page = client.post(f"{KEYS}add/", key_form(tenant, scopes=[scope])).content.decode()

    words = command_on(page)
    assert words[:3] == ["curl", "-H", f"X-API-Key: {key_on(page)}"]
    answer = APIClient().get(urlsplit(words[3]).path, headers={"X-API-Key": key_on(page)})
    assert answer.status_code == 200


def test_a_new_key_is_shown_once_and_works(tenant):
    client = staff(tenant, Role.ADMIN)

    answer = client.post(f"{KEYS}add/", key_form(tenant, scopes=["emails:send", "emails:read"]))

    page = answer.content.decode()
    key = key_on(page)
    assert answer.status_code == 200
    assert 'data-copy="key"' in page
    assert "no-store" in answer["Cache-Control"]
    row = APIKey.objects.get()
    assert row.scopes == ["emails:send", "emails:read"]
    assert row.created_by.username == "admin-shop"
    client_of_key = APIClient(headers={"X-API-Key": key})
    assert client_of_key.get("/api/v1/nowhere").status_code == 404
    row.revoke(at=row.created_at)
    assert client_of_key.get("/api/v1/nowhere").status_code == 401


def test_a_new_key_is_kept_nowhere_else(tenant):
    client = staff(tenant, Role.ADMIN)

    answer = client.post(f"{KEYS}add/", key_form(tenant))

    key = key_on(answer.content.decode())
    row = APIKey.objects.get()
    kept = [str(dict(session.get_decoded())) for session in Session.objects.all()]
    kept += [str(vars(entry)) for entry in LogEntry.objects.all()]
    kept += [str(cookie) for cookie in client.cookies.values()]
    kept += [client.get(path).content.decode() for path in (KEYS, f"{KEYS}{row.pk}/change/")]
    kept += [str(vars(row)), client.get("/admin/").content.decode()]
    assert not any(key in text for text in kept)
    assert not any(row.digest in text for text in kept[:-2])


def test_everything_is_one_scope_whatever_else_is_ticked(client, tenant, root):
    client.post(f"{KEYS}add/", key_form(tenant, scopes=["emails:send", "*"]))

    assert APIKey.objects.get().scopes == ["*"]


@pytest.mark.parametrize(
    "bad",
    [
        {"scopes": ["emails:everything"]},
        {"scopes": []},
        {"rate": "fast"},
        {"mode": "both"},
        {"name": ""},
        {"expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(client, tenant, root, bad):
    answer = client.post(f"{KEYS}add/", key_form(tenant, **bad))

    assert answer.status_code == 200
    assert "sk_" not in answer.content.decode()
    assert not APIKey.objects.exists()


@pytest.mark.parametrize("path", [f"{TENANTS}add/", f"{KEYS}add/"])
def test_a_name_of_two_lines_is_refused_in_words(client, tenant, root, path):
    form = tenant_form(slug="new", is_active="on") | key_form(tenant)

    page = client.post(path, form | {"name": "Two\nlines"}).content.decode()

    assert "This is one line without control characters." in page
    assert not Tenant.objects.filter(slug="new").exists()
    assert not APIKey.objects.exists()


@pytest.mark.parametrize("name", ["Two\nlines", "Two\u2028lines"])
def test_a_command_takes_no_name_of_two_lines_either(tenant, name):
    with pytest.raises(Refused, match="control character"):
        services.create_tenant("new", name=name)
    with pytest.raises(Refused, match="control character"):
        services.issue_key(tenant=tenant, name=name, mode="live")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_lower_roles_see_keys_but_make_and_revoke_none(tenant, role):
    client = staff(tenant, role)
    row, _ = APIKey.issue(tenant=tenant, name="shop", mode="live")

    assert row.prefix in client.get(KEYS).content.decode()
    assert client.post(f"{KEYS}add/", key_form(tenant)).status_code == 403
    client.post(KEYS, {"action": "revoke", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.revoked_at is None
    assert APIKey.objects.count() == 1


def test_chosen_keys_are_revoked_at_once_and_counted(tenant, other_tenant):
    client = staff(tenant, Role.ADMIN)
    row, key = APIKey.issue(tenant=tenant, name="shop", mode="live")
    theirs, _ = APIKey.issue(tenant=other_tenant, name="other", mode="live")

    chosen = {"action": "revoke", "_selected_action": [row.pk, theirs.pk]}
    page = client.post(KEYS, chosen, follow=True).content.decode()

    assert "1 key was revoked" in page
    assert APIClient(headers={"X-API-Key": key}).get("/api/v1/nowhere").status_code == 401
    theirs.refresh_from_db()
    assert theirs.revoked_at is None


def test_a_key_is_never_changed_or_deleted_not_even_by_a_superuser(client, tenant, root):
    row, _ = APIKey.issue(tenant=tenant, name="shop", mode="live")

    assert client.post(f"{KEYS}{row.pk}/change/", key_form(tenant, name="x")).status_code == 403
    assert client.post(f"{KEYS}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    row.refresh_from_db()
    assert row.name == "shop"


def test_a_superuser_creates_a_tenant_and_the_product_hears_of_it(client, root):
    heard = []

    def hear(sender, tenant, **kwargs):
        heard.append(tenant.slug)

    tenant_created.connect(hear)
    try:
        answer = client.post(
            f"{TENANTS}add/",
            {
                "name": "Shop",
                "slug": "shop",
                "language": "pt",
                "timezone": "America/Sao_Paulo",
                "track_opens": "on",
                "is_active": "on",
            },
        )
    finally:
        tenant_created.disconnect(hear)

    assert answer.status_code == 302
    tenant = Tenant.objects.get()
    assert (tenant.slug, tenant.timezone, tenant.track_clicks) == (
        "shop",
        "America/Sao_Paulo",
        False,
    )
    assert heard == ["shop"]


def tenant_form(**fields):
    return {"name": "Renamed", "language": "pt", "timezone": "Europe/Lisbon", **fields}


def test_an_owner_sets_up_his_tenant_but_neither_slug_nor_end(tenant):
    client = staff(tenant, Role.OWNER)

    client.post(f"{TENANTS}{tenant.pk}/change/", tenant_form(slug="x", never_twice="on"))

    tenant.refresh_from_db()
    assert (tenant.name, tenant.slug) == ("Renamed", "shop")
    assert tenant.never_twice
    assert tenant.is_active
    assert client.get(f"{TENANTS}add/").status_code == 403
    assert client.post(f"{TENANTS}{tenant.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.ADMIN])
def test_lower_roles_change_neither_tenant_nor_members(tenant, role):
    client = staff(tenant, role)
    user = User.objects.get()
    own = Membership.objects.get(user=user)
    User.objects.create_user("new")

    answers = [
        client.post(f"{TENANTS}{tenant.pk}/change/", tenant_form()),
        client.post(f"{MEMBERS}{own.pk}/change/", {"tenant": tenant.pk, "role": "owner"}),
        client.post(f"{MEMBERS}add/", {"tenant": tenant.pk, "username": "new", "role": "owner"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    own.refresh_from_db()
    assert own.role == role


def test_an_owner_adds_raises_and_removes_members(tenant):
    client = staff(tenant, Role.OWNER)
    new = User.objects.create_user("new", is_staff=True)

    client.post(f"{MEMBERS}add/", {"tenant": tenant.pk, "username": "new", "role": "viewer"})
    row = Membership.objects.get(user=new)
    assert row.role == Role.VIEWER
    client.post(f"{MEMBERS}{row.pk}/change/", {"role": "editor"})
    row.refresh_from_db()
    assert row.role == Role.EDITOR
    client.post(f"{MEMBERS}{row.pk}/delete/", {"post": "yes"})
    assert not Membership.objects.filter(user=new).exists()


def test_a_user_made_in_the_admin_and_made_a_member_signs_in_and_has_an_address(
    client, tenant, root
):
    password = "correct-horse-battery"
    form = {"username": "ana", "email": "ana@shop.test", "usable_password": "true"}
    made = client.post(f"{USERS}add/", form | {"password1": password, "password2": password})
    assert made.status_code == 302, made.context["errors"]

    client.post(f"{MEMBERS}add/", {"tenant": tenant.pk, "username": "ana", "role": "viewer"})

    browser = Client()
    assert browser.login(username="ana", password=password)
    assert browser.get("/admin/logs/emaillog/").status_code == 200
    assert 'name="email"' in client.get(f"{USERS}add/").content.decode()
    assert "ana@shop.test" in client.get(USERS).content.decode()


def test_an_owner_can_neither_lower_nor_remove_himself(tenant):
    client = staff(tenant, Role.OWNER)
    user = User.objects.get()
    own = Membership.objects.get(user=user)

    client.post(f"{MEMBERS}{own.pk}/change/", {"role": "viewer"})
    client.post(f"{MEMBERS}{own.pk}/delete/", {"post": "yes"})
    client.post(MEMBERS, {"action": "delete_selected", "_selected_action": [own.pk], "post": "yes"})

    own.refresh_from_db()
    assert own.role == Role.OWNER


def test_a_tenants_last_owner_keeps_the_role_even_from_a_superuser(client, tenant, root):
    member = Membership.objects.create(tenant=tenant, user=root, role=Role.OWNER)

    page = client.post(f"{MEMBERS}{member.pk}/change/", {"role": "viewer"}).content.decode()

    assert "last owner; name another first." in unescape(page)
    member.refresh_from_db()
    assert member.role == Role.OWNER


def test_a_tenants_last_owner_is_not_removed_alone_nor_with_others(client, tenant, root):
    member = Membership.objects.create(tenant=tenant, user=root, role=Role.OWNER)
    other = Membership.objects.create(tenant=tenant, user=User.objects.create_user("ana"))
    chosen = {"action": "delete_selected", "_selected_action": [member.pk, other.pk]}

    alone = client.post(f"{MEMBERS}{member.pk}/delete/", {"post": "yes"}).content.decode()
    together = client.post(MEMBERS, chosen | {"post": "yes"}).content.decode()

    for page in (alone, together):
        assert "Shop would be left without an owner; name another first." in page
    assert Membership.objects.filter(tenant=tenant).count() == 2


def test_an_owner_who_is_not_the_last_is_lowered_and_removed(client, tenant, root):
    members = [
        Membership.objects.create(
            tenant=tenant, user=User.objects.create_user(name), role=Role.OWNER
        )
        for name in ("ana", "rui", "eva")
    ]

    client.post(f"{MEMBERS}{members[0].pk}/change/", {"role": "viewer"})
    client.post(f"{MEMBERS}{members[1].pk}/delete/", {"post": "yes"})

    assert list(tenant.memberships.order_by("pk").values_list("user__username", "role")) == [
        ("ana", "viewer"),
        ("eva", "owner"),
    ]


def test_an_owner_adds_nobody_to_another_tenant(tenant, other_tenant):
    client = staff(tenant, Role.OWNER)
    user = User.objects.get()

    form = {"tenant": other_tenant.pk, "username": user.username, "role": "owner"}
    answer = client.post(f"{MEMBERS}add/", form)

    assert answer.status_code == 200
    assert not Membership.objects.filter(tenant=other_tenant).exists()


@pytest.mark.parametrize("name", ["nobody", "owner-shop"])
def test_an_unknown_user_and_a_member_are_refused_in_words(tenant, name):
    client = staff(tenant, Role.OWNER)

    form = {"tenant": tenant.pk, "username": name, "role": "viewer"}
    page = client.post(f"{MEMBERS}add/", form).content.decode()

    assert "There is no user of this name." in page or "is a member already" in page
    assert Membership.objects.count() == 1


def test_the_add_form_lists_no_users(tenant):
    client = staff(tenant, Role.OWNER)
    User.objects.create_user("somebody-else")

    assert "somebody-else" not in client.get(f"{MEMBERS}add/").content.decode()


@pytest.mark.parametrize("path", [KEYS, MEMBERS, TENANTS])
def test_50_rows_cost_as_many_queries_as_2(
    client, tenant, root, path, django_assert_max_num_queries
):
    for number in range(50):
        member = User.objects.create_user(f"user-{number}")
        Membership.objects.create(tenant=tenant, user=member)
        APIKey.issue(tenant=tenant, name=f"{number}", mode="test")
        Tenant.objects.create(slug=f"t{number}", name=f"T{number}")
    client.get(path)

    with django_assert_max_num_queries(12):
        assert client.get(path).status_code == 200


def test_stored_answers_are_not_in_the_admin(client, root):
    assert client.get("/admin/tenants/idempotencyrecord/").status_code == 404


def test_the_list_of_jobs_reads_none_of_the_rows_that_they_name(tenant):
    client = staff(tenant, Role.EDITOR)
    for _number in range(3):
        services.start_job("nobody.knows", tenant=tenant, created_by=None, params={"ids": [1]})

    with CaptureQueriesContext(connection) as queries:
        page = client.get("/admin/tenants/backgroundjob/")

    assert page.content.decode().count("nobody.knows") >= 3
    assert not [one["sql"] for one in queries if "params" in one["sql"]]
