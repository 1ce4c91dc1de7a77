"""Inbound mail and mailboxes in the admin: read-only, HTML in a frame that runs nothing."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from common.outside_html import outside_page
from common.smtp import in_words
from inbox import many, services
from inbox.kinds import Kind
from inbox.models import TEXTS, InboundEmail, Mailbox
from tenants.admin_base import TenantAdmin, identity, is_list
from tenants.admin_each import start_for_each

COLOURS: dict[str, str] = {
    Kind.BOUNCE: "danger",
    Kind.COMPLAINT: "danger",
    Kind.QUARANTINED: "danger",
    Kind.DELAYED: "warning",
    Kind.DELIVERED: "success",
    Kind.HUMAN: "info",
    Kind.AUTO_REPLY: "default",
    Kind.CHALLENGE: "default",
}
PRE = '<pre style="white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>'


@admin.register(InboundEmail)
class InboundEmailAdmin(TenantAdmin):
    """Mail as it came; nothing of it is ever changed."""

    change_role = None
    list_display = ["kind_label", "sender", "short_subject", "received_at", "never_auto_reply"]
    list_display_links = ["sender", "short_subject"]
    list_filter = ["kind", "bounce_type", "never_auto_reply", "mode", "received_at"]
    search_fields = ["from_address", "from_name", "subject", "message_id"]
    search_help_text = _("Sender, subject or Message-ID")
    ordering = ["-id"]
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "kind", "quarantine_reason", "never_auto_reply", "from_address", "from_name",
                    "to", "cc", "subject", "date", "received_at", "download",
                ]
            },
        ),
        (
            _("Report"),
            {"fields": ["recipient", "bounce_type", "status_code", "about", "applied_at"]},
        ),
        (_("Content"), {"fields": ["files", "new_text", "html", "whole_text"]}),
        (
            _("Details"),
            {
                "fields": [
                    "shown_id", "message_id", "thread_key", "envelope_sender", "language",
                    "size_bytes", "mode", "removed_at",
                ]
            },
        ),
    ]  # fmt: skip
    readonly_fields = [name for _title, options in fieldsets for name in options["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.defer(*TEXTS) if is_list(request) else rows

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> InboundEmail | None:
        """Find a mail by its public id as well: other apps know no other."""
        by = from_field or (None if object_id.isdecimal() else "public_id")
        found: InboundEmail | None = super().get_object(request, object_id, by)
        return found

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        inherited: list[URLPattern] = super().get_urls()
        return [
            path("<int:pk>/html/", view(self.html_view), name="inbox_inboundemail_html"),
            path("<int:pk>/raw/", view(self.raw_view), name="inbox_inboundemail_raw"),
            *inherited,
        ]

    # Columns and fields

    shown_id = identity("public_id")

    @display(description=_("kind"), ordering="kind", label=COLOURS)  # type: ignore[untyped-decorator]
    def kind_label(self, row: InboundEmail) -> tuple[str, str]:
        return row.kind, row.get_kind_display()

    @admin.display(description=_("from"), ordering="from_address")
    def sender(self, row: InboundEmail) -> str:
        return row.from_address or "–"

    @admin.display(description=_("subject"), ordering="subject")
    def short_subject(self, row: InboundEmail) -> str:
        return Truncator(row.subject).chars(80) or str(_("(no subject)"))

    @admin.display(description=_("to"))
    def to(self, row: InboundEmail) -> str:
        return ", ".join(row.to_addresses[:50]) or "–"

    @admin.display(description=_("cc"))
    def cc(self, row: InboundEmail) -> str:
        return ", ".join(row.cc_addresses[:50]) or "–"

    @admin.display(description=_("message it belongs to"))
    def about(self, row: InboundEmail) -> SafeString | str:
        if row.email_id is None or row.email is None:
            return "–"
        url = reverse("admin:logs_emaillog_change", args=[row.email_id])
        return format_html('<a class="text-primary-600" href="{}">{}</a>', url, row.email)

    @admin.display(description=_("attachments"))
    def files(self, row: InboundEmail) -> SafeString | str:
        listed = [
            (file["filename"] or "?", file["content_type"], file["size_bytes"])
            for file in row.attachments
        ]
        return format_html_join(", ", "{} ({}, {} B)", listed) or "–"

    @admin.display(description=_("what is new in it"))
    def new_text(self, row: InboundEmail) -> SafeString:
        return format_html(PRE, row.reply_text)

    @admin.display(description=_("plain text"))
    def whole_text(self, row: InboundEmail) -> SafeString:
        return format_html(PRE, row.text)

    @admin.display(description=_("HTML"))
    def html(self, row: InboundEmail) -> SafeString | str:
        if not row.html_text:
            return "–"
        return format_html(
            '<iframe sandbox="" src="{}" title="HTML" '
            'style="width:100%;height:640px;border:0;background:#fff"></iframe>',
            reverse("admin:inbox_inboundemail_html", args=[row.pk]),
        )

    @admin.display(description=_("raw message"))
    def download(self, row: InboundEmail) -> SafeString | str:
        if row.removed_at:
            return "–"
        url = reverse("admin:inbox_inboundemail_raw", args=[row.pk])
        return format_html('<a class="text-primary-600" href="{}">{}</a>', url, _("Download"))

    # What a page shows in an answer of its own

    def html_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the mail's HTML for the sandboxed frame."""
        mail, _reason = services.read_or_quarantine(self._raw(self._seen(request, pk)))
        if mail is None:
            raise Http404
        return outside_page(mail.html)

    def raw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the mail byte for byte as a file to keep, never as a page."""
        row = self._seen(request, pk)
        response = HttpResponse(self._raw(row), content_type="message/rfc822")
        response["Content-Disposition"] = f'attachment; filename="{row.public_id}.eml"'
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response["X-Content-Type-Options"] = "nosniff"
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "private, no-store"
        return response

    @staticmethod
    def _raw(row: InboundEmail) -> bytes:
        try:
            return row.read_raw()
        except FileNotFoundError as error:
            raise Http404 from error

    def _seen(self, request: HttpRequest, pk: int) -> InboundEmail:
        """Return the mail if the user may see it and it is kept; anything else is 404."""
        if not self.has_view_permission(request):
            raise Http404
        kept = self.get_queryset(request).filter(removed_at=None)
        row: InboundEmail = get_object_or_404(kept, pk=pk)
        return row


@admin.register(Mailbox)
class MailboxAdmin(TenantAdmin):
    """How far each account's folder was read, and what is in the way."""

    tenant_path = "account__domain__tenant"
    change_role = None
    list_display = ["account", "server", "folder", "read_at", "trouble", "next_read_at"]
    list_filter = ["read_at"]
    list_select_related = ["account__domain"]
    search_fields = ["account__email_address", "account__imap_server", "error"]
    ordering = ["account__email_address"]
    fields = [
        "account", "server", "folder", "read_at", "trouble", "failures", "next_read_at", "last_uid",
    ]  # fmt: skip
    readonly_fields = fields
    actions = ["test_connection", "read_now"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).filter(account__reads_mail=True)
        return rows

    @admin.display(description=_("IMAP server"), ordering="account__imap_server")
    def server(self, mailbox: Mailbox) -> str:
        return f"{mailbox.account.imap_server}:{mailbox.account.imap_port}"

    @admin.display(description=_("IMAP folder"))
    def folder(self, mailbox: Mailbox) -> str:
        return mailbox.account.imap_folder

    @admin.display(description=_("error"), ordering="error")
    def trouble(self, mailbox: Mailbox) -> str:
        return in_words(mailbox.error)

    @admin.action(description=_("Test the connection"), permissions=["admin"])
    def test_connection(self, request: HttpRequest, rows: QuerySet[Mailbox]) -> HttpResponse | None:
        return start_for_each(self, request, rows, kind=many.TEST)

    @admin.action(description=_("Read at once"), permissions=["admin"])
    def read_now(self, request: HttpRequest, rows: QuerySet[Mailbox]) -> None:
        for mailbox in rows:
            services.read_now(mailbox, at=timezone.now())
        self.message_user(request, _("It is read within a minute."), messages.SUCCESS)
