"""Domains in the admin: what to publish in the DNS, what is there, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from common.errors import Conflict, Refused
from common.text import check_text
from domains import many, services
from domains.dns_checks import DomainReport, Verdict, described
from domains.dns_checks.report import DescribedRecord
from domains.models import DKIMKey, Domain
from domains.names import display_domain, normalize_domain
from tenants.admin_base import OneTenantForm, ReadOnlyInline, TenantAdmin
from tenants.admin_each import start_for_each
from tenants.models import Role

VERDICTS = {
    Verdict.OK: _("in order"),
    Verdict.WARNING: _("could be better"),
    Verdict.UNKNOWN: _("not known"),
    Verdict.MISSING: _("missing"),
    Verdict.WRONG: _("wrong"),
}
COLOURS = {
    Verdict.OK: "success",
    Verdict.WARNING: "warning",
    Verdict.UNKNOWN: "info",
    Verdict.MISSING: "danger",
    Verdict.WRONG: "danger",
}


@dataclass(frozen=True)
class Row:
    """One line of the table of records."""

    title: str
    record: DescribedRecord
    verdict: Promise
    colour: str


def rows_of(domain: Domain) -> list[Row]:
    """Return the last check's records in the reader's language; none before the first check."""
    if not domain.dns:
        return []
    report = described(cast("DomainReport", domain.dns))
    dkim = report["dkim"].get("keys") or [report["dkim"]]
    named = [("SPF", report["spf"]), *(("DKIM", key) for key in dkim)]
    named += [("DMARC", report["dmarc"]), ("MX", report["mx"])]
    return [row_of(title, record) for title, record in named]


def row_of(title: str, record: DescribedRecord) -> Row:
    verdict = Verdict(record["verdict"])
    return Row(title, record, verdict=VERDICTS[verdict], colour=COLOURS[verdict])


def verdict_column(record: str, *, title: str) -> Any:
    """Return a column of the list that shows one record's verdict as a badge."""

    def column(domain: Domain) -> tuple[Verdict, Promise] | None:
        if not domain.dns:
            return None
        verdict = Verdict(domain.dns[record]["verdict"])
        return verdict, VERDICTS[verdict]

    return display(description=title, label=COLOURS)(column)


def checked(text: str, *, check: Callable[[str], str], otherwise: Promise) -> str:
    """Return what ``check`` makes of ``text``, its refusal in the reader's language."""
    try:
        return check(text)
    except Refused as refusal:
        raise forms.ValidationError(str(otherwise)) from refusal


NO_NAME = _("This is not a domain name; write it like example.com.")


class DomainForm(OneTenantForm):
    """Refuses what the services would refuse, in the reader's language."""

    def clean_name(self) -> str:
        return checked(self.cleaned_data["name"], check=normalize_domain, otherwise=NO_NAME)

    def clean_description(self) -> str:
        return checked(
            self.cleaned_data["description"],
            check=lambda text: check_text(text, "description"),
            otherwise=_("This is one line without control characters."),
        )

    def clean_tracking_host(self) -> str:
        text: str = self.cleaned_data["tracking_host"]
        return checked(text, check=normalize_domain, otherwise=NO_NAME) if text else ""


class DKIMKeyInline(ReadOnlyInline):
    """The keys' public side; the private one is not even read."""

    model = DKIMKey
    fields = ["selector", "algorithm", "record", "verified", "created_at", "retired"]
    readonly_fields = fields
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[DKIMKey]:
        keys: QuerySet[DKIMKey] = super().get_queryset(request)
        return keys.select_related("domain").defer("private_key_encrypted")

    @admin.display(description=_("DNS record"))
    def record(self, key: DKIMKey) -> SafeString:
        return format_html(
            '<textarea readonly rows="4" class="font-mono text-xs w-96" aria-label="{}">{}'
            "</textarea>",
            str(key),
            key.public_record,
        )

    @admin.display(description=_("verified"))
    def verified(self, key: DKIMKey) -> SafeString:
        return states_of(key, "verified")

    @admin.display(description=_("retired at"))
    def retired(self, key: DKIMKey) -> SafeString:
        return states_of(key, "retired")


def states_of(key: DKIMKey, *states: str, in_place: bool = False) -> SafeString:
    """Return these states of a key, by an id each; ``in_place`` swaps those that a page shows."""
    shown = {"key": key, "states": states, "in_place": in_place}
    return render_to_string("admin/domains/domain/key_states.html", shown)


@admin.register(Domain)
class DomainAdmin(TenantAdmin):
    """Domains are added here, checked as often as one likes, and keep their names."""

    change_role = Role.ADMIN
    form = DomainForm
    list_display = [
        "shown_name",
        "tenant",
        "is_active",
        verdict_column("spf", title="SPF"),
        verdict_column("dkim", title="DKIM"),
        verdict_column("dmarc", title="DMARC"),
        verdict_column("mx", title="MX"),
        "dns_checked_at",
    ]
    list_filter = ["tenant", "is_active"]
    list_select_related = ["tenant"]
    list_per_page = 50
    search_fields = ["name", "description"]
    ordering = ["name"]
    actions = ["check_dns"]
    change_form_outer_before_template = "admin/domains/domain/records.html"

    # What is shown

    @admin.display(description=_("name"), ordering="name")
    def shown_name(self, domain: Domain) -> str:
        letters = display_domain(domain.name)
        return domain.name if letters == domain.name else f"{domain.name} ({letters})"

    def get_fields(self, request: HttpRequest, obj: Domain | None = None) -> list[str]:
        if obj is None:
            return ["tenant", "name", "description"]
        seen = ["created_at", "updated_at"]  # the card of records says when it was checked
        return ["tenant", "shown_name", "description", "is_active", "tracking_host", *seen]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "shown_name", "created_at", "updated_at"]

    def get_inlines(self, request: HttpRequest, obj: Domain | None) -> list[Any]:
        return [] if obj is None else [DKIMKeyInline]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        domain: Domain | None = kwargs.get("obj")
        if domain:
            context |= self._records(request, domain)
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def _records(self, request: HttpRequest, domain: Domain) -> dict[str, Any]:
        """Return what the card of DNS records shows."""
        current = domain.dkim_keys.current()
        signs = current.filter(is_verified=True).exists()
        return {
            "original": domain,
            "may_check": self.has_admin_permission(request, domain),
            "rows": rows_of(domain),
            "waiting_keys": signs and current.filter(is_verified=False).exists(),
        }

    # What is stored

    def save_model(self, request: HttpRequest, obj: Domain, form: Any, change: bool) -> None:
        if change:
            services.update_domain(obj, changes=form.cleaned_data)
            return
        made = services.create_domain(tenant=obj.tenant, name=obj.name, description=obj.description)
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: Domain) -> None:
        services.delete_domain(obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Accounts go with their domain, so domains are deleted one by one."""
        found = super().get_actions(request)
        return {name: action for name, action in found.items() if name != "delete_selected"}

    # Checks

    def get_urls(self) -> list[URLPattern]:
        check = self.admin_site.admin_view(self.check_view)
        new_keys = self.admin_site.admin_view(self.new_keys_view)
        inherited: list[URLPattern] = super().get_urls()
        return [
            path("<int:pk>/check", check, name="domains_domain_check"),
            path("<int:pk>/new-keys", new_keys, name="domains_domain_new_keys"),
            *inherited,
        ]

    @method_decorator(require_POST)
    def check_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        domain = self.row_to_act_on(request, pk, least=Role.ADMIN)
        try:
            checked = services.verify_domain(domain)
        except Conflict:
            return self._gone(request)
        if "HX-Request" in request.headers:
            return self._in_place(request, checked)
        self.message_user(request, _("Checked just now."), messages.SUCCESS)
        return redirect("admin:domains_domain_change", pk)

    def _in_place(self, request: HttpRequest, checked: Domain) -> HttpResponse:
        """Answer with the card, and with what the check made of the keys below it."""
        card = {**self._records(request, checked), "told": _("Checked just now.")}
        answer = render(request, "admin/domains/domain/records_card.html", card)
        for key in checked.dkim_keys.defer("private_key_encrypted"):
            answer.write(states_of(key, "verified", "retired", in_place=True))
        return answer

    @method_decorator(require_POST)
    def new_keys_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        domain = self.row_to_act_on(request, pk, least=Role.ADMIN)
        try:
            services.make_new_keys(domain)
            services.verify_domain(domain)
        except Conflict as conflict:
            if conflict.code != "exists":
                return self._gone(request)
            text = _("New keys were made already; publish their records and check again.")
            self.message_user(request, text, messages.WARNING)
        else:
            self.message_user(request, _("Checked just now."), messages.SUCCESS)
        return redirect("admin:domains_domain_change", pk)

    def _gone(self, request: HttpRequest) -> HttpResponse:
        """Go to the list, and say there that the domain was deleted meanwhile."""
        self.message_user(request, _("It was deleted meanwhile."), messages.WARNING)
        address = reverse("admin:domains_domain_changelist")
        if "HX-Request" in request.headers:
            return HttpResponse(headers={"HX-Redirect": address})
        return redirect(address)

    @admin.action(description=_("Check the DNS of the chosen domains"), permissions=["admin"])
    def check_dns(self, request: HttpRequest, rows: QuerySet[Domain]) -> HttpResponse | None:
        return start_for_each(self, request, rows, kind=many.CHECK)
