"""Accounts for staff: set up, tried out and switched on and off, their passwords never shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts import last_try, many, rules, services
from accounts.last_try import LastTry
from accounts.models import EmailAccount
from accounts.presets import PRESETS
from accounts.stages import STAGES, failure_in_words
from common.errors import Conflict, Refused, RefusedTogether
from common.smtp import ProbeResult, Stage, as_text, in_words
from tenants.admin_base import OneTenantForm, TenantAdmin
from tenants.admin_each import start_for_each
from tenants.models import Role

PER = {
    "limit_per_second": _("s"),
    "limit_per_minute": _("min"),
    "limit_per_hour": _("h"),
    "limit_per_day": _("day"),
}


AGAIN = _("Enter the password again.")
WORDS = {"passed": _("passed"), "failed": _("failed"), "open": _("not reached")}


def stages_of(result: ProbeResult, *, account: EmailAccount) -> Iterator[dict[str, Any]]:
    """Yield what a test passed, where it failed and what it did not reach, in their order."""
    is_plain = not account.use_tls and not account.use_ssl
    state = "passed"
    for stage, name in STAGES.items():
        if stage is Stage.TLS and is_plain:
            continue
        if stage is result.stage and not result.ok:
            state = "failed"
        yield {"name": name, "state": state, "word": WORDS[state]}
        if state == "failed":
            state = "open"


def shown_try(last: LastTry, *, account: EmailAccount) -> dict[str, Any]:
    """Return what the page shows of the last test or refusal."""
    return {
        "last": last,
        "zone": account.tenant.zone,
        "detail": in_words(last.result.detail),
        "stages": list(stages_of(last.result, account=account)),
        "dialogue": as_text(last.result.dialogue),
    }


class PasswordInput(UnfoldAdminPasswordWidget):  # type: ignore[misc]  # unfold has no types
    """Never gives a password back; a form that comes back says beside it that one was typed."""

    was_typed = False

    def __init__(self) -> None:
        super().__init__(attrs={"autocomplete": "new-password"}, render_value=False)

    def render(self, name: str, *args: Any, **kwargs: Any) -> SafeString:
        shown: SafeString = super().render(name, *args, **kwargs)
        if not self.was_typed:
            return shown
        return format_html('{}<input type="hidden" name="{}" value="on">', shown, typed(name))


def typed(name: str) -> str:
    """Return the name of the field that tells of a password typed before."""
    return f"{name}_typed"


def password_field(label: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        strip=False,
        max_length=rules.SECRET_LENGTH,
        widget=PasswordInput(),
    )


def password_hint(account: EmailAccount, name: str) -> Any:
    """Return what an empty field means; of a new account it is nothing special."""
    if account._state.adding:
        return ""
    if getattr(account, f"{name}_encrypted"):
        return _("A password is stored; empty: it stays.")
    return _("No password is stored.")


class AccountForm(OneTenantForm):
    """Asks the same rules as the API, and for a password again that a wrong form has lost."""

    smtp_password = password_field(_("SMTP password"))
    imap_password = password_field(_("IMAP password"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self._secrets():
            self.fields[name].help_text = password_hint(self.instance, name)
            given = self.data.get(name) or self.data.get(typed(name))
            self.fields[name].widget.was_typed = bool(given)

    def _secrets(self) -> list[str]:
        return [name for name in rules.SECRETS if name in self.fields]

    def full_clean(self) -> None:
        """Look at the passwords last: any error of the form loses those that were typed."""
        super().full_clean()
        if not self.is_bound:
            return
        for name in filter(self._lacks, self._secrets()):
            self.add_error(name, AGAIN)
        if self.errors:
            self._ask_again()

    def _lacks(self, name: str) -> bool:
        """Tell whether a new account would be stored without the password that was meant."""
        user = self.data.get(name.replace("password", "username"))
        was_typed = self.data.get(typed(name)) and not self.data.get(name)
        return bool(self.instance.pk is None and user and was_typed)

    def _ask_again(self) -> None:
        for name in self._secrets():
            if self.data.get(name) and name not in self.errors:
                self.add_error(name, AGAIN)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors:
            self._check()
        return cleaned

    def given(self) -> dict[str, Any]:
        """Return what was entered, in the contract's names; of a stored account the changes."""
        names = self.changed_data if self.instance.pk else self.fields
        values = {name: self.cleaned_data[name] for name in names}
        for name, key in (("domain", "name"), ("fallback_account", "pk")):
            if values.get(name) is not None:
                values[name] = getattr(values[name], key)
        return values

    def _check(self) -> None:
        try:
            if self.instance.pk:
                rules.apply(EmailAccount.objects.get(pk=self.instance.pk), self.given())
            else:
                tenant = self.cleaned_data["domain"].tenant
                services.draft_account(tenant=tenant, fields=self.given())
        except RefusedTogether as error:
            self._show(error.refusals)
        except Refused as refusal:
            self._show([refusal])

    def _show(self, refusals: Iterable[Refused]) -> None:
        for refusal in refusals:
            self.add_error(refusal.attr if refusal.attr in self.fields else None, refusal.detail)


@admin.register(EmailAccount)
class AccountAdmin(TenantAdmin):
    """Saving goes through the services, so a new way to connect switches the account off."""

    tenant_path = "domain__tenant"
    change_role = Role.ADMIN
    form = AccountForm
    list_display = [
        "email_address",
        "domain",
        "server",
        "is_active",
        "is_default_account",
        "because",
        "last_used",
        "limits",
    ]
    list_filter = ["domain", "is_active"]
    list_select_related = ["domain"]
    search_fields = ["email_address", "display_name", "smtp_server"]
    ordering = ["email_address"]
    autocomplete_fields = ["domain", "fallback_account"]
    readonly_fields = ["is_active", "is_default_account", "because", "paused_at", "last_used"]
    actions = ["test_connection", "activate", "deactivate", "pause", "resume", "make_default"]
    change_form_outer_before_template = "admin/accounts/emailaccount/connection.html"

    class Media:
        css: ClassVar = {"all": ["accounts/account.css"]}
        js = ("accounts/presets.js", "accounts/unsaved.js")

    fieldsets = [
        (None, {"fields": ["domain", "email_address", "display_name"]}),
        (
            _("State"),
            {
                "fields": [
                    "is_active",
                    "is_default_account",
                    "because",
                    "paused_at",
                    "last_used",
                ]
            },
        ),
        (
            _("Sending"),
            {
                "fields": [
                    "smtp_server",
                    "smtp_port",
                    "smtp_username",
                    "smtp_password",
                    "use_tls",
                    "use_ssl",
                    "allow_plaintext",
                ]
            },
        ),
        (
            _("Limits"),
            {
                "fields": [
                    "max_connections",
                    "limit_per_second",
                    "limit_per_minute",
                    "limit_per_hour",
                    "limit_per_day",
                    "warmup_start",
                    "warmup_growth",
                    "warmup_ceiling",
                    "fallback_account",
                ]
            },
        ),
        (
            _("Reading"),
            {
                "fields": [
                    "reads_mail",
                    "imap_server",
                    "imap_port",
                    "imap_username",
                    "imap_password",
                    "imap_use_ssl",
                    "imap_folder",
                    "bounce_address",
                ]
            },
        ),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Leave the passwords out for who may only look: what is no form field shows its value."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [
            (title, {"fields": [name for name in options["fields"] if name not in rules.SECRETS]})
            for title, options in self.fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.readonly_fields, *(rules.FIXED if obj is not None else ())]

    # Columns

    @admin.display(description=_("paused because"), ordering="paused_reason")
    def because(self, account: EmailAccount) -> str:
        return account.paused_because

    @admin.display(description=_("server"), ordering="smtp_server")
    def server(self, account: EmailAccount) -> str:
        return f"{account.smtp_server}:{account.smtp_port}"

    @admin.display(description=_("default"), boolean=True)
    def is_default_account(self, account: EmailAccount) -> bool:
        return account.is_default

    @admin.display(description=_("limits"))
    def limits(self, account: EmailAccount) -> str:
        set_ones = [(getattr(account, name), unit) for name, unit in PER.items()]
        return " · ".join(f"{count}/{unit}" for count, unit in set_ones if count is not None)

    # Saving and deleting

    def save_model(
        self, request: HttpRequest, obj: EmailAccount, form: AccountForm, change: bool
    ) -> None:
        if not change:
            obj.pk = self._create(form).pk
        else:
            self._update(request, obj, form.given())
        obj.refresh_from_db()

    def _create(self, form: AccountForm) -> EmailAccount:
        """Store it; a tenant's first one is its default, so that what needs one just works."""
        tenant = form.cleaned_data["domain"].tenant
        is_first = not EmailAccount.objects.for_tenant(tenant).exists()
        fields = form.given() | {"is_default": is_first}
        return services.create_account(tenant=tenant, fields=fields)

    def _update(self, request: HttpRequest, obj: EmailAccount, changes: dict[str, Any]) -> None:
        row = services.update_account(obj, changes=changes)
        if obj.is_active and not row.is_active:
            text = _("The account now connects differently, so it is off until it is activated.")
            self.message_user(request, text, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: EmailAccount) -> None:
        services.delete_account(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[EmailAccount]) -> None:
        for account in queryset:
            services.delete_account(account)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_told(
            request, lambda: super(AccountAdmin, self).changeform_view(request, *args, **kwargs)
        )

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_told(
            request, lambda: super(AccountAdmin, self).changelist_view(request, *args, **kwargs)
        )

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_told(
            request, lambda: super(AccountAdmin, self).delete_view(request, *args, **kwargs)
        )

    def _or_told(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """Return the view's answer; tell the user where somebody else was faster."""
        try:
            return view()
        except (Refused, Conflict):
            text = _("Somebody else changed this at the same moment. Please look again.")
            self.message_user(request, text, messages.ERROR)
            return redirect("admin:accounts_emailaccount_changelist")

    # The same actions on the account's own page

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.switch_view)
        inherited: list[URLPattern] = super().get_urls()
        name = "accounts_emailaccount_switch"
        return [path("<int:pk>/switch/<slug:action>", view, name=name), *inherited]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        account: EmailAccount | None = kwargs.get("obj")
        may = account is None or self.has_admin_permission(request, account)
        if may:
            context["presets"] = PRESETS
            context["preset_values"] = [preset.values() for preset in PRESETS]
        if account is not None:
            context["switches"] = list(self._switches(account)) if may else []
            context["may_pause"] = may and account.paused_at is None
            if last := last_try.of(account):
                context["tried"] = shown_try(last, account=account)
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def _switches(self, account: EmailAccount) -> Iterator[tuple[str, Any]]:
        """Yield the actions that would change something now; to pause has a form of its own."""
        applies = {
            "activate": not account.is_active,
            "deactivate": account.is_active,
            "pause": False,
            "resume": account.paused_at is not None,
            "make_default": not account.is_default,
        }
        for name in self.actions:
            if applies.get(name, True):
                yield name, getattr(self, name).short_description

    @method_decorator(require_POST)
    def switch_view(self, request: HttpRequest, pk: int, action: str) -> HttpResponse:
        """Run one of the list's actions on this account."""
        account = self.row_to_act_on(request, pk, least=Role.ADMIN)
        if action not in self.actions:
            raise Http404
        if action == "test_connection" and request.headers.get("HX-Request"):
            result = services.test_and_resume(account)
            last = LastTry(result, at=timezone.now(), is_test=True)
            shown = {"tried": shown_try(last, account=account)}
            answer = render(request, "admin/accounts/emailaccount/test_result.html", shown)
            if result.ok and account.paused_at is not None:
                answer["HX-Refresh"] = "true"  # the pause is over
            return answer
        self._switch(request, account, action)
        return redirect("admin:accounts_emailaccount_change", pk)

    def _switch(self, request: HttpRequest, account: EmailAccount, action: str) -> None:
        """Do at once what of many accounts is a job: a person waits for one test."""
        match action:
            case "test_connection":
                self._test(request, account)
            case "activate":
                done = _("%(account)s is active.")
                self._each(request, [account], services.activate, done=done)
            case "resume":
                self._each(request, [account], services.resume, done=_("%(account)s goes on."))
            case _:
                getattr(self, action)(request, self.get_queryset(request).filter(pk=account.pk))

    def _test(self, request: HttpRequest, account: EmailAccount) -> None:
        result = services.test_and_resume(account)
        if result.ok:
            text = _("%(account)s works.") % {"account": account}
            self.message_user(request, text, messages.SUCCESS)
        else:
            text = failure_in_words(account, services.failed(result).detail)
            self.message_user(request, text, messages.ERROR)

    # Actions

    @admin.action(description=_("Test the connection"), permissions=["admin"])
    def test_connection(
        self, request: HttpRequest, rows: QuerySet[EmailAccount]
    ) -> HttpResponse | None:
        return start_for_each(self, request, rows, kind=many.TEST)

    @admin.action(description=_("Activate, after a test"), permissions=["admin"])
    def activate(self, request: HttpRequest, rows: QuerySet[EmailAccount]) -> HttpResponse | None:
        return start_for_each(self, request, rows, kind=many.ACTIVATION)

    @admin.action(description=_("Deactivate"), permissions=["admin"])
    def deactivate(self, request: HttpRequest, rows: QuerySet[EmailAccount]) -> None:
        self._each(request, rows, services.deactivate, done=_("%(account)s is off."))

    @admin.action(description=_("Pause"), permissions=["admin"])
    def pause(self, request: HttpRequest, rows: QuerySet[EmailAccount]) -> None:
        """Hold the mail; the reason names who did it, for colleagues and the API's clients."""
        reason = _("Paused by %(user)s.") % {"user": request.user.get_username()}
        if given := " ".join(request.POST.get("reason", "").split()):
            reason = f"{reason} {given}"
        verb = partial(services.pause, reason=reason, at=timezone.now())
        self._each(request, rows, verb, done=_("%(account)s is paused."))

    @admin.action(description=_("Resume"), permissions=["admin"])
    def resume(self, request: HttpRequest, rows: QuerySet[EmailAccount]) -> HttpResponse | None:
        paused = rows.exclude(paused_at=None)
        return start_for_each(self, request, paused, kind=many.RESUMPTION)

    @admin.action(description=_("Make it the default"), permissions=["admin"])
    def make_default(self, request: HttpRequest, rows: QuerySet[EmailAccount]) -> None:
        done = _("%(account)s is the default now.")
        self._each(request, rows, services.set_default, done=done)

    def _each(
        self,
        request: HttpRequest,
        rows: Iterable[EmailAccount],
        verb: Callable[[EmailAccount], EmailAccount],
        *,
        done: Any,
    ) -> None:
        for account in rows:
            try:
                verb(account)
            except (Refused, Conflict) as error:
                text = failure_in_words(account, error.detail)
                self.message_user(request, text, messages.ERROR)
            else:
                self.message_user(request, done % {"account": account}, messages.SUCCESS)
