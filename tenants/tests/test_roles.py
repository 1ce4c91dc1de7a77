"""Who may do what in a tenant."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User

from tenants.models import Membership, Role
from tenants.roles import LEAST_ROLE, Verb, may, reaches, roles_of, tenants_of

pytestmark = pytest.mark.django_db

EDITING = {Verb.SEND, Verb.EDIT_TEMPLATES, Verb.EDIT_SUPPRESSIONS, Verb.EDIT_PROMPTS}
MANAGING = {Verb.MANAGE_DOMAINS, Verb.MANAGE_ACCOUNTS, Verb.MANAGE_KEYS, Verb.MANAGE_TRIAGE}
OWNING = {Verb.MANAGE_TENANT, Verb.MANAGE_MEMBERS}
TABLE = {
    Role.VIEWER: {Verb.VIEW},
    Role.EDITOR: {Verb.VIEW} | EDITING,
    Role.ADMIN: {Verb.VIEW} | EDITING | MANAGING,
    Role.OWNER: {Verb.VIEW} | EDITING | MANAGING | OWNING,
}


def member(tenant, role):
    user = User.objects.create_user(f"{role}", is_staff=True)
    Membership.objects.create(tenant=tenant, user=user, role=role)
    return user


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_what_the_table_says_and_nothing_elsewhere(tenant, other_tenant, role):
    user = member(tenant, role)

    assert {verb for verb in Verb if may(user, tenant=tenant, verb=verb)} == TABLE[role]
    assert not any(may(user, tenant=other_tenant, verb=verb) for verb in Verb)


def test_every_verb_has_its_least_role():
    assert set(LEAST_ROLE) == set(Verb)


def test_a_superuser_may_do_everything_everywhere(tenant, other_tenant):
    root = User.objects.create_superuser("root")

    assert all(may(root, tenant=other_tenant, verb=verb) for verb in Verb)
    assert roles_of(root) == {tenant.pk: Role.OWNER, other_tenant.pk: Role.OWNER}


def test_an_inactive_user_may_do_nothing(tenant):
    user = member(tenant, Role.OWNER)
    user.is_active = False

    assert not any(may(user, tenant=tenant, verb=verb) for verb in Verb)
    assert roles_of(user) == {}


def test_a_stranger_may_do_nothing(tenant):
    assert not may(AnonymousUser(), tenant=tenant, verb=Verb.VIEW)
    assert not tenants_of(User.objects.create_user("new"))


def test_no_role_reaches_nothing():
    assert not reaches(None, Role.VIEWER)
