"""Batches and suppressions for staff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from common.addresses import normalized, parse_address
from common.errors import Refused
from delivery.models import SendBatch, SendingQueue, Suppression
from delivery.status import AccountQueue, account_queues
from delivery.tallies import ACCOUNTS_AT_ONCE
from delivery.template_tests import TemplateTests
from tenants.admin_base import OneTenantForm, TenantAdmin
from tenants.models import Role


class SuppressionForm(OneTenantForm):
    """Stores the address in the one form under which its spellings meet."""

    def clean_address(self) -> str:
        try:
            return normalized(parse_address(self.cleaned_data["address"], attr="address"))
        except Refused as refusal:
            raise forms.ValidationError(refusal.detail) from refusal


@admin.register(Suppression)
class SuppressionAdmin(TenantAdmin):
    """Who gets no mail; an entry is added or removed, seldom changed."""

    change_role = Role.EDITOR
    form = SuppressionForm
    list_display = ["address", "reason", "topic", "created_at", "expires_at", "tenant"]
    list_filter = ["reason", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["address"]
    show_full_result_count = False
    fields = ["tenant", "address", "topic", "reason", "expires_at", "source_link", "created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = [*super().get_readonly_fields(request, obj), "source_link", "created_at"]
        return [*fields, "address"] if obj else fields

    @display(description=_("source"))
    def source_link(self, entry: Suppression) -> str:
        if entry.source is None:
            return "–"
        url = reverse("admin:logs_emaillog_change", args=[entry.source_id])
        return format_html('<a href="{}">{}</a>', url, entry.source.subject)


@admin.register(SendBatch)
class SendBatchAdmin(TemplateTests):
    """What bulk requests came to."""

    change_role = None
    list_display = ["public_id", "template", "accepted", "rejected_count", "created_at", "tenant"]
    list_filter = ["tenant"]
    list_select_related = ["tenant", "template"]
    show_full_result_count = False
    fields = [
        "public_id",
        "tenant",
        "template",
        "accepted",
        "messages_link",
        "rejected_table",
        "created_at",
    ]
    readonly_fields = fields

    @display(description=_("rejected"))
    def rejected_count(self, batch: SendBatch) -> int:
        return len(batch.rejected)

    @display(description=_("messages"))
    def messages_link(self, batch: SendBatch) -> str:
        url = reverse("admin:logs_emaillog_changelist")
        return format_html('<a href="{}?batch_id={}">{}</a>', url, batch.public_id, _("Show them"))

    @display(description=_("rejected"))
    def rejected_table(self, batch: SendBatch) -> str:
        return "\n".join(
            f"{row['index']}: {row['to_address']}: {row['detail']}" for row in batch.rejected[:200]
        )


class QueueList(ChangeList):
    """Counts the open messages of the accounts on the page, all at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: Sequence[Any] = list(self.result_list)
        queues = account_queues(at=timezone.now(), accounts=[row.pk for row in rows])
        by_account = {queue.account_id: queue for queue in queues}
        for row in rows:
            row.queue = by_account.get(row.pk)
        self.result_list = rows


@admin.register(SendingQueue)
class SendingQueueAdmin(TenantAdmin):
    """What waits on each account, and why; an account's own page pauses and resumes it."""

    tenant_path = "domain__tenant"
    change_role = None
    list_display = [
        "account_link",
        "due",
        "sending",
        "scheduled",
        "retrying",
        "sent",
        "oldest",
        "held",
    ]
    list_display_links = None
    list_filter = ["domain"]
    search_fields = ["email_address"]
    ordering = ["email_address"]
    list_per_page = ACCOUNTS_AT_ONCE
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[QueueList]:
        return QueueList

    @display(description=_("account"), ordering="email_address")
    def account_link(self, row: Any) -> str:
        url = reverse("admin:accounts_emailaccount_change", args=[row.pk])
        return format_html('<a href="{}">{}</a>', url, row.email_address)

    @display(description=_("due"))
    def due(self, row: Any) -> str:
        return str(row.queue.due if row.queue else 0)

    @display(description=_("sending"))
    def sending(self, row: Any) -> str:
        return str(row.queue.sending if row.queue else 0)

    @display(description=_("scheduled"))
    def scheduled(self, row: Any) -> str:
        return str(row.queue.scheduled if row.queue else 0)

    @display(description=_("retrying"))
    def retrying(self, row: Any) -> str:
        return str(row.queue.retrying if row.queue else 0)

    @display(description=_("sent in the last minute"))
    def sent(self, row: Any) -> int:
        return row.queue.sent if row.queue else 0

    @display(description=_("oldest"))
    def oldest(self, row: Any) -> datetime | None:
        return row.queue.oldest if row.queue else None

    @display(description=_("why it waits"))
    def held(self, row: Any) -> str:
        queue: AccountQueue | None = row.queue
        return queue.held if queue else ""
