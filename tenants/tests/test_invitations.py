"""Asking people in by mail: who may, what the link does, once and for a week."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from tenants import invitations
from tenants.models import Invitation, Membership, Role
from tests.staff import staff

pytestmark = pytest.mark.django_db
LIST = "/admin/tenants/invitation/"
GOOD = {"username": "rui", "password1": "quite-another-1", "password2": "quite-another-1"}


def invite(client, tenant, address="rui@example.com", role=Role.EDITOR):
    return client.post(
        f"{LIST}add/", {"tenant": tenant.pk, "email": address, "role": role}, follow=True
    )


def link_in_mail(**at) -> str:
    invitations.mail_waiting(at=timezone.now())
    return re.search(r"http://localhost:\d+(/admin/join/\S+)", mail.outbox[-1].body)[1]


def states(client) -> list[str]:
    """What the list says of each invitation."""
    shown = re.findall(r"field-state[^>]*>(.*?)</td>", client.get(LIST).content.decode(), re.S)
    return [" ".join(re.sub("<[^>]*>", "", text).split()) for text in shown]


def roles(tenant) -> dict[str, str]:
    return dict(tenant.memberships.values_list("user__username", "role"))


def test_a_newcomer_chooses_name_and_password_and_is_in_with_the_role(tenant):
    client = staff(tenant, Role.OWNER)
    invite(client, tenant)
    path, newcomer = link_in_mail(), Client()

    page = newcomer.get(path)
    joined = newcomer.post(path, GOOD)

    assert mail.outbox[-1].to == ["rui@example.com"]
    assert "Shop" in page.content.decode()
    assert joined["Location"] == "/admin/"
    assert roles(tenant)["rui"] == Role.EDITOR
    assert User.objects.get(username="rui").email == "rui@example.com"
    assert newcomer.get("/admin/").status_code == 200  # signed in
    assert Client().login(username="rui", password="quite-another-1")


def test_a_link_works_once(tenant):
    client = staff(tenant, Role.OWNER)
    invite(client, tenant)
    path = link_in_mail()
    Client().post(path, GOOD)

    again = Client().post(path, GOOD | {"username": "other"})

    assert again.status_code == 404
    assert not User.objects.filter(username="other").exists()


def test_who_signs_in_already_must_do_so_and_agree(tenant):
    known = User.objects.create_user("rui", "Rui@Example.com", "a-password-of-the-test")
    client = staff(tenant, Role.OWNER)
    invite(client, tenant)
    path, rui = link_in_mail(), Client()

    asked = rui.get(path)
    taken = Client().post(path, GOOD | {"username": "thief"})
    rui.force_login(known)
    rui.post(path)

    assert asked["Location"].startswith("/admin/login/?next=/admin/join/")
    assert taken["Location"].startswith("/admin/login/")
    assert roles(tenant)["rui"] == Role.EDITOR
    assert not User.objects.filter(username="thief").exists()


@pytest.mark.parametrize("is_known", [True, False])
def test_who_is_signed_in_as_somebody_else_is_told_and_signs_out_first(tenant, is_known):
    if is_known:
        User.objects.create_user("rui", "rui@example.com", "a-password-of-the-test")
    owner = staff(tenant, Role.OWNER)
    invite(owner, tenant)
    path = link_in_mail()

    told = owner.get(path).content.decode()
    owner.post(path, GOOD)
    left = owner.post("/admin/logout/", {"next": path})

    assert "You are signed in as owner-shop, and this invitation is for rui@example.com." in told
    assert f'name="next" value="{path}"' in told
    assert "rui" not in roles(tenant)
    assert left["Location"] == path
    assert ("username" in owner.get(path).content.decode()) is not is_known


@pytest.mark.parametrize("how", ["forged", "old", "withdrawn", "replaced"])
def test_a_link_that_is_not_open_lets_nobody_in(tenant, how):
    client = staff(tenant, Role.OWNER)
    invite(client, tenant)
    path = link_in_mail()
    row = Invitation.objects.get()
    if how == "forged":
        path = path[:-3] + ("AAA" if not path.endswith("AAA") else "BBB")
    elif how == "old":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "withdrawn":
        answer = client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
        assert answer["Location"] == LIST
    else:
        client.post(LIST, {"action": "send_again", "_selected_action": [row.pk]})

    assert Client().get(path).status_code == 404
    assert Client().post(path, GOOD).status_code == 404
    assert not User.objects.filter(username="rui").exists()


def test_a_weak_password_or_a_taken_name_is_told_and_the_link_stays(tenant):
    client = staff(tenant, Role.OWNER)
    owner = User.objects.get()
    invite(client, tenant)
    path = link_in_mail()

    weak = Client().post(path, GOOD | {"password1": "12345678", "password2": "12345678"})
    taken = Client().post(path, GOOD | {"username": owner.username})

    assert "too common" in weak.content.decode()
    assert "already exists" in taken.content.decode()
    assert Client().post(path, GOOD).status_code == 302


def test_only_owners_invite_and_only_into_their_own_tenant(tenant, other_tenant):
    client = staff(tenant, Role.ADMIN)
    assert invite(client, tenant).status_code == 403
    client = staff(other_tenant, Role.OWNER)
    invite(client, tenant)

    assert not Invitation.objects.exists()


def test_another_tenants_owner_sees_and_withdraws_none(tenant, other_tenant):
    client = staff(tenant, Role.OWNER)
    invite(client, tenant)
    row = Invitation.objects.get()
    client = staff(other_tenant, Role.OWNER)

    assert "rui@example.com" not in client.get(LIST).content.decode()
    client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
    assert Invitation.objects.exists()


def test_a_member_is_not_invited_again(tenant):
    client = staff(tenant, Role.OWNER)
    owner = User.objects.get()
    User.objects.filter(pk=owner.pk).update(email="olga@example.com")

    shown = invite(client, tenant, "Olga@example.com").content.decode()

    assert "a member already" in shown
    assert not Invitation.objects.exists()


def test_an_invitation_that_could_not_be_mailed_goes_later(tenant, settings):
    client = staff(tenant, Role.OWNER)
    invite(client, tenant)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert invitations.mail_waiting(at=timezone.now()) == 0

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert invitations.mail_waiting(at=timezone.now()) == 1
    assert invitations.mail_waiting(at=timezone.now()) == 0
    assert len(mail.outbox) == 1


def test_the_list_tells_an_invitation_that_was_not_mailed_from_an_open_one(tenant):
    client = staff(tenant, Role.OWNER)
    invite(client, tenant)
    waiting = states(client)

    invitations.mail_waiting(at=timezone.now())

    assert (waiting, states(client)) == (["not mailed yet"], ["open"])


@pytest.mark.parametrize(("language", "word"), [("pt", "aceite"), ("pt-br", "aceito")])
def test_an_accepted_invitation_is_told_in_number_and_gender(tenant, language, word):
    client = staff(tenant, Role.OWNER)
    invite(client, tenant)
    Invitation.objects.update(accepted_at=timezone.now())
    client.cookies["django_language"] = language

    assert states(client) == [word]


def test_an_existing_member_keeps_the_role(tenant):
    user = User.objects.create_user("rui", "rui@example.com")
    row = invitations.invite(
        "rui@example.com", tenant=tenant, role=Role.VIEWER, by=None, at=timezone.now()
    )
    Membership.objects.create(tenant=tenant, user=user, role=Role.ADMIN)

    invitations.join(row, user=user, at=timezone.now())

    assert roles(tenant) == {"rui": Role.ADMIN}
