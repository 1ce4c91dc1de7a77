"""How a tenant's mail is sorted and answered, and what its staff know."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from ai_triage.models import AutoReplyRule, Snippet, TriageSettings
from common.addresses import parse_address
from common.errors import Refused
from common.text import check_text
from tenants.admin_base import OneTenantForm, TenantAdmin
from tenants.roles import LEAST_ROLE, Verb


class SettingsForm(OneTenantForm):
    """What goes into prompts and drafts is one line each, and an address is one."""

    def stored_values(self) -> dict[str, Any]:
        """Return the columns with the rules, which are changed on the same page."""
        rules = self.instance.rules.order_by("pk").values_list("pk", "email_type", "min_confidence")
        return {**super().stored_values(), "rules": list(rules)}

    def clean_company_name(self) -> str:
        return one_line(self.cleaned_data["company_name"])

    def clean_sector(self) -> str:
        return one_line(self.cleaned_data["sector"])

    def clean_support_address(self) -> str:
        given: str = self.cleaned_data["support_address"]
        try:
            return parse_address(given, attr="support_address").addr_spec if given else ""
        except Refused as refusal:
            raise forms.ValidationError(refusal.detail) from refusal


def one_line(text: str) -> str:
    try:
        return check_text(text, "")
    except Refused as refusal:
        raise forms.ValidationError(refusal.detail) from refusal


class RuleInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    """Types that are answered without a person; who may change the settings may set them."""

    model = AutoReplyRule
    extra = 0
    fields = ["email_type", "min_confidence"]
    verbose_name_plural = _("answered without a person")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    # Django asks for the role on the settings first.
    has_add_permission = has_change_permission = has_delete_permission = has_view_permission


@admin.register(TriageSettings)
class SettingsAdmin(TenantAdmin):
    """One row a tenant: it costs money and lets mail out, so it takes an administrator."""

    change_role = LEAST_ROLE[Verb.MANAGE_TRIAGE]
    form = SettingsForm
    inlines = [RuleInline]
    list_display = ["tenant", "company_name", "review_below", "daily_cost_limit"]
    list_select_related = ["tenant"]
    autocomplete_fields = ["reply_account"]
    fieldsets = [
        (
            _("Company"),
            {
                "description": _("As prompts and drafts name it."),
                "fields": [
                    "tenant",
                    "company_name",
                    "sector",
                    "support_address",
                    "signature",
                    "tone",
                ],
            },
        ),
        (_("Review and cost"), {"fields": ["review_below", "daily_cost_limit"]}),
        (_("Replies"), {"fields": ["reply_account", "automatic_per_hour"]}),
    ]


@admin.register(Snippet)
class SnippetAdmin(TenantAdmin):
    """What staff know, offered to the model where a mail asks something like it."""

    change_role = LEAST_ROLE[Verb.EDIT_PROMPTS]
    list_display = ["question", "valid_until", "created_by", "updated_at", "tenant"]
    list_filter = ["tenant", "valid_until"]
    list_select_related = ["tenant"]
    search_fields = ["question", "answer"]
    fields = ["tenant", "question", "answer", "valid_until"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Snippet]:
        snippets: QuerySet[Snippet] = super().get_queryset(request)
        return snippets.select_related("tenant")

    def save_model(self, request: HttpRequest, obj: Snippet, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)
