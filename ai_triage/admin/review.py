"""The review queue: what waits for a person, and one page on which to judge and answer a mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import BooleanFieldListFilter, SimpleListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from ai_triage import conversations, review
from ai_triage.admin import queue
from ai_triage.admin.inbox import InboxAdmin
from ai_triage.admin.queue import URGENCY_COLOURS, waiting_for
from ai_triage.admin.review_form import (
    CORRECT,
    IGNORE,
    KEEP,
    SEND,
    ReviewForm,
    corrected_form,
    filled_for,
    state_of,
)
from ai_triage.api.serializers import HEAVY
from ai_triage.kinds import Decision
from ai_triage.models import Snippet, Status, TriageResult
from ai_triage.models.results import key_of, urgency_rank
from ai_triage.review import Correction
from common.errors import Conflict, Refused
from common.templatetags import ages
from tenants.admin_base import LongList, is_list
from tenants.models import Mode

MOST_OF_CONVERSATION = 20
MOST_COUNTED = 100
SHOWN_BODY = 50_000
STATE_COLOURS: dict[str, str] = {
    "waiting": "info",
    "answered": "success",
    "reviewed": "default",
    Status.QUEUED: "default",
    Status.PROCESSING: "default",
    Status.COMPLETED: "default",
    Status.FAILED: "danger",
}
STATES = [
    ("answered", _("answered")),
    ("reviewed", _("reviewed")),
    ("open", _("not judged yet")),
    ("failed", _("failed")),
    ("all", _("all")),
]
LANGUAGES = [("en", _("English")), ("pt-PT", _("Portuguese")), ("pt-BR", _("Brazilian Portuguese"))]
PROVIDERS = [("gemini", "Gemini"), ("openai", "OpenAI"), ("rules", _("rules"))]


class StateFilter(SimpleListFilter):
    """What waits for a person, unless something else is asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return STATES

    def choices(self, changelist: Any) -> Any:
        inherited = list(super().choices(changelist))
        return [{**inherited[0], "display": _("waiting for a person")}, *inherited[1:]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows = TriageResult.objects.filter(pk__in=[]) if queryset is None else queryset
        if self.value() == "all":
            return rows
        if self.value() == "answered":
            return rows.filter(responded_at__isnull=False)
        if self.value() == "reviewed":
            return rows.filter(reviewed_at__isnull=False)
        if self.value() == "open":
            return rows.filter(status__in=[Status.QUEUED, Status.PROCESSING])
        if self.value() == "failed":
            return rows.filter(status=Status.FAILED)
        return waiting_for(request, rows)


class NeedsReviewFilter(BooleanFieldListFilter):
    """A bare boolean column would not use its index, ``IN (1)`` does."""

    horizontal = True  # as unfold shows Django's own

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.lookup_val in ("0", "1"):
            return queryset.filter(needs_review__in=[self.lookup_val == "1"])
        rows: QuerySet[Any] = super().queryset(request, queryset)  # type: ignore[assignment]
        return rows


class LanguageFilter(SimpleListFilter):
    title = _("language")
    parameter_name = "language"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return LANGUAGES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(language=self.value()) if self.value() else queryset


class ProviderFilter(SimpleListFilter):
    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return PROVIDERS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


@admin.register(TriageResult)
class ReviewAdmin(InboxAdmin):
    """Nothing of a result is edited; people say what they think of it and answer."""

    change_role = None
    list_display = [
        "urgency_label",
        "sender",
        "short_subject",
        "email_type",
        "decision_label",
        "percent",
        "age",
        "state_label",
    ]
    list_display_links = ["sender", "short_subject"]
    list_class = LongList
    list_filter = [
        StateFilter,
        ("needs_review", NeedsReviewFilter),
        "decision",
        "email_type",
        "urgency",
        LanguageFilter,
        ProviderFilter,
        "mode",
        "tenant",
    ]
    search_fields = ["from_address", "from_name", "subject", "email_id"]
    search_help_text = _("Sender, subject or id")
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    fields: Sequence[str] = []

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        is_queue = "state" not in request.GET
        return [urgency_rank(), "received_at", "pk"] if is_queue else ["-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.defer(*HEAVY) if is_list(request) else rows.select_related("tenant", "inbound")

    def waiting_count(self, request: HttpRequest) -> str:
        """Return how many wait, as the navigation shows it; empty for none."""
        waiting = waiting_for(request, TriageResult.objects.all())
        count = waiting.order_by().values("pk")[:MOST_COUNTED].count()
        return f"{MOST_COUNTED - 1}+" if count >= MOST_COUNTED else str(count or "")

    # Columns

    @display(description=_("urgency"), label=URGENCY_COLOURS)  # type: ignore[untyped-decorator]
    def urgency_label(self, row: TriageResult) -> tuple[str, str]:
        return row.urgency, row.get_urgency_display() or "–"

    @admin.display(description=_("from"), ordering="from_address")
    def sender(self, row: TriageResult) -> str:
        return row.from_name or row.from_address or "–"

    @admin.display(description=_("subject"))
    def short_subject(self, row: TriageResult) -> str:
        return Truncator(row.subject).chars(70) or str(_("(no subject)"))

    @admin.display(description=_("decision"), ordering="decision")
    def decision_label(self, row: TriageResult) -> str:
        return row.get_decision_display() or "–"

    @admin.display(description=_("confidence"), ordering="confidence")
    def percent(self, row: TriageResult) -> str:
        return "–" if row.confidence is None else f"{row.confidence:.0%}"

    @admin.display(description=_("age"), ordering="-received_at")
    def age(self, row: TriageResult) -> str:
        return ages.age(row.received_at)

    @display(description=_("state"), label=STATE_COLOURS)  # type: ignore[untyped-decorator]
    def state_label(self, row: TriageResult) -> tuple[str, Any]:
        if row.responded_at:
            return "answered", _("answered automatically") if row.is_automatic else _("answered")
        if row.awaits_answer:
            return "waiting", _("waiting")
        if row.reviewed_at:
            return "reviewed", _("reviewed")
        if row.status == Status.FAILED:
            return "failed", _("failed")
        if row.needs_review:
            return "waiting", row.get_review_reason_display() or _("waiting")
        if row.status == Status.COMPLETED and row.decision == Decision.RESPOND:
            return "waiting", _("waiting")
        return row.status, row.get_status_display()

    # One mail

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        result: TriageResult | None = self.get_object(request, object_id)
        if result is None:
            missing: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return missing
        if not self.has_view_permission(request, result):
            raise PermissionDenied
        if request.method == "POST":
            return self._act(request, result)
        return self._page(request, result)

    def _act(self, request: HttpRequest, result: TriageResult) -> HttpResponse:
        if not self.has_editor_permission(request, result):
            raise PermissionDenied
        form = ReviewForm(request.POST, result=result)
        if not form.is_valid():
            return self._page(request, result, form=form)
        if form.cleaned_data["seen"] != state_of(result):
            text = _("Somebody else answered or reviewed this mail meanwhile; nothing was done.")
            self.message_user(request, text, messages.WARNING)
            return redirect(request.get_full_path())
        try:
            told = self._do(request, result, form)
        except Conflict as conflict:
            self.message_user(request, self._told_of(conflict), messages.WARNING)
        except Refused as refusal:
            form.add_error("account" if refusal.attr == "from_account" else None, str(refusal))
        else:
            self.message_user(request, told, messages.SUCCESS)
            if form.cleaned_data["verb"] != CORRECT or not result.awaits_answer:
                return redirect(self._next_address(request, result))
            form = corrected_form(result, form)
        # As it is stored: what was undone is still in ``result``.
        return self._page(request, self.get_object(request, str(result.pk)), form=form)

    @staticmethod
    def _do(request: HttpRequest, result: TriageResult, form: ReviewForm) -> str:
        verb, by, at = form.cleaned_data["verb"], request.user.get_username(), timezone.now()
        if verb == IGNORE:
            review.ignore(result, by=by, at=at, correction=form.correction)
            return str(_("The mail is left unanswered."))
        if verb == CORRECT:
            changed = Correction(**form.correction.against(result))
            review.correct(result, changed, by=by, at=at)
            return str(_("The correction was saved."))
        known = form.cleaned_data["known"]
        if verb == KEEP:
            review.keep_draft(result, form.reply, by=by, at=at, seen=form.cleaned_data["draft"])
            return str(_("The draft was saved; the mail waits."))
        email = review.answer(
            result, form.reply, by=by, at=at, correction=form.correction, known=known
        )
        return str(_("The answer to %(address)s goes out.") % {"address": email.to_address})

    @staticmethod
    def _told_of(conflict: Conflict) -> Any:
        if conflict.code == "already_answered":
            return _(
                "The conversation was answered meanwhile, so nothing was sent. Look at that answer "
                "below; send again if yours is still wanted."
            )
        if conflict.code == "draft_changed":
            return _("Another draft was saved meanwhile. Yours is below; save again to replace it.")
        if conflict.code == "no_verdict":
            return _("This mail has no verdict yet that could be corrected.")
        return _("Somebody else answered or reviewed this mail meanwhile; nothing was done.")

    # What the page shows

    def _page(
        self, request: HttpRequest, result: Any, *, form: ReviewForm | None = None
    ) -> HttpResponse:
        answered = conversations.latest_answer(result)
        initial = filled_for(result, answered=answered)
        if form is None:
            form = ReviewForm(initial=initial, result=result)
        may_act = self.has_editor_permission(request, result)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": result.subject or _("(no subject)"),
            "result": result,
            "body": result.body[:SHOWN_BODY],
            "is_cut": len(result.body) > SHOWN_BODY,
            "form": form,
            # What the page shows now is what the person has seen when the button is pressed.
            "seen": initial["seen"],
            "known": initial["known"],
            "draft": initial["draft"],
            "drafted_by": initial["drafted_by"],
            "may_act": may_act and result.responded_at is None,
            "verbs": {"send": SEND, "ignore": IGNORE, "correct": CORRECT, "keep": KEEP},
            "recipient": conversations.sender_of(result)[0],
            "answered": None if result.responded_at else answered,
            "conversation": self._conversation(result),
            "feedback": result.feedback.order_by("pk"),
            "examples": self._examples(result),
            "snippets": self._snippets(result),
            "next": queue.following(request, result),
        }
        return TemplateResponse(request, "ai_triage/admin/review.html", context)

    @staticmethod
    def _conversation(result: TriageResult) -> QuerySet[TriageResult]:
        rows = conversations.others(result).select_related("response")
        return rows.order_by("-received_at").defer(*HEAVY)[:MOST_OF_CONVERSATION]

    def _examples(self, result: TriageResult) -> list[tuple[dict[str, Any], Any]]:
        """Return the uses of reviewed mails, each with its row while there is one."""
        ids = [use["id"] for use in result.used_examples]
        rows = TriageResult.objects.for_tenant(result.tenant).filter(
            mode__in={Mode.LIVE, result.mode}, email_key__in=[key_of(one) for one in ids]
        )
        own_last = rows.defer(*HEAVY).order_by("mode")  # test mail learns from live mail, too
        by_id = {row.email_id: row for row in own_last}
        return [(use, by_id.get(use["id"])) for use in result.used_examples]

    def _snippets(self, result: TriageResult) -> list[tuple[dict[str, Any], Any]]:
        ids = [use["id"] for use in result.used_snippets]
        rows = Snippet.objects.for_tenant(result.tenant).filter(public_id__in=ids)
        by_id = {str(row.public_id): row for row in rows}
        return [(use, by_id.get(use["id"])) for use in result.used_snippets]

    def _next_address(self, request: HttpRequest, result: TriageResult) -> str:
        following = queue.following(request, result)
        if following is None:
            return reverse("admin:ai_triage_triageresult_changelist")
        return reverse("admin:ai_triage_triageresult_change", args=[following.pk])
