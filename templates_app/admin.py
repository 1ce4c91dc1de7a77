"""Templates for staff: written here, checked as by the API, with their versions and a preview."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from common.errors import Refused
from common.outside_html import outside_page
from templates_app import services
from templates_app.models import EmailTemplate, TemplateVersion
from templates_app.samples import sample_variables
from tenants.admin_base import TenantAdmin
from tenants.admin_versions import VersionedAdmin, VersionedForm, VersionInline, as_written
from tenants.models import Tenant

SOURCE = {"spellcheck": "false", "style": "font-family: monospace; font-size: 13px"}
ROWS = {"html_content": 24, "text_content": 8}
COMPILED = ["compiled_subject", "compiled_html", "compiled_text"]


class TemplateForm(VersionedForm):
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
        if not self.instance.pk and "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = _("Made from the name when empty.")

    def given(self) -> dict[str, Any]:
        """Return what was entered, in the contract's names."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name not in ("tenant", "seen")
        }

    def check(self, *, tenant: Tenant, stored: EmailTemplate | None) -> None:
        services.check(tenant=tenant, fields=self.given(), template=stored)


class TemplateVersionInline(VersionInline):
    """The latest versions; each can be read and restored."""

    model = TemplateVersion
    fk_name = "template"
    fields = ["number", "author_name", "created_at", "restore"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[TemplateVersion]:
        """A list of versions needs none of their texts."""
        versions: QuerySet[TemplateVersion] = super().get_queryset(request)
        return versions.select_related("template").defer(
            "html_content", "text_content", *COMPILED, "template__html_content"
        )


@admin.register(EmailTemplate)
class TemplateAdmin(VersionedAdmin):
    """Saving goes through the services, so each change of what is sent makes a version."""

    form = TemplateForm
    inlines = [TemplateVersionInline]
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
        html = path(
            "<int:pk>/html",
            self.admin_site.admin_view(self.html_view),
            name="templates_app_emailtemplate_html",
        )
        return [html, *super().get_urls()]

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
            html = sampled(self.row_or_404(request, pk)).html
        except Refused as refusal:
            html = format_html("<p>{}</p>", refusal.detail)
        return outside_page(html)

    def restore(self, request: HttpRequest, version: TemplateVersion) -> None:
        services.restore_version(version, author=author_of(request))


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
