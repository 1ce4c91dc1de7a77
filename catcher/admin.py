"""Caught mail in the admin: a tool of development, so for superusers only."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catcher.models import CaughtMail
from common.admin_lists import CarefulAdmin
from common.outside_html import outside_page


@admin.register(CaughtMail)
class CaughtMailAdmin(CarefulAdmin):
    """Read-only; mail may be deleted, never changed."""

    list_display = ["received_at", "mail_from", "to", "subject_line"]
    list_display_links = ["received_at", "subject_line"]
    search_fields = ["subject", "mail_from"]
    ordering = ["-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = [
        "received_at", "mail_from", "to", "subject", "download", "attachments", "html", "text",
        "headers",
    ]  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[CaughtMail]:
        """A list of mails needs none of their bodies."""
        found: QuerySet[CaughtMail] = super().get_queryset(request)
        return found.defer("raw")

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:pk>/html", self.admin_site.admin_view(self.html_view), name="caught_html"),
            path("<int:pk>/raw", self.admin_site.admin_view(self.raw_view), name="caught_raw"),
        ]
        inherited: list[URLPattern] = super().get_urls()
        return own + inherited

    def has_view_permission(self, request: HttpRequest, obj: CaughtMail | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    has_delete_permission = has_view_permission

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: CaughtMail | None = None) -> bool:
        return False

    def mail(self, request: HttpRequest, pk: int) -> CaughtMail:
        """Return the mail, or 404 to everybody who may not see it."""
        allowed = CaughtMail.objects.all()
        if not self.has_view_permission(request):
            allowed = CaughtMail.objects.none()
        return get_object_or_404(allowed, pk=pk)

    def html_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the mail's HTML for the sandboxed frame."""
        html = self.mail(request, pk).reading.html or ""
        return outside_page(html)

    def raw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the mail byte for byte as a file."""
        response = HttpResponse(bytes(self.mail(request, pk).raw), content_type="message/rfc822")
        response["Content-Disposition"] = f'attachment; filename="caught-{pk}.eml"'
        response["X-Content-Type-Options"] = "nosniff"
        return response

    @admin.display(description=_("recipients"))
    def to(self, mail: CaughtMail) -> str:
        return ", ".join(str(recipient) for recipient in mail.recipients[:20])

    @admin.display(description=_("subject"), ordering="subject")
    def subject_line(self, mail: CaughtMail) -> str:
        return mail.subject[:120] or str(_("(no subject)"))

    @admin.display(description=_("HTML"))
    def html(self, mail: CaughtMail) -> SafeString | str:
        if mail.reading.html is None:
            return "–"
        return format_html(
            '<iframe sandbox="" src="{}" title="HTML" '
            'style="width:100%;height:640px;border:0;background:#fff"></iframe>',
            reverse("admin:caught_html", args=[mail.pk]),
        )

    @admin.display(description=_("plain text"))
    def text(self, mail: CaughtMail) -> SafeString:
        unreadable = _("This mail can't be taken apart.")
        shown = mail.reading.text if mail.reading.is_readable else unreadable
        return format_html('<pre style="white-space:pre-wrap">{}</pre>', shown)

    @admin.display(description=_("headers"))
    def headers(self, mail: CaughtMail) -> SafeString:
        lines = format_html_join("\n", "{}: {}", mail.reading.headers)
        return format_html('<pre style="white-space:pre-wrap">{}</pre>', lines)

    @admin.display(description=_("attachments"))
    def attachments(self, mail: CaughtMail) -> str:
        return ", ".join(mail.reading.attachments) or "–"

    @admin.display(description=_("raw message"))
    def download(self, mail: CaughtMail) -> SafeString:
        url = reverse("admin:caught_raw", args=[mail.pk])
        return format_html('<a class="text-primary-600" href="{}">{}</a>', url, _("Download"))
