"""Versions of templates for staff: listed with their template, and read."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from templates_app.models import TemplateVersion
from tenants.admin_base import TenantAdmin
from tenants.admin_versions import LINK, VersionInline, as_written

COMPILED = ["compiled_subject", "compiled_html", "compiled_text"]


class TemplateVersionInline(VersionInline):
    """The latest versions; each can be read, compared and restored."""

    model = TemplateVersion
    fk_name = "template"
    hide_title = True
    fields = ["number", "author_name", "created_at", "compare", "restore"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[TemplateVersion]:
        """A list of versions needs none of their texts."""
        versions: QuerySet[TemplateVersion] = super().get_queryset(request)
        return versions.select_related("template").defer(
            "html_content", "text_content", *COMPILED, "template__html_content"
        )

    @admin.display(description=_("changes"))
    def compare(self, version: TemplateVersion) -> SafeString | str:
        if version.number == 1:
            return "–"
        url = reverse("admin:templates_app_emailtemplate_compare", args=[version.template_id])
        query = f"?old={version.number - 1}&new={version.number}"
        return format_html('<a href="{}{}" class="{}">{}</a>', url, query, LINK, _("What changed"))


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
