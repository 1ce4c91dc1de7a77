"""Messages in the admin: read-only, with their history and what they say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from common.errors import Conflict, Gone, Refused
from common.outside_html import outside_page
from logs import services, transitions
from logs.models import Attachment, EmailLog, EmailStatus
from logs.models.content import attachment_storage
from tenants.admin_base import TenantAdmin

EVENTS_SHOWN = 200
COLOURS: dict[str, str] = {
    EmailStatus.QUEUED: "info",
    EmailStatus.SENDING: "info",
    EmailStatus.SENT: "success",
    EmailStatus.DELIVERED: "success",
    EmailStatus.FAILED: "danger",
    EmailStatus.BOUNCED: "danger",
    EmailStatus.SPAM: "warning",
}


@admin.register(EmailLog)
class EmailLogAdmin(TenantAdmin):
    """Nothing is edited here; what may still change has its action."""

    change_role = None
    list_display = [
        "status_label",
        "to_address",
        "short_subject",
        "account",
        "template",
        "queued_at",
    ]
    list_display_links = ["to_address", "short_subject"]
    list_select_related = ["account", "template"]
    list_filter = ["status", "mode", "account", "queued_at"]
    search_fields = ["to_address", "subject", "tracking_id"]
    search_help_text = _("Recipient, subject or tracking id")
    ordering = ["-id"]
    paginator = InfinitePaginator
    show_full_result_count = False
    list_disable_select_all = True
    list_per_page = 50
    actions = ["retry", "cancel"]
    change_form_outer_before_template = "logs/admin/verbs.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "status", "to_address", "subject", "from_address", "account", "template",
                    "queued_at", "sent_at", "next_attempt_at", "error_message", "smtp_response",
                ]
            },
        ),
        (_("History"), {"fields": ["history"]}),
        (_("Content"), {"fields": ["said"]}),
        (
            _("Opens and clicks"),
            {
                "fields": [
                    "opens_count", "clicks_count", "machine_opens_count", "machine_clicks_count",
                    "first_opened_at", "last_opened_at", "user_agent", "ip_address", "country",
                ]
            },
        ),
        (
            _("Details"),
            {
                "fields": [
                    "tracking_id", "smtp_message_id", "batch_id", "mode", "priority", "topic",
                    "cc_addresses", "bcc_addresses", "tags", "metadata", "send_at", "retry_count",
                    "delivered_at", "failed_at", "error_code", "track_opens", "track_clicks",
                ]
            },
        ),
    ]  # fmt: skip
    readonly_fields = [name for _title, options in fieldsets for name in options["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        heavy = ("own_variables", "template__html_content", "template__text_content")
        return super().get_queryset(request).defer(*heavy)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        inherited: list[URLPattern] = super().get_urls()
        return [
            path("<int:pk>/html/", view(self.html_view), name="logs_emaillog_html"),
            path(
                "<int:pk>/attachments/<int:attachment>/",
                view(self.attachment_view),
                name="logs_emaillog_attachment",
            ),
            *inherited,
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = (extra_context or {}) | {"verbs": partial(self.verbs, request, object_id)}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def verbs(self, request: HttpRequest, object_id: str) -> list[tuple[str, Any]]:
        """Return the actions, with their names for people, that would not be refused now."""
        email = self.get_object(request, object_id)
        if email is None or not self.has_editor_permission(request, email):
            return []
        if email.status == EmailStatus.QUEUED:
            return [("retry", _("Send now")), ("cancel", _("Cancel"))]
        is_kept = not email.is_erased and email.content.removed_at is None
        again = email.status == EmailStatus.FAILED and is_kept
        return [("retry", _("Send again"))] if again else []

    # Columns and fields

    @display(description=_("status"), ordering="status", label=COLOURS)  # type: ignore[untyped-decorator]
    def status_label(self, email: EmailLog) -> tuple[str, str]:
        return email.status, email.get_status_display()

    @admin.display(description=_("subject"), ordering="subject")
    def short_subject(self, email: EmailLog) -> str:
        return Truncator(email.subject).chars(80) or str(_("(no subject)"))

    @admin.display(description=_("History"))
    def history(self, email: EmailLog) -> SafeString:
        newest_first = email.events.order_by("-at", "-id")[: EVENTS_SHOWN + 1]
        events = list(newest_first)
        context = {
            "email": email,
            "events": events[:EVENTS_SHOWN][::-1],
            "is_cut": len(events) > EVENTS_SHOWN,
        }
        return render_to_string("logs/admin/history.html", context)

    @admin.display(description=_("Content"))
    def said(self, email: EmailLog) -> SafeString:
        context: dict[str, Any] = {"email": email}
        try:
            made = services.rendered_content(email)
        except Gone:
            context["is_gone"] = True
        except Refused as refusal:
            context["refusal"] = str(refusal)
        else:
            context |= {"made": made, "headers": services.shown_headers(email, made)}
        context["attachments"] = Attachment.objects.filter(part_of=email.content_id)
        return render_to_string("logs/admin/content.html", context)

    # What a page shows in an answer of its own

    def html_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer the message's HTML for the sandboxed frame; remote images only when asked for."""
        email = self._seen(request, pk)
        try:
            html = services.rendered_content(email).html
        except Refused as refusal:
            raise Http404 from refusal
        return outside_page(html, with_images=request.GET.get("images") == "1")

    def attachment_view(self, request: HttpRequest, pk: int, attachment: int) -> FileResponse:
        """Answer an attachment as a file to keep, never as a page."""
        email = self._seen(request, pk)
        part = get_object_or_404(Attachment, pk=attachment, part_of=email.content_id)
        try:
            file = attachment_storage().open(part.path, "rb")
        except FileNotFoundError as error:
            raise Http404 from error
        response = FileResponse(
            file,
            as_attachment=True,
            filename=part.filename,
            content_type="application/octet-stream",
        )
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
        response["X-Content-Type-Options"] = "nosniff"
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "private, no-store"
        return response

    def _seen(self, request: HttpRequest, pk: int) -> EmailLog:
        """Return the message if the user may see it; anything else is 404."""
        if not self.has_view_permission(request):
            raise Http404
        email: EmailLog = get_object_or_404(self.get_queryset(request), pk=pk)
        return email

    # Actions

    @admin.action(description=_("Send now or again"), permissions=["editor"])
    def retry(self, request: HttpRequest, rows: QuerySet[EmailLog]) -> HttpResponse | None:
        done, refused = count(rows, partial(transitions.retry, at=timezone.now()))
        text = ngettext("%d message goes out now.", "%d messages go out now.", done)
        return self._report(request, text % done, done, refused)

    @admin.action(description=_("Cancel"), permissions=["editor"])
    def cancel(self, request: HttpRequest, rows: QuerySet[EmailLog]) -> HttpResponse | None:
        done, refused = count(rows, partial(transitions.cancel, at=timezone.now()))
        text = ngettext("%d message was cancelled.", "%d messages were cancelled.", done)
        return self._report(request, text % done, done, refused)

    def _report(
        self, request: HttpRequest, text: str, done: int, refused: int
    ) -> HttpResponse | None:
        if done:
            self.message_user(request, text, messages.SUCCESS)
        if refused:
            text = ngettext(
                "%d message was left alone: its status does not allow this.",
                "%d messages were left alone: their status does not allow this.",
                refused,
            )
            self.message_user(request, text % refused, messages.WARNING)
        back = request.POST.get("back", "")
        return redirect("admin:logs_emaillog_change", back) if back.isdecimal() else None


def count(rows: QuerySet[EmailLog], verb: Callable[[EmailLog], None]) -> tuple[int, int]:
    """Return on how many messages ``verb`` worked, and how many had moved on."""
    done = refused = 0
    for email in rows:
        try:
            verb(email)
        except Conflict:
            refused += 1
        else:
            done += 1
    return done, refused
