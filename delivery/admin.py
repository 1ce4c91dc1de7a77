"""Batches and suppressions for staff."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin import SimpleListFilter, display
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import FieldTextFilter
from unfold.decorators import action
from unfold.paginator import InfinitePaginator

from delivery import suppression_lists
from delivery.account_pages import AccountPages
from delivery.compose_pages import ComposePages
from delivery.message_pages import MessagePages
from delivery.models import SendBatch, SendingQueue, Suppression, SuppressionQuerySet
from delivery.status import AccountQueue, account_queues
from delivery.suppression_forms import ExportForm, ImportForm, SuppressionForm, TenantForm
from delivery.tallies import ACCOUNTS_AT_ONCE
from delivery.template_tests import TemplateTests
from logs.models import EmailLog, EmailStatus
from tenants.admin_base import LongList, TenantAdmin, identity, user_of
from tenants.admin_each import are_too_many, start_for_each
from tenants.models import Role
from tenants.roles import LEAST_ROLE, Verb, tenants_of

SHOWN_BEFORE_REMOVAL = 20
STATUS = "status__exact"


class ForceFilter(SimpleListFilter):
    """Entries that keep mail away now, or did until their end."""

    title = _("in force")
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("in force")), ("no", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        entries = cast(SuppressionQuerySet, queryset)
        match self.value():
            case "yes":
                return entries.in_force(at=timezone.now())
            case "no":
                return entries.ended(at=timezone.now())
        return entries


class SuppressionList(LongList):
    """Reads of an entry's source what is shown of it."""

    def named(self) -> Sequence[str | Prefetch[Any, Any, Any]]:
        return ["tenant", Prefetch("source", EmailLog.objects.only("subject"))]


@admin.register(Suppression)
class SuppressionAdmin(TenantAdmin):
    """Who gets no mail; an entry is added or removed, seldom changed."""

    change_role = Role.EDITOR
    form = SuppressionForm
    list_display = [
        "address",
        "reason",
        "topic",
        "source_link",
        "created_at",
        "expires_at",
        "tenant",
    ]
    list_filter = ["reason", ForceFilter, ("topic", FieldTextFilter), "tenant"]
    list_filter_submit = True
    list_class = SuppressionList
    list_per_page = 50
    search_fields = ["address"]
    search_help_text = _("Address")
    ordering = ["-id"]
    paginator = InfinitePaginator
    show_full_result_count = False
    actions = ["delete_selected"]
    actions_list = ["take_over", "give_away"]
    fields = ["tenant", "address", "topic", "reason", "expires_at", "source_link", "created_at"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find addresses by their normalized spelling, which is how they are kept."""
        found: tuple[QuerySet[Any], bool]
        found = super().get_search_results(request, queryset, search_term.casefold())
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = [*super().get_readonly_fields(request, obj), "source_link", "created_at"]
        return [*fields, "address", "topic"] if obj else fields

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        entry, _is_new = Suppression.objects.enter(
            obj.address,
            tenant=obj.tenant,
            topic=obj.topic,
            reason=obj.reason,
            expires_at=obj.expires_at,
        )
        obj.pk, obj.created_at = entry.pk, entry.created_at

    @display(description=_("source"))
    def source_link(self, entry: Suppression) -> str:
        if entry.source is None:
            return "–"
        url = reverse("admin:logs_emaillog_change", args=[entry.source_id])
        subject = Truncator(entry.source.subject).chars(60) or _("(no subject)")
        return format_html('<a href="{}">{}</a>', url, subject)

    # Many at once

    @admin.action(description=_("Remove the chosen suppressions"), permissions=["delete"])
    def delete_selected(
        self, request: HttpRequest, rows: QuerySet[Suppression]
    ) -> HttpResponse | None:
        """Ask once more, and remove the chosen entries as a job."""
        if "post" in request.POST:
            return start_for_each(self, request, rows, kind=suppression_lists.REMOVAL)
        if are_too_many(self, request, rows):
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Remove suppressions"),
            "count": rows.count(),
            "entries": rows[:SHOWN_BEFORE_REMOVAL],
            "keys": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "across": request.POST.get("select_across", "0"),
        }
        return TemplateResponse(request, "delivery/admin/remove.html", context)

    @action(  # type: ignore[untyped-decorator]  # unfold has no types
        description=_("Import"), url_path="import", permissions=["editor"]
    )
    def take_over(self, request: HttpRequest) -> HttpResponse:
        """Ask for a list, and take it over as a job."""
        form = self._form(ImportForm, request)
        if not form.is_valid():
            explanation = _(
                "CSV with the columns address, reason, topic and expires_at, or one address a "
                "line; UTF-8, at most 25 MB. Lines that can't be taken are listed afterwards."
            )
            return self._ask(request, form, title=_("Import suppressions"), verb=_("Import"),
                             explanation=explanation)  # fmt: skip
        given = form.cleaned_data
        job = suppression_lists.start_import(
            given["file"],
            tenant=given["tenant"],
            created_by=user_of(request),
            reason=given["reason"],
            topic=given["topic"],
        )
        return redirect("admin:tenants_backgroundjob_change", job.pk)

    @action(  # type: ignore[untyped-decorator]  # unfold has no types
        description=_("Export"), url_path="export", permissions=["editor"]
    )
    def give_away(self, request: HttpRequest) -> HttpResponse:
        """Ask which entries, and write them to a file as a job."""
        form = self._form(ExportForm, request)
        if not form.is_valid():
            explanation = _("A CSV file of the tenant's suppressions, as the import takes them.")
            return self._ask(request, form, title=_("Export suppressions"), verb=_("Export"),
                             explanation=explanation)  # fmt: skip
        given = form.cleaned_data
        job = suppression_lists.start_export(
            tenant=given["tenant"],
            created_by=user_of(request),
            filters={name: given[name] for name in ("reason", "topic", "in_force")},
        )
        return redirect("admin:tenants_backgroundjob_change", job.pk)

    @staticmethod
    def _form(kind: type[TenantForm], request: HttpRequest) -> TenantForm:
        """Return the form, filled in where it was posted: asking by GET starts nothing."""
        tenants = tenants_of(request.user, least=LEAST_ROLE[Verb.EDIT_SUPPRESSIONS])
        posted = (request.POST, request.FILES) if request.method == "POST" else ()
        return kind(*posted, tenants=tenants.order_by("name"))

    def _ask(self, request: HttpRequest, form: TenantForm, **texts: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "form": form,
            "back": _("Back to the suppressions"),
        }
        return TemplateResponse(request, "tenants/admin/job_form.html", {**context, **texts})


@admin.register(SendBatch)
class SendBatchAdmin(AccountPages, ComposePages, TemplateTests, MessagePages):
    """What bulk requests came to."""

    change_role = None
    list_display = ["shown_id", "template", "accepted", "rejected_count", "created_at", "tenant"]
    list_filter = ["tenant"]
    list_class = LongList
    list_select_related = ["tenant", "template"]
    list_per_page = 50
    ordering = ["-id"]
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = [
        "shown_id",
        "tenant",
        "template",
        "accepted",
        "by_status",
        "messages_link",
        "rejected_table",
        "created_at",
    ]
    readonly_fields = fields

    shown_id = identity("public_id")

    @display(description=_("rejected"))
    def rejected_count(self, batch: SendBatch) -> int:
        return len(batch.rejected)

    @display(description=_("messages"))
    def messages_link(self, batch: SendBatch) -> str:
        url = reverse("admin:logs_emaillog_changelist")
        return format_html('<a href="{}?batch_id={}">{}</a>', url, batch.public_id, _("Show them"))

    @display(description=_("status"))
    def by_status(self, batch: SendBatch) -> str:
        """Say how many messages are in each state, each a way to them."""
        url, counts = reverse("admin:logs_emaillog_changelist"), counts_by_status(batch)
        ways = (
            (
                url,
                urlencode({"batch_id": str(batch.public_id), STATUS: status.value}),
                status.label,
                count,
            )
            for status in EmailStatus
            if (count := counts[status])
        )
        return format_html_join(", ", '<a href="{}?{}">{}: {}</a>', ways) or "–"

    @display(description=_("rejected"))
    def rejected_table(self, batch: SendBatch) -> str:
        return "\n".join(
            f"{row['index']}: {row['to_address']}: {row['detail']}" for row in batch.rejected[:200]
        )


def counts_by_status(batch: SendBatch) -> Counter[str]:
    """Return how many of the batch's messages, 10,000 at most, are in each state.

    In the order of the batch's index: grouped, a database may read all of the tenant's by theirs.
    """
    own = EmailLog.objects.for_tenant(batch.tenant).filter(batch_id=batch.public_id)
    return Counter(own.order_by("pk").values_list("status", flat=True))


class QueueList(ChangeList):
    """Counts the open messages of the accounts on the page, all at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: Sequence[Any] = list(self.result_list)
        queues = account_queues(at=timezone.now(), accounts=rows)
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
    list_class = QueueList
    list_select_related = ["domain__tenant", "usage"]
    search_fields = ["email_address"]
    ordering = ["email_address"]
    list_per_page = ACCOUNTS_AT_ONCE
    show_full_result_count = False

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
