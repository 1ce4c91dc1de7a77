"""Asking for a job on many messages: to write them to a file, to send or to cancel them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format, number_format
from django.utils.http import urlencode
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import EmailAccount
from logs import changing, exporting
from logs.admin.message_list import (
    FIRST_DAY,
    LAST_DAY,
    MODE,
    STATUS,
    TAG,
    MessageList,
    beginning,
    end,
)
from logs.models import EmailStatus
from logs.selection import CERTAIN
from templates_app.models import EmailTemplate
from tenants.admin_base import user_of
from tenants.models import Mode, Role, Tenant
from tenants.roles import tenants_of

LISTED = {
    "tenant": "tenant__id__exact",
    "status": STATUS,
    "mode": MODE,
    "account": "account__id__exact",
    "template": "template__id__exact",
    "tag": TAG,
    "first_day": FIRST_DAY,
    "last_day": LAST_DAY,
    "batch": "batch_id",
    "search": "q",
}
"""The form's fields, by the name that they have in the list's query."""


CHANGES: dict[str, tuple[str, EmailStatus, Any]] = {
    "again": (changing.RETRY, EmailStatus.FAILED, _("Send the failed ones again")),
    "now": (
        changing.RETRY,
        EmailStatus.QUEUED,
        _("Send the waiting ones now, those for later too"),
    ),
    "cancel": (changing.CANCEL, EmailStatus.QUEUED, _("Cancel the waiting ones")),
}
"""What the page offers: the job's kind, and the status of the messages that it is for."""


class DayInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold has no types
    """A day, chosen in the browser's own calendar."""

    input_type = "date"


class SelectionForm(forms.Form):
    """Which messages a job is for."""

    tenant = forms.ModelChoiceField(
        label=_("Tenant"), queryset=Tenant.objects.none(), widget=UnfoldAdminSelectWidget()
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
    tag = forms.CharField(
        label=_("Tag"),
        max_length=50,
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(),
    )
    first_day = forms.DateField(label=_("First day"), required=False, widget=DayInput())
    last_day = forms.DateField(label=_("Last day"), required=False, widget=DayInput())
    search = forms.CharField(
        label=_("Search"),
        max_length=200,
        required=False,
        help_text=_("Words of address or subject, or an id; every message is looked at."),
        widget=UnfoldAdminTextInputWidget(),
    )
    batch = forms.UUIDField(label=_("batch"), required=False, widget=forms.HiddenInput())

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
    def filters(self) -> dict[str, Any]:
        """What a valid form asks for, as the job keeps it."""
        given = self.cleaned_data
        first, last = given["first_day"], given["last_day"]
        return {
            "mode": given["mode"],
            "account": given["account"].pk if given["account"] else "",
            "template": given["template"].pk if given["template"] else "",
            "tag": given["tag"],
            "batch": str(given["batch"] or ""),
            "queued_after": beginning(first).isoformat() if first else "",
            "queued_before": end(last).isoformat() if last else "",
            "search": given["search"],
        }


class ExportForm(SelectionForm):
    """Which messages a file shall hold."""

    status = forms.ChoiceField(
        label=_("Status"),
        choices=[("", _("all")), *EmailStatus.choices],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ("tenant", "status")

    @property
    def filters(self) -> dict[str, Any]:
        return {**super().filters, "status": self.cleaned_data["status"]}


class ChangeForm(SelectionForm):
    """Which messages shall go out, or not."""

    change = forms.ChoiceField(
        label=_("What to do"),
        choices=[("", "–"), *((name, label) for name, (_k, _s, label) in CHANGES.items())],
        widget=UnfoldAdminSelectWidget(),
    )
    unknown = forms.BooleanField(
        label=_("Also failed ones that may have arrived"),
        required=False,
        help_text=_(
            "The connection broke while they went out, and nobody knows whether they were taken: "
            "sent again, some people get them twice."
        ),
        widget=UnfoldBooleanSwitchWidget(),
    )
    field_order = ("tenant", "change", "unknown")

    @property
    def filters(self) -> dict[str, Any]:
        change = self.cleaned_data["change"]
        _kind, status, _label = CHANGES[change]
        is_certain = change == "again" and not self.cleaned_data["unknown"]
        return {**super().filters, "status": status.value, CERTAIN: is_certain}

    @property
    def given(self) -> dict[str, str]:
        """What was posted, to be posted again."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}

    @property
    def chosen(self) -> list[tuple[Any, str]]:
        """What narrows the choice, in words."""
        return [
            (self[name].label, self._in_words(name))
            for name in self.given
            if name not in ("tenant", "change")
        ]

    def _in_words(self, name: str) -> str:
        value = self.cleaned_data[name]
        if isinstance(value, date):
            return date_format(value, "j M Y")
        if name == "mode":
            return str(Mode(value).label)
        return gettext("yes") if value is True else str(value)


Form = TypeVar("Form", bound=SelectionForm)


class MessageJobs(MessageList):
    """The pages that ask which messages, filled in with what the list shows."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        inherited: list[URLPattern] = super().get_urls()
        return [
            path("export/", view(self.export_view), name="logs_emaillog_export"),
            path("many/", view(self.many_view), name="logs_emaillog_many"),
            *inherited,
        ]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Ask which messages, and write them to a file as a job."""
        form = self._form(request, ExportForm)
        if not form.is_valid():
            texts = {
                "title": _("Export messages"),
                "explanation": _(
                    "A CSV file with one row for each message, without what it says. It is made "
                    "in the background and kept for 30 days."
                ),
                "verb": _("Export"),
            }
            return self._ask(request, form, texts)
        job = exporting.start_export(
            tenant=form.cleaned_data["tenant"], created_by=user_of(request), filters=form.filters
        )
        return redirect("admin:tenants_backgroundjob_change", job.pk)

    def many_view(self, request: HttpRequest) -> HttpResponse:
        """Ask which messages, and send or cancel them as a job."""
        form = self._form(request, ChangeForm)
        if not form.is_valid():
            texts = {
                "title": _("Send or cancel many messages"),
                "explanation": _(
                    "Every message that fits is sent or cancelled, not only those that the list "
                    "shows. It is done in the background; the next page shows how far it is, and "
                    "stops it."
                ),
                "verb": _("Next"),
            }
            return self._ask(request, form, texts)
        kind, _status, label = CHANGES[form.cleaned_data["change"]]
        if "sure" not in request.POST:
            return self._ask_again(request, form, title=label)
        job = changing.start_change(
            kind,
            tenant=form.cleaned_data["tenant"],
            created_by=user_of(request),
            filters=form.filters,
        )
        return redirect("admin:tenants_backgroundjob_change", job.pk)

    def _ask_again(self, request: HttpRequest, form: ChangeForm, *, title: Any) -> HttpResponse:
        """Tell how many messages it is about; nothing has begun."""
        most = changing.COUNTED
        count = changing.count(tenant=form.cleaned_data["tenant"], filters=form.filters)
        text = ngettext(
            "%(count)s message fits what was chosen.",
            "%(count)s messages fit what was chosen.",
            count,
        )
        if count > most:
            text = gettext("More than %(count)s messages fit what was chosen.")
        elif not count:
            text = gettext("No message fits what was chosen.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "said": text % {"count": number_format(min(count, most), force_grouping=True)},
            "form": form,
            "count": count,
            "back": f"?{urlencode({LISTED.get(name, name): v for name, v in form.given.items()})}",
        }
        return TemplateResponse(request, "logs/admin/many.html", context)

    def _ask(
        self, request: HttpRequest, form: SelectionForm, texts: Mapping[str, Any]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "back": _("Back to the messages"),
        }
        return TemplateResponse(request, "tenants/admin/job_form.html", {**context, **texts})

    def _form(self, request: HttpRequest, kind: type[Form]) -> Form:
        """Return the form, filled in where it was posted: asking by GET starts nothing."""
        if not self.has_editor_permission(request):
            raise PermissionDenied
        tenants = tenants_of(request.user, least=Role.EDITOR).order_by("name")
        listed = {name: request.GET.get(key, "") for name, key in LISTED.items()}
        listed["change"] = "again" if listed["status"] == EmailStatus.FAILED else ""
        form = kind(request.POST if request.method == "POST" else None, initial=listed)
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
