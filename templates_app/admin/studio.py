"""The pages of the template studio: what the change form shows beside the fields, and its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from common.errors import Refused
from common.outside_html import outside_page
from templates_app import checks, services, starting, studio
from templates_app.clients import Client, as_shown_by, marked
from templates_app.comparison import Part, compared
from templates_app.models import EmailTemplate, TemplateVersion
from tenants.admin_base import roles_in
from tenants.admin_versions import VersionedAdmin
from tenants.models import Tenant

NAME = "admin:templates_app_emailtemplate"
# A URL of an app above, which this one may name but not import.
TEST_NAME = "admin:delivery_template_test"
LATEST = 200


class StudioPages(VersionedAdmin):
    """The views of the studio; every one of a stored template is 404 to who may not see it."""

    change_form_template = "admin/templates_app/emailtemplate/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "templates_app_emailtemplate"
        own: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("preview", self.preview_view, "draft"),
            ("<int:pk>/preview", self.preview_view, "preview"),
            ("html", self.frame_view, "frame"),
            ("<int:pk>/html", self.html_view, "html"),
            ("<int:pk>/compare", self.compare_view, "compare"),
            ("start/<str:code>/html", self.start_view, "start"),
        ]
        found = [path(route, view(page), name=f"{name}_{end}") for route, page, end in own]
        inherited: list[URLPattern] = super().get_urls()
        return found + inherited

    # The change form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["studio"] = self._studio(request, kwargs.get("obj"))
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill a new template from the starting point that ``start`` names."""
        initial = super().get_changeform_initial_data(request)
        tenant = self._only_tenant(request)
        company = tenant.name if tenant else ""
        point = starting.starting_point(initial.pop("start", ""), company=company)
        return {**initial, **point.fields()} if point else initial

    def _studio(self, request: HttpRequest, template: EmailTemplate | None) -> dict[str, Any]:
        may_change = self.has_change_permission(request, template)
        found = {
            "clients": Client.choices,
            "frame_url": reverse(f"{NAME}_frame"),
            "preview_url": reverse(f"{NAME}_draft"),
            "phrases": phrases(),
            "to_address": getattr(request.user, "email", ""),
            "may_change": may_change,
        }
        if template is None:
            return {**found, "starts": starts(), "is_started": bool(request.GET.get("start"))}
        found["preview_url"] = reverse(f"{NAME}_preview", args=[template.pk])
        found["html_url"] = reverse(f"{NAME}_html", args=[template.pk])
        if may_change:
            found["test_url"] = reverse(TEST_NAME, args=[template.pk])
        try:
            return {**found, "shown": shown_version(template.current)}
        except Refused as refusal:
            return {**found, "refusal": refusal.detail}

    def _only_tenant(self, request: HttpRequest) -> Tenant | None:
        """The tenant of who writes templates in one alone."""
        if request.user.is_superuser:
            return Tenant.objects.get() if Tenant.objects.count() == 1 else None
        ids = [pk for pk, role in roles_in(request).items() if self._adds(role)]
        return Tenant.objects.get(pk=ids[0]) if len(ids) == 1 else None

    # Parts of it

    @method_decorator(require_POST)
    def preview_view(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Answer what the entered draft looks like, over the stored template if there is one."""
        template = EmailTemplate() if pk is None else self.row_or_404(request, pk)
        draft = studio.Draft.of(template, {**request.POST.dict()})
        shown = studio.show(draft, language=self._language(request, template))
        context = {
            "shown": shown,
            "draft": draft,
            "kilobytes": round(len(shown.rendered.html.encode()) / 1024, 1),
            "most_kilobytes": checks.GMAIL_CLIPS // 1024,
            "missing": set(shown.missing),
            "completed": studio.written(shown.completed) if shown.missing else "",
            "fields": field_names(),
            "may_change": self.has_change_permission(request, template if pk else None),
        }
        return TemplateResponse(request, "templates_app/admin/result.html", context)

    @method_decorator(require_POST)
    def frame_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the HTML that was sent, for the sandboxed frame alone: nothing runs in it.

        The browser brings back what the preview gave it, so that no draft has to be kept here.
        """
        if not self.has_view_permission(request):
            raise Http404
        html = request.POST.get("html", "")[: studio.MOST_SHOWN]
        shown = as_shown_by(client_of(request.POST.get("client")), html)
        near = request.POST.get("near", "")
        return outside_page(marked(shown, near), with_images="images" in request.POST)

    def html_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the stored HTML for the sandboxed frame, of ``version`` if it is named."""
        version = self._version(self.row_or_404(request, pk), request.GET.get("version"))
        try:
            html = shown_version(version).html
        except Refused as refusal:
            html = format_html("<p>{}</p>", refusal.detail)
        return outside_page(as_shown_by(client_of(request.GET.get("client")), html))

    def start_view(self, request: HttpRequest, code: str) -> HttpResponse:
        html = starting.rendered(code)
        if html is None or not self.has_add_permission(request):
            raise Http404
        return outside_page(as_shown_by(Client.USUAL, html))

    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what changed from version ``old`` to ``new``, by default the last change."""
        template = self.row_or_404(request, pk)
        numbers = list(
            template.versions.order_by("-number").values("number", "author_name", "created_at")
        )[:LATEST]
        new = self._version(template, request.GET.get("new"))
        old = self._version(template, request.GET.get("old") or str(max(new.number - 1, 1)))
        parts: list[Part] = compared(old, new)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{template.name}: {old.number} → {new.number}",
            "template": template,
            "versions": numbers,
            "sides": [("old", _("From"), old), ("new", _("To"), new)],
            "parts": parts,
            "is_same": not any(part.is_changed for part in parts),
            "may_restore": self.has_change_permission(request, template),
        }
        page = "admin/templates_app/emailtemplate/compare.html"
        return TemplateResponse(request, page, context)

    def _version(self, template: EmailTemplate, number: str | None) -> TemplateVersion:
        """Return the version of this number, the current one without."""
        if number is None:
            return template.current
        versions = template.versions.select_related("template__tenant")
        found = versions.filter(number=number).first() if number.isdecimal() else None
        if found is None:
            raise Http404
        return found

    def _language(self, request: HttpRequest, template: EmailTemplate) -> str:
        """The language of the tenant, for a new template that of the tenant who was chosen."""
        if template.pk:
            return template.tenant.language
        chosen = request.POST.get("tenant", "")
        if not self.has_add_permission(request):
            raise Http404
        if not chosen.isdecimal():
            return get_language() or "en"
        tenants = self.admin_of(Tenant)
        tenant = tenants.get_queryset(request).filter(pk=chosen).first() if tenants else None
        if tenant is None:
            raise Http404
        language: str = tenant.language
        return language


def shown_version(version: TemplateVersion) -> services.Preview:
    """Return a stored version with the template's sample data."""
    template = version.template
    return services.preview(
        version, variables=studio.sample_of(template, version), language=template.tenant.language
    )


def starts() -> list[dict[str, Any]]:
    """Return the starting points in the reader's language first, each with its other languages."""
    mine = get_language() or "en"
    order = sorted(starting.LANGUAGES, key=lambda code: (code != mine, code != mine[:2]))
    return [
        {
            "name": name,
            "code": f"{key}.{order[0]}",
            "url": reverse(f"{NAME}_start", args=[f"{key}.{order[0]}"]),
            "languages": [(f"{key}.{code}", starting.LANGUAGES[code]) for code in order],
        }
        for key, name in starting.NAMES.items()
    ]


def client_of(name: str | None) -> Client:
    return Client(name) if name in Client.values else Client.USUAL


def field_names() -> dict[str, str]:
    """Return what staff call the fields of a draft."""
    meta = EmailTemplate._meta
    names = [*studio.LANGUAGE_FIELDS, "sample_data"]
    return {name: str(meta.get_field(name).verbose_name) for name in names}  # type: ignore[union-attr]


def phrases() -> dict[str, str]:
    """Return what the editor says, in the reader's language."""
    return {
        "Search:": _("Search:"),
        "(Use /re/ syntax for regexp search)": "",
        "Replace?": _("Replace?"),
        "Replace all:": _("Replace all:"),
        "Replace:": _("Replace:"),
        "With:": _("With:"),
        "Replace with:": _("Replace with:"),
        "Yes": _("Yes"),
        "No": _("No"),
        "All": _("All"),
        "Stop": _("Stop"),
    }
