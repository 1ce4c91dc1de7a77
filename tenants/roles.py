"""Who may do what in a tenant: one closed table of verbs and the least role of each."""

from __future__ import annotations

from enum import StrEnum

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User

from tenants.models import Membership, Role, Tenant, TenantQuerySet

Anybody = User | AbstractBaseUser | AnonymousUser
UPWARDS = (Role.VIEWER, Role.EDITOR, Role.ADMIN, Role.OWNER)


class Verb(StrEnum):
    VIEW = "view"
    SEND = "send"  # send, cancel, retry, reschedule
    EDIT_TEMPLATES = "edit_templates"
    EDIT_SUPPRESSIONS = "edit_suppressions"
    EDIT_PROMPTS = "edit_prompts"  # and their trials, and knowledge
    MANAGE_DOMAINS = "manage_domains"
    MANAGE_ACCOUNTS = "manage_accounts"
    MANAGE_KEYS = "manage_keys"
    MANAGE_TRIAGE = "manage_triage"
    MANAGE_TENANT = "manage_tenant"
    MANAGE_MEMBERS = "manage_members"


LEAST_ROLE: dict[Verb, Role] = {
    Verb.VIEW: Role.VIEWER,
    Verb.SEND: Role.EDITOR,
    Verb.EDIT_TEMPLATES: Role.EDITOR,
    Verb.EDIT_SUPPRESSIONS: Role.EDITOR,
    Verb.EDIT_PROMPTS: Role.EDITOR,
    Verb.MANAGE_DOMAINS: Role.ADMIN,
    Verb.MANAGE_ACCOUNTS: Role.ADMIN,
    Verb.MANAGE_KEYS: Role.ADMIN,
    Verb.MANAGE_TRIAGE: Role.ADMIN,
    Verb.MANAGE_TENANT: Role.OWNER,
    Verb.MANAGE_MEMBERS: Role.OWNER,
}


def reaches(role: str | None, least: Role) -> bool:
    """Tell whether ``role`` may do what ``least`` may; no role reaches nothing."""
    return role is not None and UPWARDS.index(Role(role)) >= UPWARDS.index(least)


def roles_of(user: Anybody) -> dict[int, Role]:
    """Return the user's role by tenant id; a superuser owns every tenant."""
    if not user.is_active:
        return {}
    if getattr(user, "is_superuser", False):
        return dict.fromkeys(Tenant.objects.values_list("pk", flat=True), Role.OWNER)
    rows = Membership.objects.filter(user_id=user.pk).values_list("tenant_id", "role")
    return {tenant_id: Role(role) for tenant_id, role in rows}


def tenants_of(user: Anybody, *, least: Role = Role.VIEWER) -> TenantQuerySet:
    """Return the tenants in which the user has at least this role."""
    if not user.is_active:
        return Tenant.objects.none()
    if getattr(user, "is_superuser", False):
        return Tenant.objects.all()
    enough = UPWARDS[UPWARDS.index(least) :]
    return Tenant.objects.filter(memberships__user_id=user.pk, memberships__role__in=enough)


def may(user: Anybody, *, tenant: Tenant, verb: Verb) -> bool:
    """Tell whether the user may do ``verb`` in ``tenant``."""
    return tenants_of(user, least=LEAST_ROLE[verb]).filter(pk=tenant.pk).exists()
