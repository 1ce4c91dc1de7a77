"""The admin of what is kept in versions: written by a form, read, and restored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.errors import Conflict, Refused, RefusedTogether
from tenants.admin_base import OneTenantForm, ReadOnlyInline, TellingAdmin
from tenants.models import Tenant

LINK = "text-primary-600 dark:text-primary-500"


class VersionedForm(OneTenantForm):
    """Asks the same rules as the API; a version made meanwhile is a change meanwhile."""

    def stored_values(self) -> dict[str, Any]:
        return {**super().stored_values(), "version": self.instance.version}

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors:
            self._check()
        return cleaned

    def check(self, *, tenant: Tenant, stored: Any) -> None:
        """Raise ``Refused`` for what the service would refuse; ``stored`` is None of a new row."""
        raise NotImplementedError

    def _check(self) -> None:
        stored = self.instance if self.instance.pk else None
        tenant = stored.tenant if stored else self.cleaned_data["tenant"]
        try:
            self.check(tenant=tenant, stored=stored)
        except RefusedTogether as error:
            self._show(error.refusals)
        except Refused as refusal:
            self._show([refusal])

    def _show(self, refusals: Iterable[Refused]) -> None:
        for refusal in refusals:
            parts = (refusal.attr or "").split(".")
            name = next((part for part in parts if part in self.fields), None)
            self.add_error(name, refusal.detail)


class VersionInline(ReadOnlyInline):
    """The latest versions; a subclass names ``fk_name`` and lists ``restore`` among its fields."""

    fk_name: str
    ordering = ["-number"]
    per_page = 20
    verbose_name_plural = _("versions")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Only who may change the whole is offered to restore."""
        may = self.admin_site._registry[self.parent_model].has_change_permission(request, obj)
        return self.fields if may else [name for name in self.fields if name != "restore"]

    @admin.display(description=_("restoring"))
    def restore(self, version: Any) -> SafeString | str:
        whole = getattr(version, self.fk_name)
        if version.number == whole.version:
            return str(_("current"))
        url = reverse(f"admin:{name_of(whole._meta)}_restore", args=[whole.pk, version.number])
        return button(url, _("Restore"))


class VersionedAdmin(TellingAdmin):
    """Saving goes through the services, so each change of what is said makes a version."""

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return self.inlines if obj else []

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore_view)
        name = f"{name_of(self.opts)}_restore"
        inherited: list[URLPattern] = super().get_urls()
        return [path("<int:pk>/restore/<int:number>", view, name=name), *inherited]

    def restore(self, request: HttpRequest, version: Any) -> None:
        """Make a new version with the content of this one."""
        raise NotImplementedError

    @method_decorator(require_POST)
    def restore_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """Make a new version with the content of version ``number``."""
        whole = self.row_or_404(request, pk, to_change=True)
        version = get_object_or_404(whole.versions, number=number)
        try:
            self.restore(request, version)
        except (Refused, Conflict) as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            text = _("The content of version %(number)d is a new version now.")
            self.message_user(request, text % {"number": number}, messages.SUCCESS)
        return redirect(f"admin:{name_of(self.opts)}_change", pk)


def name_of(opts: Any) -> str:
    """Return how the names of the admin's addresses begin for a model with these ``_meta``."""
    return f"{opts.app_label}_{opts.model_name}"


def as_written(text: str) -> SafeString:
    return format_html('<pre style="white-space:pre-wrap">{}</pre>', text)


def button(url: str, label: Any) -> SafeString:
    """Return a button of the form ``verbs`` that the pages of :class:`TellingAdmin` have."""
    return format_html(
        '<button type="submit" form="verbs" formaction="{}" class="{}">{}</button>',
        url,
        LINK,
        label,
    )
