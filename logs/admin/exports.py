"""Asking for the listed messages as a file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import EmailAccount
from logs import exporting
from logs.admin.message_list import FIRST_DAY, LAST_DAY, MODE, STATUS, MessageList, beginning, end
from logs.models import EmailStatus
from templates_app.models import EmailTemplate
from tenants.models import Mode, Role, Tenant
from tenants.roles import tenants_of

LISTED = {
    "tenant": "tenant__id__exact",
    "status": STATUS,
    "mode": MODE,
    "account": "account__id__exact",
    "template": "template__id__exact",
    "first_day": FIRST_DAY,
    "last_day": LAST_DAY,
    "batch": "batch_id",
    "search": "q",
}
"""The form's fields, by the name that they have in the list's query."""


class ExportForm(forms.Form):
    """Which messages a file shall hold."""

    tenant = forms.ModelChoiceField(
        label=_("Tenant"), queryset=Tenant.objects.none(), widget=UnfoldAdminSelectWidget()
    )
    status = forms.ChoiceField(
        label=_("Status"),
        choices=[("", _("all")), *EmailStatus.choices],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    mode = forms.ChoiceField(
        label=_("Mode"),
        choices=[("", _("all")), *Mode.choices],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    account = forms.ModelChoiceField(
        label=_("Account"),
        queryset=EmailAccount.objects.none(),
        required=False,
        empty_label=_("all"),
        widget=UnfoldAdminSelectWidget(),
    )
    template = forms.ModelChoiceField(
        label=_("Template"),
        queryset=EmailTemplate.objects.none(),
        required=False,
        empty_label=_("all"),
        widget=UnfoldAdminSelectWidget(),
    )
    first_day = forms.DateField(
        label=_("First day"), required=False, widget=UnfoldAdminDateWidget()
    )
    last_day = forms.DateField(label=_("Last day"), required=False, widget=UnfoldAdminDateWidget())
    search = forms.CharField(
        label=_("Search"),
        max_length=200,
        required=False,
        help_text=_("Words of address or subject, or an id; every message is looked at."),
        widget=UnfoldAdminTextInputWidget(),
    )
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput())

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        tenant, first, last = (given.get(name) for name in ("tenant", "first_day", "last_day"))
        account, template = given.get("account"), given.get("template")
        if tenant and account and account.domain.tenant_id != tenant.pk:
            self.add_error("account", _("This belongs to another tenant."))
        if tenant and template and template.tenant_id != tenant.pk:
            self.add_error("template", _("This belongs to another tenant."))
        if first and last and first > last:
            self.add_error("first_day", _("The first day is after the last."))
        return given

    @property
    def filters(self) -> dict[str, str]:
        """What a valid form asks for, as the job keeps it."""
        given = self.cleaned_data
        first, last = given["first_day"], given["last_day"]
        return {
            "status": given["status"],
            "mode": given["mode"],
            "account": given["account"].pk if given["account"] else "",
            "template": given["template"].pk if given["template"] else "",
            "batch": str(given["batch"] or ""),
            "queued_after": beginning(first).isoformat() if first else "",
            "queued_before": end(last).isoformat() if last else "",
            "search": given["search"],
        }


class MessageExports(MessageList):
    """The page that asks which messages, filled in with what the list shows."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        inherited: list[URLPattern] = super().get_urls()
        return [path("export/", view, name="logs_emaillog_export"), *inherited]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Ask which messages, and write them to a file as a job."""
        if not self.has_editor_permission(request):
            raise PermissionDenied
        form = self._export_form(request)
        if form.is_bound and form.is_valid():
            job = exporting.start_export(
                tenant=form.cleaned_data["tenant"],
                created_by=request.user if isinstance(request.user, User) else None,
                filters=form.filters,
            )
            return redirect("admin:tenants_backgroundjob_change", job.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "title": _("Export messages"),
        }
        return TemplateResponse(request, "logs/admin/export.html", context)

    def _export_form(self, request: HttpRequest) -> ExportForm:
        """Return the form, filled in where it was posted: asking by GET starts nothing."""
        tenants = tenants_of(request.user, least=Role.EDITOR).order_by("name")
        listed = {name: request.GET.get(key, "") for name, key in LISTED.items()}
        form = ExportForm(request.POST if request.method == "POST" else None, initial=listed)
        own: dict[str, Any] = {
            "tenant": tenants,
            "account": EmailAccount.objects.filter(domain__tenant__in=tenants)
            .select_related("domain")
            .order_by("email_address"),
            "template": EmailTemplate.objects.filter(tenant__in=tenants)
            .only("name", "slug", "tenant")
            .order_by("name"),
        }
        for name, rows in own.items():
            form.fields[name].queryset = rows  # type: ignore[attr-defined]
        only = list(tenants[:2])
        if len(only) == 1:
            form.fields["tenant"].initial = form.initial["tenant"] = only[0].pk
            form.fields["tenant"].widget = forms.HiddenInput()
        return form
