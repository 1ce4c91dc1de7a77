"""The inbox: what waits at the left, one mail with its draft at the right, the next after each act.

Every page works as plain links and forms. Where HTMX asks, the answer is the part that changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Substr
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from ai_triage import conversations, presence, replies, review
from ai_triage.admin import queue
from ai_triage.admin.queue import Choice, Place
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
from ai_triage.models import Action, Feedback, TriageResult
from ai_triage.models.choices import URGENCIES
from ai_triage.own_words import own_words, passages
from ai_triage.presence import Looker
from ai_triage.review import Correction
from common.errors import Conflict, Refused
from tenants.admin_base import TenantAdmin, roles_in
from tenants.models import Role
from tenants.roles import tenants_of

UNDO = timedelta(seconds=10)
"""So long an answer waits before it goes, and so long the page offers to take an act back."""
MOST_OF_CONVERSATION = 20
SHOWN_BODY = 50_000
SHOWN_OF_OTHERS = 5_000
CONFIDENCES = [
    (Decimal("0.95"), gettext_lazy("almost certain")),
    (Decimal("0.8"), gettext_lazy("fairly sure")),
    (Decimal("0.6"), gettext_lazy("unsure")),
    (Decimal(0), gettext_lazy("little more than a guess")),
]


@dataclass(frozen=True)
class Told:
    """What the page says of what was done; ``undo`` is the act that can still be taken back."""

    text: str
    is_bad: bool = False
    undo: Feedback | None = None
    unsent: str = ""


NOTHING = Told("")


class InboxAdmin(TenantAdmin):
    """The pages of the inbox, beside the list of all mail."""

    front = "inbox"

    def get_urls(self) -> list[URLPattern]:
        pages = [
            ("inbox/", require_GET(self.inbox), "inbox"),
            ("inbox/<int:pk>/", self.inbox_mail, "inbox_mail"),
            ("inbox/<int:pk>/look/", require_POST(self.inbox_look), "inbox_look"),
            ("inbox/<int:pk>/undo/", require_POST(self.inbox_undo), "inbox_undo"),
        ]
        own = [
            path(route, self.admin_site.admin_view(view), name=f"ai_triage_triageresult_{name}")
            for route, view, name in pages
        ]
        return [*own, *super().get_urls()]

    # Pages

    def inbox(self, request: HttpRequest) -> HttpResponse:
        """Show the queue and its first mail; for HTMX only the list, or more of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        choice = Choice.of(request.GET)
        if is_partial(request):
            context = self._list(request, choice, after=request.GET.get("after", ""))
            return self._part(request, "list", context | {"is_more": "after" in request.GET})
        first = queue.free(queue.queue_of(request, choice), request)
        result = first and self.row_or_404(request, first.pk)
        return self._whole(request, result, choice, told=self._done(request), is_open=False)

    def inbox_mail(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show one mail, or do with it what the pressed button says."""
        result: TriageResult = self.row_or_404(request, pk)
        choice = Choice.of(request.GET)
        if request.method == "POST":
            return self._act_on(request, result, choice)
        if is_partial(request):
            return self._part(request, "mail", self._mail(request, result, choice))
        return self._whole(request, result, choice, told=self._done(request))

    def inbox_look(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Renew that the user looks at the mail; tell who else does or what became of it."""
        result = self.row_to_act_on(request, pk, least=Role.EDITOR)
        is_news = request.POST.get("seen", "") != state_of(result)
        context = {
            "result": result,
            "looker": self._looker(request, result),
            "news": self._who_was_faster(result) if is_news else "",
            "seen": request.POST.get("seen", ""),
            "choice": Choice.of(request.GET),
        }
        return self._part(request, "looker", context)

    def inbox_undo(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take back what the user did last with the mail, and show the mail again."""
        result = self.row_to_act_on(request, pk, least=Role.EDITOR)
        said = self._own_act(request, request.POST.get("act", ""), result=result)
        if said is None:
            raise Http404
        try:
            review.undo(said, by=request.user.get_username(), at=timezone.now())
        except Conflict as conflict:
            told = Told(self._why_not_undone(conflict), is_bad=True)
        else:
            told = Told(_("Taken back. The mail waits as before."))
        fresh = self.row_or_404(request, pk)
        return self._after(request, fresh, Choice.of(request.GET), told=told)

    # Acts

    def _act_on(self, request: HttpRequest, result: TriageResult, choice: Choice) -> HttpResponse:
        if not self.has_editor_permission(request, result):
            raise PermissionDenied
        form = ReviewForm(request.POST, result=result)
        if not form.is_valid():
            told = Told(_("Nothing was done yet; see what is marked below."), is_bad=True)
            return self._again(request, result, choice, told=told, form=form)
        verb = form.cleaned_data["verb"]
        if form.cleaned_data["seen"] != state_of(result):
            told = Told(self._who_was_faster(result), is_bad=True)
            return self._again(request, result, choice, told=told, form=form)
        following = queue.following(request, result, choice)
        try:
            said = self._carry_out(request, result, form)
        except (Conflict, Refused) as error:
            return self._refused(request, result, choice, error=error, form=form)
        told = self._words_on(said) if said else Told(_("The draft was saved; the mail waits."))
        if verb == CORRECT and result.awaits_answer:
            fresh = self.row_or_404(request, result.pk)
            again = corrected_form(fresh, form)
            return self._again(request, fresh, choice, told=told, form=again)
        row = following and self.row_or_404(request, following.pk)
        return self._after(request, row, choice, told=told, settled=result)

    @staticmethod
    def _carry_out(request: HttpRequest, result: TriageResult, form: ReviewForm) -> Feedback | None:
        """Do what the button says; return what was noted of it, nothing for a draft."""
        given, by, at = form.cleaned_data, request.user.get_username(), timezone.now()
        if given["verb"] == KEEP:
            review.keep_draft(result, form.reply, by=by, at=at, seen=given["draft"])
            return None
        if given["verb"] == IGNORE:
            return review.ignore(result, by=by, at=at, correction=form.correction)
        if given["verb"] == CORRECT:
            changed = Correction(**form.correction.against(result))
            return review.correct(result, changed, by=by, at=at)
        review.answer(
            result,
            form.reply,
            by=by,
            at=at,
            correction=form.correction,
            known=given["known"],
            send_at=at + UNDO,
        )
        return result.feedback.order_by("pk").last()

    def _refused(
        self,
        request: HttpRequest,
        result: TriageResult,
        choice: Choice,
        *,
        error: Conflict | Refused,
        form: ReviewForm,
    ) -> HttpResponse:
        """Show the mail as it is stored now, and what the person had written."""
        fresh = self.row_or_404(request, result.pk)
        if isinstance(error, Refused):
            form.add_error("account" if error.attr == "from_account" else None, str(error))
            told = Told(_("Nothing was done yet; see what is marked below."), is_bad=True)
        else:
            told = Told(self._why_not(error, fresh), is_bad=True)
        return self._again(request, fresh, choice, told=told, form=form)

    def _again(
        self,
        request: HttpRequest,
        result: TriageResult,
        choice: Choice,
        *,
        told: Told,
        form: ReviewForm,
    ) -> HttpResponse:
        """Show the same mail once more with all that was typed."""
        if result.responded_at is not None:
            told = replace(told, unsent=form.data.get("body", ""))
        if not is_partial(request):
            return self._whole(request, result, choice, told=told, form=form)
        context = self._mail(request, result, choice, form=form)
        context |= self._list(request, choice, selected=result) | {"told": told}
        return self._part(request, "answer", context)

    def _after(
        self,
        request: HttpRequest,
        result: TriageResult | None,
        choice: Choice,
        *,
        told: Told,
        settled: TriageResult | None = None,
    ) -> HttpResponse:
        """Go on to ``result``, with a word on what was done."""
        names = "admin:ai_triage_triageresult_inbox"
        address = reverse(f"{names}_mail", args=[result.pk]) if result else reverse(names)
        if not is_partial(request):
            if told.undo is None:
                level = messages.WARNING if told.is_bad else messages.SUCCESS
                self.message_user(request, told.text, level)
            act = told.undo.pk if told.undo else None
            return redirect(address + choice.query(done=act))
        context = self._mail(request, result, choice)
        context |= self._list(request, choice, selected=result) | {"told": told}
        part = self._part(request, "answer", context)
        part["HX-Replace-Url"] = address + choice.query()
        if settled is not None:
            part["X-Settled"] = str(settled.pk)
        return part

    # Words

    def _done(self, request: HttpRequest) -> Told:
        """Return what to say of the act that a redirect names, as long as it is the user's own."""
        said = self._own_act(request, request.GET.get("done", ""))
        if said is None or said.created_at <= timezone.now() - UNDO:
            return NOTHING
        may_undo = self.has_editor_permission(request, said.result)
        return self._words_on(said) if may_undo else NOTHING

    @staticmethod
    def _own_act(
        request: HttpRequest, text: str, *, result: TriageResult | None = None
    ) -> Feedback | None:
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            return None
        own = {"by": request.user.get_username(), "result__tenant__in": list(roles_in(request))}
        rows = Feedback.objects.filter(pk=int(text), **own)
        if result is not None:
            rows = rows.filter(result=result)
        return rows.select_related("result__tenant", "result__response").first()

    @staticmethod
    def _words_on(said: Feedback) -> Told:
        result = said.result
        if said.action == Action.IGNORED:
            return Told(_("The mail is left unanswered."), undo=said)
        if result.responded_at is None:
            text = _("The correction was saved; the mail still needs its answer.")
            is_open = result.awaits_answer
            return Told(text if is_open else _("The correction was saved."), undo=said)
        address = conversations.sender_of(result)[0]
        text = _("The answer to %(address)s goes out in %(seconds)d seconds.")
        return Told(text % {"address": address, "seconds": UNDO.seconds}, undo=said)

    def _why_not(self, conflict: Conflict, result: TriageResult) -> str:
        if conflict.code == "already_answered":
            return _(
                "The conversation was answered meanwhile, so nothing was sent. Look at that answer "
                "below; send again if yours is still wanted."
            )
        if conflict.code == "no_verdict":
            return _("This mail has no verdict yet that could be corrected.")
        if conflict.code == "draft_changed":
            draft = review.draft_of(result)
            return _(
                "%(who)s saved another draft meanwhile. Yours is below; save again to replace it."
            ) % {"who": draft.by if draft else "–"}
        return self._who_was_faster(result)

    @staticmethod
    def _why_not_undone(conflict: Conflict) -> str:
        if conflict.code == "already_sent":
            return _("Too late: the answer has gone out.")
        return _("Somebody has gone on with this mail, so nothing was taken back.")

    @staticmethod
    def _who_was_faster(result: TriageResult) -> str:
        """Return who settled the mail and when, in the reader's time."""
        at = result.responded_at or result.reviewed_at
        if at is None:
            return _("The mail waits again; look at it once more.")
        told = {
            "who": result.reviewed_by or "–",
            "time": date_format(timezone.localtime(at), "TIME_FORMAT"),
        }
        if result.is_automatic:
            return _("This mail was answered automatically at %(time)s.") % told
        if result.responded_at is not None:
            return _("%(who)s answered this mail at %(time)s; nothing of yours was sent.") % told
        return _("%(who)s reviewed this mail at %(time)s; nothing of yours was done.") % told

    # What is shown

    def _whole(
        self,
        request: HttpRequest,
        result: TriageResult | None,
        choice: Choice,
        *,
        told: Told = NOTHING,
        form: ReviewForm | None = None,
        is_open: bool = True,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Review queue"),
            "content_title": _("Review queue"),
            "is_fullwidth": "1",
            "is_open": is_open,
            "told": told,
            **self._list(request, choice, selected=result),
            **self._mail(request, result, choice, form=form),
        }
        return TemplateResponse(request, "ai_triage/admin/inbox/page.html", context)

    def _part(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        part = TemplateResponse(request, f"ai_triage/admin/inbox/{name}.html", context)
        part["X-Inbox"] = "1"  # tells it from the sign-in that a redirect leads to
        return part

    def _list(
        self,
        request: HttpRequest,
        choice: Choice,
        *,
        selected: TriageResult | None = None,
        after: str = "",
    ) -> dict[str, Any]:
        rows: QuerySet[Any] = queue.queue_of(request, choice)
        last = self.get_object(request, after) if after else None
        if last is not None:
            rows = queue.behind(rows, Place.of(last))
        page = list(rows[: queue.PAGE + 1])
        shown, more = page[: queue.PAGE], page[queue.PAGE :]
        held = presence.lookers([row.pk for row in shown], user=queue.user_of(request))
        is_missing = selected is not None and not after and selected not in shown
        return {
            "pinned": selected if is_missing else None,
            "rows": [(row, held.get(row.pk)) for row in shown],
            "more": choice.query(after=shown[-1].pk) if more else "",
            "selected": selected,
            "choice": choice,
            "query": choice.query(),
            "urgencies": self._urgencies(request, choice),
            "tenants": tenants_of(request.user).order_by("name"),
        }

    @staticmethod
    def _urgencies(request: HttpRequest, choice: Choice) -> list[dict[str, Any]]:
        """Return the choices by urgency, each with how much waits there."""
        names = [
            ("", gettext_lazy("all")),
            *URGENCIES,
            (queue.NOT_KNOWN, gettext_lazy("not judged")),
        ]
        found = queue.counts(request, choice)
        return [
            {
                "title": title,
                "count": found.get(name, "0"),
                "query": replace(choice, urgency=str(name)).query() or "?",
                "is_chosen": choice.urgency == name,
            }
            for name, title in names
            if name != queue.NOT_KNOWN or name in found or choice.urgency == name
        ]

    def _looker(self, request: HttpRequest, result: TriageResult) -> Looker | None:
        user: Any = request.user
        name = user.get_full_name() or user.get_username()
        return presence.look(result.pk, user=user.pk, name=name, at=timezone.now())

    def _mail(
        self,
        request: HttpRequest,
        result: TriageResult | None,
        choice: Choice,
        *,
        form: ReviewForm | None = None,
    ) -> dict[str, Any]:
        if result is None:
            return {"result": None, "choice": choice, "query": choice.query()}
        answered = conversations.latest_answer(result)
        initial = filled_for(result, answered=answered)
        may_act = self.has_editor_permission(request, result)
        # Triage reads a collected mail without what it quotes.
        body = (result.inbound.text if result.inbound else "") or result.body
        return {
            "result": result,
            "choice": choice,
            "query": choice.query(),
            "form": form or ReviewForm(initial=initial, result=result),
            "seen": initial["seen"],
            "known": initial["known"],
            "draft": initial["draft"],
            "drafted_by": initial["drafted_by"],
            "may_act": may_act and result.responded_at is None,
            "looker": self._looker(request, result) if may_act else None,
            "looks": may_act,
            "verbs": {"send": SEND, "ignore": IGNORE, "correct": CORRECT, "keep": KEEP},
            "passages": passages(body[:SHOWN_BODY]),
            "is_cut": len(body) > SHOWN_BODY,
            "sureness": sureness(result),
            "recipient": conversations.sender_of(result)[0],
            "answered": None if result.responded_at else answered,
            "thread": thread_of(result),
            "answer": replies.sent_text(result),
        }


def is_partial(request: HttpRequest) -> bool:
    headers = request.headers
    return headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in headers


def sureness(result: TriageResult) -> str:
    """Return the confidence in words; empty where there is none."""
    if result.confidence is None:
        return ""
    return str(next(words for least, words in CONFIDENCES if result.confidence >= least))


def thread_of(result: TriageResult) -> list[dict[str, Any]]:
    """Return the conversation's other mails, the newest first, with what was answered to each."""
    rows: QuerySet[Any] = conversations.others(result)
    rows = rows.select_related("tenant", "response__content")
    rows = rows.annotate(start=Substr("body", 1, SHOWN_OF_OTHERS)).defer(*HEAVY)
    return [
        {"mail": row, "text": own_words(row.start), "answer": replies.sent_text(row)}
        for row in rows.order_by("-received_at")[:MOST_OF_CONVERSATION]
    ]
