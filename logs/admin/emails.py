"""Messages in the admin: read-only, with their history and what they say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from common.errors import Conflict
from logs import transitions
from logs.admin.exports import MessageExports
from logs.admin.message_page import MessagePage
from logs.models import EmailLog, EmailStatus

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
class EmailLogAdmin(MessageExports, MessagePage):
    """Nothing is edited here; what may still change has its action."""

    class Media:
        css: ClassVar = {"all": ["logs/message.css"]}

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
    actions = ["retry", "cancel"]
    fieldsets: ClassVar[Any] = [
        (
            _("Opens and clicks"),
            {
                "fields": [
                    ("opens_count", "clicks_count"),
                    ("machine_opens_count", "machine_clicks_count"),
                    ("first_opened_at", "last_opened_at"),
                    "user_agent",
                    ("ip_address", "country"),
                ]
            },
        ),
        (
            _("Details"),
            {
                "fields": [
                    ("tracking_id", "smtp_message_id"),
                    ("mode", "priority"),
                    ("topic", "send_at"),
                    ("cc_addresses", "bcc_addresses"),
                    ("tags", "metadata"),
                    ("delivered_at", "failed_at"),
                    ("retry_count", "error_code"),
                    "smtp_response",
                    ("track_opens", "track_clicks"),
                ]
            },
        ),
    ]
    readonly_fields = flatten_fieldsets(fieldsets)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("own_variables")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = (extra_context or {}) | {
            "quick_links": self.quick_links(request),
            "search_note": partial(self.search_note, request),
            "may_export": self.has_editor_permission(request),
        }
        response: HttpResponse = super().changelist_view(request, context)
        return response

    # Columns

    @display(description=_("status"), label=COLOURS)  # type: ignore[untyped-decorator]
    def status_label(self, email: EmailLog) -> tuple[str, str]:
        return email.status, email.get_status_display()

    @admin.display(description=_("subject"))
    def short_subject(self, email: EmailLog) -> str:
        return Truncator(email.subject).chars(80) or str(_("(no subject)"))

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
