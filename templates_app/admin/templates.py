"""Templates for staff: written in the studio, checked as by the API."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from common.errors import Refused
from templates_app import services, studio
from templates_app.admin.studio import StudioPages
from templates_app.admin.versions import TemplateVersionInline
from templates_app.models import EmailTemplate, TemplateVersion
from tenants.admin_versions import VersionedForm
from tenants.models import Tenant

SOURCE = {"spellcheck": "false", "style": "font-family: monospace; font-size: 13px"}
ROWS = {"html_content": 24, "text_content": 6, "sample_data": 10}


class SampleField(forms.CharField):
    """Sample data as JSON text."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return studio.written(value) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        try:
            return studio.read_sample(value or "")
        except Refused as refusal:
            raise forms.ValidationError(refusal.detail) from refusal

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or {}))
        except forms.ValidationError:
            return True


class TemplateForm(VersionedForm):
    sample_data = SampleField(
        required=False,
        label=_("Sample data"),
        help_text=EmailTemplate._meta.get_field("sample_data").help_text,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made: dict[str, object] = {}
        for name in ROWS.keys() & self.fields.keys():
            editor = {"data-editor": name, "rows": ROWS[name]}
            self.fields[name].widget.attrs.update(SOURCE, **editor)
        for name in {"track_opens", "track_clicks"} & self.fields.keys():
            # "Unknown" is what Django calls the choice that leaves it to the tenant.
            self.fields[name].widget.choices = [
                ("unknown", _("As the tenant")),
                ("true", _("Yes")),
                ("false", _("No")),
            ]
        if self.instance.pk:
            self._show_sample()
        elif "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["slug"].help_text = _("Made from the name when empty.")

    def clean_sample_data(self) -> dict[str, object]:
        """Return nothing where the values were made and left alone: they follow the template."""
        given: dict[str, object] = self.cleaned_data["sample_data"]
        return {} if given == self.made else given

    def given(self) -> dict[str, Any]:
        """Return what was entered, in the contract's names."""
        return {name: value for name, value in self.cleaned_data.items() if name != "tenant"}

    def check(self, *, tenant: Tenant, stored: EmailTemplate | None) -> None:
        services.check(tenant=tenant, fields=self.given(), template=stored)

    def _show_sample(self) -> None:
        try:
            shown = studio.sample_of(self.instance)
        except Refused:  # the language has changed since
            return
        self.initial["sample_data"] = shown
        if not self.instance.sample_data:
            self.made = shown


@admin.register(EmailTemplate)
class TemplateAdmin(StudioPages):
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
    readonly_fields = ["version", "usage_count"]
    written = ["subject", "source_format", "html_content", "text_content", "sample_data"]
    fieldsets = [
        (None, {"fields": ["tenant", ("name", "slug"), ("template_type", "default_account")]}),
        (_("Content"), {"classes": ["studio-fields"], "fields": written}),
        (_("Sending"), {"fields": ["is_active", ("track_opens", "track_clicks")]}),
    ]
    seen_fieldsets = [(_("State"), {"fields": [("version", "usage_count")]})]

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

    # Saving, restoring and deleting

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

    def restore(self, request: HttpRequest, version: TemplateVersion) -> None:
        services.restore_version(version, author=author_of(request))

    def delete_model(self, request: HttpRequest, obj: EmailTemplate) -> None:
        services.delete_template(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[EmailTemplate]) -> None:
        for template in queryset:
            services.delete_template(template)


def author_of(request: HttpRequest) -> services.Author:
    if not isinstance(request.user, User):
        raise TypeError("the admin let somebody in who is no user")
    return services.Author.of_user(request.user)
