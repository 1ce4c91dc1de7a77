"""Messages in the admin: read-only, with their history and what they say."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from logs import changing
from logs.admin.message_list import TAG
from logs.admin.message_page import MessagePage
from logs.admin.selections import MessageJobs
from logs.models import EmailLog, EmailStatus
from tenants.admin_base import identity
from tenants.admin_each import start_for_each

COLOURS: dict[str, str] = {
    EmailStatus.QUEUED: "info",
    EmailStatus.SENDING: "info",
    EmailStatus.SENT: "success",
    EmailStatus.DELIVERED: "success",
    EmailStatus.FAILED: "danger",
    EmailStatus.BOUNCED: "danger",
    EmailStatus.SPAM: "warning",
    EmailStatus.CANCELLED: "default",
}


@admin.register(EmailLog)
class EmailLogAdmin(MessageJobs, MessagePage):
    """Nothing is edited here; what may still change has its action."""

    class Media:
        css: ClassVar = {"all": ["logs/message.css"]}

    change_role = None
    linked_by = ["batch_id"]
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
                    ("shown_id", "smtp_message_id"),
                    ("mode", "priority"),
                    ("topic", "send_at"),
                    ("cc", "bcc"),
                    ("listed_tags", "noted"),
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
            "notes": [partial(self.search_note, request), partial(self.tag_note, request)],
            "may_change": self.has_editor_permission(request),
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

    shown_id = identity("tracking_id")

    # Fields: an empty list or object as Python writes it says less than a dash.

    @admin.display(description=_("cc"))
    def cc(self, email: EmailLog) -> str | None:
        return ", ".join(email.cc_addresses) or None

    @admin.display(description=_("bcc"))
    def bcc(self, email: EmailLog) -> str | None:
        return ", ".join(email.bcc_addresses) or None

    @admin.display(description=_("tags"))
    def listed_tags(self, email: EmailLog) -> str | None:
        list_url = reverse("admin:logs_emaillog_changelist")
        links = ((list_url, urlencode({TAG: tag}), tag) for tag in email.tags)
        return format_html_join(", ", '<a href="{}?{}">{}</a>', links) or None

    @admin.display(description=_("metadata"))
    def noted(self, email: EmailLog) -> str | None:
        pairs = (f"{name}: {written(value)}" for name, value in email.metadata.items())
        return "\n".join(pairs) or None

    # Actions

    @admin.action(description=_("Send now or again"), permissions=["editor"])
    def retry(self, request: HttpRequest, rows: QuerySet[EmailLog]) -> HttpResponse | None:
        return start_for_each(self, request, rows, kind=changing.RETRY)

    @admin.action(description=_("Cancel"), permissions=["editor"])
    def cancel(self, request: HttpRequest, rows: QuerySet[EmailLog]) -> HttpResponse | None:
        return start_for_each(self, request, rows, kind=changing.CANCEL)


def written(value: object) -> str:
    """Return a value of a message's metadata as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
