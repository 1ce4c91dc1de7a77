"""Trying a prompt version out on a past mail: beside what was decided, what it says now."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from ai_triage import tryouts
from ai_triage.judging import opinion
from ai_triage.kinds import Decision
from ai_triage.models import PromptVersion, ReviewReason, TriageResult
from ai_triage.models.choices import DECISIONS, EMAIL_TYPES, URGENCIES
from ai_triage.providers import registry
from ai_triage.providers.rules import RulesProvider
from ai_triage.tryouts import Tried
from common.errors import Refused
from tenants.admin_base import TenantAdmin
from tenants.roles import LEAST_ROLE, Verb

FOLDER = "admin/ai_triage/promptversion"
SHOWN_BODY = 20_000
NAMES: dict[str, Any] = {**dict(DECISIONS), **dict(EMAIL_TYPES), **dict(URGENCIES)}


@dataclass(frozen=True)
class Side:
    """One of the two verdicts, in words; ``usage`` is empty where nobody was asked."""

    decision: str = ""
    decision_name: Any = ""
    email_type: Any = ""
    urgency: str = ""
    urgency_name: Any = ""
    confidence: str = ""
    reason: str = ""
    review_reason: Any = ""
    subject: str = ""
    draft: str = ""
    usage: str = ""


class TryoutPages(TenantAdmin):
    """The page of a version on which it is tried out: by who may change prompts, seen by all."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.try_view)
        own = path("<int:pk>/try/", view, name="ai_triage_promptversion_try")
        inherited: list[URLPattern] = super().get_urls()
        return [own, *inherited]

    def try_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the mails to choose from, and the chosen one; asked by POST, both verdicts."""
        version: PromptVersion = self.row_or_404(request, pk)
        tenant, text = version.prompt.tenant, request.GET.get("q", "").strip()
        may = self.has_role(request, LEAST_ROLE[Verb.EDIT_PROMPTS], tenant=tenant.pk)
        mail = self._chosen_mail(request, version)
        context: dict[str, Any] = {"version": version, "mail": mail, "may_try": may}
        if mail is not None:
            context |= {
                "body": mail.body[:SHOWN_BODY],
                "is_cut": len(mail.body) > SHOWN_BODY,
                "then": then(mail),
                "people": people(mail),
                "address": f"?{urlencode({'q': text, 'mail': mail.pk})}",
                "is_rules_alone": registry.configured().name == RulesProvider.name,
            }
        if request.method == "POST":
            if not may or mail is None:
                raise Http404
            context |= asked(version, mail, by=request.user.get_username())
            if "HX-Request" in request.headers:
                return TemplateResponse(request, f"{FOLDER}/asked.html", context)
        return TemplateResponse(
            request,
            f"{FOLDER}/try.html",
            {
                **self.admin_site.each_context(request),
                **context,
                "opts": self.opts,
                "title": _("Try out %(version)s") % {"version": version},
                "text": text,
                "mails": tryouts.find(tenant, text),
                "searched": tryouts.SEARCHED,
            },
        )

    @staticmethod
    def _chosen_mail(request: HttpRequest, version: PromptVersion) -> TriageResult | None:
        wanted = request.GET.get("mail", "")
        if not wanted:
            return None
        if not wanted.isdecimal():
            raise Http404
        rows = tryouts.past_mails(version.prompt.tenant)
        related = ("tenant", "inbound", "prompt__prompt")
        return get_object_or_404(rows.select_related(*related), pk=wanted)


def asked(version: PromptVersion, mail: TriageResult, *, by: str) -> dict[str, Any]:
    """Return what the version says of the mail, or why it says nothing."""
    try:
        tried = tryouts.try_out(version, mail, by=by)
    except Refused as refusal:
        return {"failure": refusal.detail}
    return {"now": now(tried), "failure": tried.failure}


def then(mail: TriageResult) -> Side:
    """Return what was decided when the mail came."""
    return Side(
        decision=mail.decision,
        decision_name=mail.get_decision_display(),
        email_type=mail.get_email_type_display(),
        urgency=mail.urgency,
        urgency_name=mail.get_urgency_display(),
        confidence="" if mail.confidence is None else f"{mail.confidence:.0%}",
        reason=mail.reason,
        review_reason=mail.get_review_reason_display(),
        subject=mail.suggested_subject,
        draft=mail.suggested_body,
        usage=usage(
            mail.model_version or mail.provider,
            tokens=(mail.input_tokens, mail.output_tokens),
            cost=mail.cost,
            seconds=mail.processing_time_seconds,
        ),
    )


def now(tried: Tried) -> Side:
    """Return what the version says; without a verdict what it cost all the same."""
    spent, verdict = tried.spent, tried.verdict
    cost = spent and usage(
        spent["model_version"] or spent["provider"],
        tokens=(spent["input_tokens"], spent["output_tokens"]),
        cost=spent["cost"],
        seconds=tried.seconds,
    )
    if verdict is None:
        return Side(usage=cost or "")
    draft = verdict.suggested_response
    return Side(
        decision=verdict.decision,
        decision_name=NAMES[verdict.decision],
        email_type=NAMES[verdict.email_type],
        urgency=verdict.urgency,
        urgency_name=NAMES[verdict.urgency],
        confidence=f"{verdict.confidence:.0%}",
        reason=verdict.reason,
        review_reason=ReviewReason(tried.review_reason).label if tried.review_reason else "",
        subject=draft.subject if draft else "",
        draft=draft.body if draft else "",
        usage=cost or "",
    )


def people(mail: TriageResult) -> Side | None:
    """Return what people made of the verdict, None where nobody reviewed the mail."""
    feedback = list(mail.feedback.all())
    if not feedback:
        return None
    final = opinion(mail, *feedback)
    return Side(
        decision=final.decision,
        decision_name=NAMES[Decision(final.decision)],
        email_type=NAMES[final.email_type],
        urgency=final.urgency,
        urgency_name=NAMES[final.urgency],
    )


def usage(
    model: str, *, tokens: tuple[int, int], cost: Decimal | None, seconds: float | None
) -> str:
    """Return in one line who was asked, for how long, and what it was billed."""
    parts: list[Any] = [model]
    if seconds is not None:
        parts.append(f"{seconds:.1f} s")
    if any(tokens):
        given = {"input": tokens[0], "output": tokens[1]}
        parts.append(_("%(input)d tokens in, %(output)d out") % given)
        parts.append(_("price unknown") if cost is None else f"{cost:.6f} US$")
    return " · ".join(str(part) for part in parts if part)
