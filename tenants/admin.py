"""Tenants, their members and their API keys, for staff."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from common.errors import Refused
from common.text import check_text
from tenants import admin_jobs, invitations, services
from tenants.admin_base import OneTenantForm, TenantAdmin, person, user_of
from tenants.models import APIKey, Invitation, Membership, Mode, Role, Tenant
from tenants.scopes import ALL_SCOPES, SCOPES, covers

__all__ = ["admin_jobs"]
SEND = "emails:send"


class NamedForm(OneTenantForm):
    """Takes a name of one line."""

    def clean_name(self) -> str:
        try:
            return check_text(self.cleaned_data["name"], "name")
        except Refused as refusal:
            text = _("This is one line without control characters.")
            raise forms.ValidationError(text) from refusal


@admin.register(Tenant)
class TenantModelAdmin(TenantAdmin):
    """Superusers create tenants, owners set them up; a tenant is deactivated, never deleted."""

    tenant_path = "pk"
    change_role = Role.OWNER
    form = NamedForm
    list_display = ["name", "slug", "language", "timezone", "is_active", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["name", "slug"]
    fields = [
        "name",
        "slug",
        "language",
        "timezone",
        "track_opens",
        "track_clicks",
        "private_tracking",
        "content_days",
        "event_days",
        "never_twice",
        "is_active",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if request.user.is_superuser else ["slug", "is_active"]

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        if not change:
            obj.pk = services.create_tenant(obj.slug, name=obj.name).pk
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change=True)


class MembershipForm(OneTenantForm):
    """Names the user by typing, so that no list of the installation's users is shown."""

    username = forms.CharField(
        label=capfirst(_("user name")), max_length=150, widget=UnfoldAdminTextInputWidget()
    )

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise forms.ValidationError(_("There is no user of this name."))
        self.instance.user = user
        return name

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        tenant, user_id = cleaned.get("tenant"), self.instance.user_id
        if tenant and user_id and tenant.memberships.filter(user_id=user_id).exists():
            self.add_error("username", _("This user is a member already."))
        return cleaned


class RoleForm(OneTenantForm):
    """Leaves no tenant without an owner."""

    def clean_role(self) -> str:
        role: str = self.cleaned_data["role"]
        if role != Role.OWNER and services.ownerless_without([self.instance]):
            raise forms.ValidationError(_("This is the tenant's last owner; name another first."))
        return role


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    """Owners say who belongs to their tenant; nobody changes his own place, and an owner stays."""

    change_role = Role.OWNER
    list_display = ["user", "tenant", "role", "created_at"]
    list_filter = ["tenant", "role"]
    list_select_related = ["user", "tenant"]
    search_fields = ["user__username", "user__email"]
    fields = ["tenant", "member", "role"]
    readonly_fields = ["member"]
    member = person("user", label=_("user"))

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> list[str]:
        return ["tenant", "username", "role"] if obj is None else self.fields

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        kwargs["form"] = MembershipForm if obj is None else RoleForm
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not self._is_own(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not self._is_own(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Refuse to delete any of them where a tenant would be left without an owner."""
        if tenants := services.ownerless_without(objs):
            text = _("%(tenant)s would be left without an owner; name another first.")
            return [], {}, set(), [text % {"tenant": one} for one in tenants]
        return super().get_deleted_objects(objs, request)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        """Store it, and let the member sign in here."""
        super().save_model(request, obj, form, change)
        invitations.let_in(obj.user)

    @staticmethod
    def _is_own(request: HttpRequest, obj: Any) -> bool:
        if request.user.is_superuser or not isinstance(obj, Membership):
            return False
        return obj.user_id == request.user.pk


class InvitationForm(OneTenantForm):
    """Refuses to invite who is in already."""

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        tenant, address = cleaned.get("tenant"), cleaned.get("email")
        if tenant and tenant.memberships.filter(user__email__iexact=address).exists():
            self.add_error("email", _("This person is a member already."))
        return cleaned


@admin.register(Invitation)
class InvitationAdmin(TenantAdmin):
    """Owners invite by mail; an open invitation can be withdrawn or sent again."""

    change_role = Role.OWNER
    form = InvitationForm
    list_display = ["email", "tenant", "role", "state", "invited_by", "created_at", "expires_at"]
    list_filter = ["tenant", "role"]
    list_select_related = ["tenant", "invited_by"]
    search_fields = ["email"]
    ordering = ["-created_at"]
    fields = ["tenant", "email", "role"]
    actions = ["send_again"]

    @display(  # type: ignore[untyped-decorator]  # unfold has no types
        description=_("state"),
        label={"open": "info", "unmailed": "warning", "accepted": "success", "expired": "warning"},
    )
    def state(self, invitation: Invitation) -> tuple[str, Any]:
        if invitation.accepted_at:
            return "accepted", pgettext_lazy("state of an invitation", "accepted")
        if invitation.expires_at <= timezone.now():
            return "expired", pgettext_lazy("state of an invitation", "expired")
        if invitation.mailed_at is None:
            return "unmailed", pgettext_lazy("state of an invitation", "not mailed yet")
        return "open", pgettext_lazy("state of an invitation", "open")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        made = invitations.invite(
            obj.email,
            tenant=obj.tenant,
            role=obj.role,
            by=user_of(request),
            at=timezone.now(),
        )
        obj.pk = made.pk

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:
        """Go back to the list, which Django leaves to who may change its rows."""
        super().response_delete(request, obj_display, obj_id)
        return redirect("admin:tenants_invitation_changelist")

    @admin.action(description=_("Send the chosen invitations again"), permissions=["owner"])
    def send_again(self, request: HttpRequest, rows: QuerySet[Invitation]) -> None:
        unanswered = list(rows.filter(accepted_at=None).select_related("tenant"))
        for row in unanswered:
            invitations.invite(
                row.email,
                tenant=row.tenant,
                role=row.role,
                by=user_of(request),
                at=timezone.now(),
            )
        count = len(unanswered)
        text = ngettext(
            "%(count)d invitation was sent again.", "%(count)d invitations were sent again.", count
        )
        self.message_user(request, text % {"count": count}, messages.SUCCESS)


class KeyForm(NamedForm):
    """What a new key may do."""

    scopes = forms.MultipleChoiceField(
        label=capfirst(_("scopes")),
        choices=[(ALL_SCOPES, _("everything")), *((scope, scope) for scope in SCOPES)],
        initial=[ALL_SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError(_("This time has passed."))
        return expires_at


@admin.register(APIKey)
class APIKeyAdmin(TenantAdmin):
    """Keys are made and revoked, never changed; the new key is on one answer only."""

    change_role = Role.ADMIN
    list_display = [
        "prefix",
        "name",
        "tenant",
        "mode",
        "scope_list",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    list_filter = ["tenant", "mode"]
    list_select_related = ["tenant"]
    search_fields = ["name", "prefix"]
    fields = ["tenant", "name", "mode", "scopes", "rate", "expires_at"]
    actions = ["revoke"]
    maker = person("created_by", label=_("created by"))

    @admin.display(description=_("scopes"))
    def scope_list(self, key: APIKey) -> str:
        return ", ".join(key.scopes)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: APIKey | None = None) -> list[str]:
        seen = ["prefix", "maker", "created_at", "last_used_at", "revoked_at"]
        return [*self.fields, *(seen if obj else [])]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Any]]:
        if obj is None:
            kwargs["form"] = KeyForm
        return super().get_form(request, obj, change, **kwargs)

    def save_model(self, request: HttpRequest, obj: APIKey, form: Any, change: bool) -> None:
        chosen = form.cleaned_data["scopes"]
        row, key = services.issue_key(
            tenant=obj.tenant,
            name=obj.name,
            mode=obj.mode,
            scopes=[ALL_SCOPES] if ALL_SCOPES in chosen else chosen,
            rate=obj.rate,
            expires_at=obj.expires_at,
            created_by=user_of(request),
        )
        obj.pk, obj.prefix = row.pk, row.prefix
        request._issued_key = key  # type: ignore[attr-defined]  # for this answer only

    def response_add(
        self, request: HttpRequest, obj: APIKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key in this very answer; it is kept nowhere, so no redirect could show it."""
        key: str = request._issued_key  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": _("The new key"),
            "opts": self.opts,
            "name": obj.name,
            "key": key,
            "curl": curl_with(key, scopes=obj.scopes),
            "may_send": covers(obj.scopes, SEND),
            "is_test": obj.mode == Mode.TEST,
        }
        return TemplateResponse(request, "admin/tenants/apikey/issued.html", context)

    @admin.action(description=_("Revoke the chosen keys"), permissions=["admin"])
    def revoke(self, request: HttpRequest, keys: QuerySet[APIKey]) -> None:
        usable = list(keys.filter(revoked_at=None))
        for key in usable:
            key.revoke(at=timezone.now())
        text = ngettext("%(count)d key was revoked.", "%(count)d keys were revoked.", len(usable))
        self.message_user(request, text % {"count": len(usable)}, messages.SUCCESS)


READS = {
    "emails:read": "/logs",
    "domains:write": "/domains",
    "accounts:write": "/accounts",
    "templates:write": "/templates",
    "suppressions:write": "/suppressions",
    "webhooks:write": "/webhooks",
    "triage:process": "/emails",
    "triage:read": "/emails",
    "prompts:write": "/prompts",
    "inbound:write": "/inbound",
    "analytics:read": "/analytics/delivery",
}
"""What each scope reads."""


def curl_with(key: str, *, scopes: Collection[str]) -> str:
    """Return a command that tries the key out: it sends where that may, else reads what it may."""
    api = f"{settings.PUBLIC_URL}/api/v1"
    if not covers(scopes, SEND):
        path = next(path for scope, path in READS.items() if covers(scopes, scope))
        return f"curl -H 'X-API-Key: {key}' {api}{path}"
    message = {"to_address": "you@example.com", "subject": "Hello", "text": "It works."}
    return (
        f"curl {api}/emails/send \\\n"
        f"  -H 'X-API-Key: {key}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps(message)}'"
    )
