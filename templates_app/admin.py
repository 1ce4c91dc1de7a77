"""Templates for staff: written here, checked as by the API, with their versions and a preview."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.errors import Conflict, Refused, RefusedTogether
from common.outside_html import outside_page
from templates_app import services
from templates_app.models import EmailTemplate, TemplateVersion
from templates_app.samples import sample_variables
from tenants.admin_base import OneTenantForm, ReadOnlyInline, TenantAdmin

SOURCE = {"spellcheck": "false", "style": "font-family: monospace; font-size: 13px"}
ROWS = {"html_content": 24, "text_content": 8}
PAGE = "admin:templates_app_emailtemplate_change"
COMPILED = ["compiled_subject", "compiled_html", "compiled_text"]


class TemplateForm(OneTenantForm):
    """Asks the same rules as the API; ``seen`` is the version that the form was filled with."""

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ROWS.keys() & self.fields.keys():
            self.fields[name].widget.attrs.update(SOURCE, rows=ROWS[name])
        for name in {"track_opens", "track_clicks"} & self.fields.keys():
            # "Unknown" is what Django calls the choice that leaves it to the tenant.
            self.fields[name].widget.choices = [
                ("unknown", _("As the tenant")),
                ("true", _("Yes")),
                ("false", _("No")),
            ]
        if self.instance.pk:
            self.initial["seen"] = self.instance.version
        elif "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = _("Made from the name when empty.")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors:
            self._check()
        return cleaned

    def given(self) -> dict[str, Any]:
        """Return what was entered, in the contract's names."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name not in ("tenant", "seen")
        }

    def _check(self) -> None:
        stored = self.instance if self.instance.pk else None
        if stored and self.cleaned_data["seen"] != stored.version:
            text = _("Somebody made version %(number)d meanwhile. Copy your text and reload.")
            self.add_error(None, text % {"number": stored.version})
            return
        tenant = stored.tenant if stored else self.cleaned_data["tenant"]
        try:
            services.check(tenant=tenant, fields=self.given(), template=stored)
        except RefusedTogether as error:
            self._show(error.refusals)
        except Refused as refusal:
            self._show([refusal])

    def _show(self, refusals: Iterable[Refused]) -> None:
        for refusal in refusals:
            self.add_error(refusal.attr if refusal.attr in self.fields else None, refusal.detail)


class VersionInline(ReadOnlyInline):
    """The latest versions; each can be read and restored."""

    model = TemplateVersion
    fields = ["number", "author_name", "created_at", "restore"]
    readonly_fields = fields
    ordering = ["-number"]
    per_page = 20
    verbose_name_plural = _("versions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TemplateVersion]:
        """A list of versions needs none of their texts."""
        versions: QuerySet[TemplateVersion] = super().get_queryset(request)
        return versions.select_related("template").defer(
            "html_content", "text_content", *COMPILED, "template__html_content"
        )

    def get_fields(self, request: HttpRequest, obj: EmailTemplate | None = None) -> list[str]:
        """Only who may change the template is offered to restore."""
        templates = self.admin_site._registry[EmailTemplate]
        may = templates.has_change_permission(request, obj)
        return self.fields if may else [name for name in self.fields if name != "restore"]

    @admin.display(description="")
    def restore(self, version: TemplateVersion) -> SafeString | str:
        """A button of the page's own form, so that it carries the form's CSRF token."""
        if version.number == version.template.version:
            return str(_("current"))
        url = reverse(
            "admin:templates_app_emailtemplate_restore", args=[version.template_id, version.number]
        )
        return format_html(
            '<button type="submit" formaction="{}" formmethod="post" formnovalidate '
            'class="text-primary-600 dark:text-primary-500">{}</button>',
            url,
            _("Restore"),
        )


@admin.register(EmailTemplate)
class TemplateAdmin(TenantAdmin):
    """Saving goes through the services, so each change of what is sent makes a version."""

    form = TemplateForm
    inlines = [VersionInline]
    list_display = [
        "slug",
        "name",
        "template_type",
        "version",
        "is_active",
        "usage_count",
        "updated_at",
    ]
    list_display_links = ["slug", "name"]
    list_filter = ["tenant", "is_active", "source_format"]
    search_fields = ["name", "subject", "html_content"]
    search_help_text = _("Words of name, subject or HTML")
    ordering = ["-updated_at"]
    readonly_fields = ["variables_read", "version", "usage_count", "preview"]
    fieldsets = [
        (None, {"fields": ["tenant", "name", "slug", "template_type", "default_account"]}),
        (
            _("Content"),
            {"fields": ["seen", "subject", "source_format", "html_content", "text_content"]},
        ),
        (_("Sending"), {"fields": ["is_active", "track_opens", "track_clicks"]}),
    ]
    seen_fieldsets = [
        (_("State"), {"fields": ["version", "usage_count", "variables_read"]}),
        (_("Preview"), {"fields": ["preview"]}),
    ]

    # Pages

    def get_fieldsets(self, request: HttpRequest, obj: EmailTemplate | None = None) -> list[Any]:
        return [*self.fieldsets, *(self.seen_fieldsets if obj else [])]

    def get_inlines(self, request: HttpRequest, obj: EmailTemplate | None) -> list[Any]:
        return self.inlines if obj else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[EmailTemplate]:
        templates: QuerySet[EmailTemplate] = super().get_queryset(request)
        return templates.select_related("tenant", "default_account")

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        return queryset.matching(search_term), False

    @admin.display(description=_("variables"))
    def variables_read(self, template: EmailTemplate) -> str:
        return ", ".join(template.variables) or "–"

    # Saving and deleting

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Tell staff who lose a race after their form was checked; nothing is stored then."""
        try:
            answer: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except (Refused, Conflict) as error:
            self.message_user(request, error.detail, messages.ERROR)
            return redirect(request.get_full_path())
        return answer

    def save_model(
        self, request: HttpRequest, obj: EmailTemplate, form: TemplateForm, change: bool
    ) -> None:
        author, fields = author_of(request), form.given()
        if not change:
            obj.pk = services.create_template(tenant=obj.tenant, author=author, fields=fields).pk
        else:
            stored = EmailTemplate.objects.select_related("tenant").get(pk=obj.pk)
            stored.version = obj.version  # what the form was checked against
            services.update_template(stored, author=author, changes=fields)
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: EmailTemplate) -> None:
        services.delete_template(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[EmailTemplate]) -> None:
        for template in queryset:
            services.delete_template(template)

    # Preview and restoring

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "templates_app_emailtemplate"
        own = [
            path("<int:pk>/html", view(self.html_view), name=f"{name}_html"),
            path("<int:pk>/restore/<int:number>", view(self.restore_view), name=f"{name}_restore"),
        ]
        inherited: list[URLPattern] = super().get_urls()
        return own + inherited

    @admin.display(description="")
    def preview(self, template: EmailTemplate) -> SafeString | str:
        """The stored version; every variable shows its own name."""
        try:
            shown = sampled(template)
        except Refused as refusal:
            return refusal.detail
        return format_html(
            '<p><strong>{}</strong></p><iframe sandbox="" src="{}" title="{}" '
            'style="width:100%;height:640px;border:0;background:#fff"></iframe>'
            '<pre style="white-space:pre-wrap">{}</pre>',
            shown.subject,
            reverse("admin:templates_app_emailtemplate_html", args=[template.pk]),
            _("Preview"),
            shown.text,
        )

    def html_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the rendered HTML for the sandboxed frame."""
        try:
            html = sampled(self._template(request, pk)).html
        except Refused as refusal:
            html = format_html("<p>{}</p>", refusal.detail)
        return outside_page(html)

    @method_decorator(require_POST)
    def restore_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """Make a new version with the content of version ``number``."""
        template = self._template(request, pk)
        version = template.versions.filter(number=number).first()
        if version is None or not self.has_change_permission(request, template):
            raise Http404
        try:
            services.restore_version(version, author=author_of(request))
        except (Refused, Conflict) as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            text = _("The content of version %(number)d is a new version now.")
            self.message_user(request, text % {"number": number}, messages.SUCCESS)
        return redirect(PAGE, pk)

    def _template(self, request: HttpRequest, pk: int) -> EmailTemplate:
        """Return the template, or 404 to everybody who may not see it."""
        template: EmailTemplate | None = self.get_object(request, str(pk))
        if template is None or not self.has_view_permission(request, template):
            raise Http404
        return template


@admin.register(TemplateVersion)
class VersionAdmin(TenantAdmin):
    """A version is read here, and never changed."""

    tenant_path = "template__tenant"
    change_role = None
    list_display = ["template", "number", "author_name", "created_at"]
    list_select_related = ["template"]
    search_fields = ["template__slug"]
    ordering = ["-pk"]
    fields = [
        "template",
        "number",
        "author_name",
        "created_at",
        "subject",
        "source_format",
        "source",
        "written_text",
    ]
    readonly_fields = ["source", "written_text"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TemplateVersion]:
        versions: QuerySet[TemplateVersion] = super().get_queryset(request)
        return versions.defer(*COMPILED)

    @admin.display(description=_("source"))
    def source(self, version: TemplateVersion) -> SafeString:
        return as_written(version.html_content)

    @admin.display(description=_("plain text"))
    def written_text(self, version: TemplateVersion) -> SafeString:
        return as_written(version.text_content)


def as_written(text: str) -> SafeString:
    return format_html('<pre style="white-space:pre-wrap">{}</pre>', text)


def sampled(template: EmailTemplate) -> services.Preview:
    """Return the template's current version with its variables' names as values."""
    version = template.current
    return services.preview(
        version, variables=sample_variables(version), language=template.tenant.language
    )


def author_of(request: HttpRequest) -> services.Author:
    if not isinstance(request.user, User):
        raise TypeError("the admin let somebody in who is no user")
    return services.Author.of_user(request.user)
