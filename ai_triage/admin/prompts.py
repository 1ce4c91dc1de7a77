"""Prompts for staff: written here, checked as by the API, their versions read and compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextareaWidget

from ai_triage import prompting
from ai_triage.admin.tryouts import TryoutPages
from ai_triage.models import Experiment, Prompt, PromptVersion
from common.differences import Change, differences
from common.errors import Conflict
from tenants.admin_versions import (
    LINK,
    VersionedAdmin,
    VersionedForm,
    VersionInline,
    as_written,
    button,
)
from tenants.models import Tenant
from tenants.roles import LEAST_ROLE, Verb

PAGE = "admin:ai_triage_prompt_change"
CONTENT = frozenset(["system_prompt", "respond_to", "ignore"])


class PlainText(forms.CharField):
    """A text of several lines, with line feeds alone whatever the browser sends."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, *, rows: int, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)
        self.widget.attrs["rows"] = rows

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class Rules(forms.Field):
    """A list of texts, one a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, list):
            return value
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class PromptForm(VersionedForm):
    system_prompt = PlainText(
        rows=24,
        label=_("system prompt"),
        help_text=_(
            "{company_name}, {sector}, {support_address} and {signature} are filled from the "
            "triage settings."
        ),
    )
    respond_to = Rules(label=_("answer these"), required=False, help_text=_("One a line."))
    ignore = Rules(label=_("ignore these"), required=False, help_text=_("One a line."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in CONTENT & self.fields.keys():
            self.fields[name].label = capfirst(self.fields[name].label)
        if self.instance.pk:
            version = self.instance.in_use
            self.initial.update({name: getattr(version, name) for name in CONTENT})

    def given(self) -> prompting.Changes:
        """Return what was entered; of a stored prompt the changes."""
        names = ["name", *CONTENT]
        if self.instance.pk:
            names = [name for name in names if name in self.changed_data]
        return prompting.Changes(**{name: self.cleaned_data[name] for name in names})

    def check(self, *, tenant: Tenant, stored: Prompt | None) -> None:
        prompting.check(tenant, self.given(), prompt=stored)


class PromptVersionInline(VersionInline):
    """The latest versions; each can be read, compared and restored."""

    model = PromptVersion
    fk_name = "prompt"
    fields = ["number", "author", "created_at", "compare", "trying_out", "restore"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptVersion]:
        """A list of versions needs none of their texts."""
        versions: QuerySet[PromptVersion] = super().get_queryset(request)
        return versions.select_related("prompt").defer(*CONTENT)

    @admin.display(description="")
    def compare(self, version: PromptVersion) -> SafeString | str:
        if version.number == 1:
            return "–"
        url = reverse("admin:ai_triage_prompt_compare", args=[version.prompt_id])
        query = f"?old={version.number - 1}&new={version.number}"
        return format_html('<a href="{}{}" class="{}">{}</a>', url, query, LINK, _("What changed"))

    @admin.display(description=_("trying out"))
    def trying_out(self, version: PromptVersion) -> SafeString:
        return try_link(version)


@admin.register(Prompt)
class PromptAdmin(VersionedAdmin):
    """Saving goes through the services, so each change of the text makes a version."""

    change_role = LEAST_ROLE[Verb.EDIT_PROMPTS]
    form = PromptForm
    inlines = [PromptVersionInline]
    list_display = ["name", "is_in_use", "version", "created_by", "updated_at", "tenant"]
    list_filter = ["tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name"]
    ordering = ["tenant", "name"]
    actions = ["activate"]
    readonly_fields = ["is_in_use", "version", "created_by", "created_at", "trial", "activation"]
    fieldsets = [
        (None, {"fields": ["tenant", "name", "system_prompt"]}),
        (_("Criteria"), {"fields": ["respond_to", "ignore"]}),
    ]
    state = (
        _("State"),
        {"fields": ["is_in_use", "version", "created_by", "created_at", "trial"]},
    )

    # Pages

    def get_fieldsets(self, request: HttpRequest, obj: Prompt | None = None) -> list[Any]:
        """Who may only read finds the text with its version."""
        if obj is None:
            return self.fieldsets
        if not self.has_change_permission(request, obj):
            return [(None, {"fields": ["tenant", "name", "shown_text"]}), self.state]
        title, state = self.state
        return [*self.fieldsets, (title, {"fields": [*state["fields"], "activation"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "shown_text"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prompt]:
        prompts: QuerySet[Prompt] = super().get_queryset(request)
        return prompts.select_related("tenant")

    @admin.display(description=_("active"), boolean=True, ordering="active_for")
    def is_in_use(self, prompt: Prompt) -> bool:
        return prompt.is_active

    @admin.display(description=_("text"))
    def shown_text(self, prompt: Prompt) -> SafeString:
        return as_written(as_text(prompt.in_use))

    @admin.display(description=_("prompt trial"))
    def trial(self, prompt: Prompt) -> SafeString | str:
        return told_of(running_trial(prompt))

    @admin.display(description="")
    def activation(self, prompt: Prompt) -> SafeString | str:
        if prompt.is_active and running_trial(prompt):
            return str(_("It judges the mail of its tenant once the trial is over."))
        if prompt.is_active:
            return str(_("It judges the mail of its tenant."))
        return button(reverse("admin:ai_triage_prompt_activate", args=[prompt.pk]), _("Activate"))

    # Saving and deleting

    def save_model(self, request: HttpRequest, obj: Prompt, form: PromptForm, change: bool) -> None:
        author = request.user.get_username()
        if change:
            prompting.change(obj, form.given(), author=author)
        else:
            obj.pk = prompting.create(obj.tenant, form.given(), author=author).pk
            obj.refresh_from_db()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        if used := [prompt for prompt in objs if prompting.is_used(prompt)]:
            text = _("%(name)s is active, in a trial or has judged mail; it stays.")
            return [], {}, set(), [text % {"name": prompt} for prompt in used]
        return super().get_deleted_objects(objs, request)

    def delete_model(self, request: HttpRequest, obj: Prompt) -> None:
        prompting.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Prompt]) -> None:
        for prompt in queryset:
            prompting.delete(prompt)

    # Activating, comparing and restoring

    @admin.action(description=_("Activate the selected prompt"), permissions=["change"])
    def activate(self, request: HttpRequest, prompts: QuerySet[Prompt]) -> None:
        chosen = list(prompts)
        if len({prompt.tenant_id for prompt in chosen}) < len(chosen):
            text = _("One prompt of a tenant is active; choose one of each.")
            self.message_user(request, text, messages.ERROR)
            return
        for prompt in chosen:
            self._activate(request, prompt)

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "ai_triage_prompt"
        own = [
            path("<int:pk>/compare", view(self.compare_view), name=f"{name}_compare"),
            path("<int:pk>/activate", view(self.activate_view), name=f"{name}_activate"),
        ]
        return own + super().get_urls()

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what changed from version ``old`` to ``new``, by default the last change."""
        prompt = self.row_or_404(request, pk)
        versions = list(prompt.versions.all())
        old = chosen(versions, request.GET.get("old"), position=1)
        new = chosen(versions, request.GET.get("new"), position=0)
        pieces = differences(as_text(old), as_text(new))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{prompt.name}: {old.number} → {new.number}",
            "prompt": prompt,
            "versions": versions,
            "sides": [("old", _("From"), old), ("new", _("To"), new)],
            "pieces": pieces,
            "is_same": all(piece.change is Change.SAME for piece in pieces),
        }
        return TemplateResponse(request, "admin/ai_triage/prompt/compare.html", context)

    @method_decorator(require_POST)
    def activate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._activate(request, self.row_or_404(request, pk, to_change=True))
        return redirect(PAGE, pk)

    def restore(self, request: HttpRequest, version: PromptVersion) -> None:
        prompting.restore(version, author=request.user.get_username())

    def _activate(self, request: HttpRequest, prompt: Prompt) -> None:
        try:
            prompting.activate(prompt)
        except Conflict as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            text = _("%(name)s judges the mail of %(tenant)s from now on.")
            named = {"name": prompt.name, "tenant": prompt.tenant}
            self.message_user(request, text % named, messages.SUCCESS)


@admin.register(PromptVersion)
class VersionAdmin(TryoutPages):
    """A version is read here, and never changed."""

    tenant_path = "prompt__tenant"
    change_role = None
    list_display = ["prompt", "number", "author", "created_at"]
    list_select_related = ["prompt"]
    search_fields = ["prompt__name"]
    ordering = ["-pk"]
    fields = [
        "prompt",
        "number",
        "author",
        "created_at",
        "is_active",
        "trial",
        "trying_out",
        "text",
    ]
    readonly_fields = ["is_active", "trial", "trying_out", "text"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptVersion]:
        versions: QuerySet[PromptVersion] = super().get_queryset(request)
        return versions.select_related("prompt__tenant")

    @admin.display(description=_("trying out"))
    def trying_out(self, version: PromptVersion) -> SafeString:
        return try_link(version)

    @admin.display(description=_("active"), boolean=True)
    def is_active(self, version: PromptVersion) -> bool:
        return version.prompt.is_active and version.number == version.prompt.version

    @admin.display(description=_("prompt trial"))
    def trial(self, version: PromptVersion) -> SafeString | str:
        return told_of(running_trial(version.prompt))

    @admin.display(description=_("text"))
    def text(self, version: PromptVersion) -> SafeString:
        return as_written(as_text(version))


def running_trial(prompt: Prompt) -> Experiment | None:
    """Return the trial of the prompt's tenant, asked once for all fields of a page."""
    shown: dict[str, Any] = vars(prompt)
    if "_running_trial" not in shown:
        shown["_running_trial"] = prompting.running_trial(prompt.tenant)
    found: Experiment | None = shown["_running_trial"]
    return found


def told_of(running: Experiment | None) -> SafeString | str:
    """Return a trial in words: while it runs, its versions judge, no active prompt."""
    if running is None:
        return str(_("No trial runs."))
    text = _("A is %(a)s, B is %(b)s, which judges %(share)d %% of the senders.")
    return format_html(
        '<a href="{}" class="{}">{}</a>: {}',
        reverse("admin:ai_triage_experiment_change", args=[running.pk]),
        LINK,
        running.name,
        text % {"a": running.a, "b": running.b, "share": running.share_b},
    )


def try_link(version: PromptVersion) -> SafeString:
    url = reverse("admin:ai_triage_promptversion_try", args=[version.pk])
    return format_html('<a href="{}" class="{}">{}</a>', url, LINK, _("Try out on past mail"))


def as_text(version: PromptVersion) -> str:
    """Return a version as one text, the criteria a line each."""
    rules = [*(f"+ {rule}" for rule in version.respond_to), *(f"- {r}" for r in version.ignore)]
    return "\n".join([version.system_prompt.rstrip("\n"), "", *rules, ""])


def chosen(
    versions: Sequence[PromptVersion], number: str | None, *, position: int
) -> PromptVersion:
    """Return the version of this number; without one that at ``position`` from the newest.

    Raises:
        Http404: there is no version of this number.
    """
    if number is None:
        return versions[min(position, len(versions) - 1)]
    found = next((version for version in versions if str(version.number) == number), None)
    if found is None:
        raise Http404
    return found
