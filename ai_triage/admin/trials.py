"""Trials of two prompt versions for staff: started, watched and ended here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from ai_triage import trials
from ai_triage.comparison import Arm, Comparison, Outcome
from ai_triage.models import Experiment
from common.errors import Conflict, Refused
from tenants.admin_base import OneTenantForm, TellingAdmin
from tenants.admin_versions import button
from tenants.roles import LEAST_ROLE, Verb

PAGE = "admin:ai_triage_experiment_change"
VERDICTS = {
    Outcome.BETTER: (_("B is better"), "success"),
    Outcome.WORSE: (_("B is worse"), "danger"),
    Outcome.NOT_ENOUGH: (_("Not enough mail yet"), "info"),
}
ENDINGS = {"stop": _("Stop"), "a": _("Stop and use A"), "b": _("Stop and use B")}


class TrialForm(OneTenantForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors and not self.instance.pk:
            self._check()
        return cleaned

    def _check(self) -> None:
        given = self.cleaned_data
        try:
            trials.check(given["tenant"], **{name: given[name] for name in ("a", "b", "share_b")})
        except Refused as refusal:
            self.add_error(refusal.attr, refusal.detail)
        if Experiment.objects.filter(running_for=given["tenant"]).exists():
            self.add_error("tenant", _("A trial runs already; stop it first."))


@admin.register(Experiment)
class TrialAdmin(TellingAdmin):
    """A trial is started by adding it; after that it can only end."""

    change_role = LEAST_ROLE[Verb.EDIT_PROMPTS]
    form = TrialForm
    list_display = ["name", "a", "b", "share_b", "is_running", "started_at", "ended_at", "tenant"]
    list_filter = ["tenant"]
    list_select_related = ["tenant", "a__prompt", "b__prompt"]
    search_fields = ["name"]
    ordering = ["-started_at"]
    autocomplete_fields = ["a", "b"]
    fields = ["tenant", "name", "a", "b", "share_b"]
    seen_fields = ["is_running", "started_at", "ended_at", "created_by", "comparison", "ending"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Experiment]:
        found: QuerySet[Experiment] = super().get_queryset(request)
        return found.select_related("tenant", "a__prompt", "b__prompt")

    def get_fields(self, request: HttpRequest, obj: Experiment | None = None) -> list[str]:
        if obj is None:
            return self.fields
        seen = [*self.fields, *self.seen_fields]
        return seen if self.has_change_permission(request, obj) else seen[:-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.fields, *self.seen_fields] if obj else self.seen_fields

    @admin.display(description=_("running"), boolean=True)
    def is_running(self, experiment: Experiment) -> bool:
        return experiment.running_for_id is not None

    @admin.display(description=_("comparison"))
    def comparison(self, experiment: Experiment) -> SafeString:
        found = trials.comparison(experiment)
        verdict, colour = VERDICTS[found.outcome]
        context = {
            "verdict": verdict,
            "colour": colour,
            "rows": [
                {"letter": "A", "version": experiment.a, "arm": found.a, "share": share(found.a)},
                {"letter": "B", "version": experiment.b, "arm": found.b, "share": share(found.b)},
            ],
            "difference": difference(found),
            "reach": reach(found),
        }
        return render_to_string("admin/ai_triage/experiment/comparison.html", context)

    @admin.display(description="")
    def ending(self, experiment: Experiment) -> SafeString | str:
        if experiment.running_for_id is None:
            return "–"
        urls = {
            name: reverse("admin:ai_triage_experiment_end", args=[experiment.pk, name])
            for name in ENDINGS
        }
        buttons = ((button(urls[name], label),) for name, label in ENDINGS.items())
        return format_html_join(" · ", "{}", buttons)

    # Starting and ending

    def save_model(self, request: HttpRequest, obj: Experiment, form: Any, change: bool) -> None:
        if change:  # every field is read-only then
            return
        given = {name: form.cleaned_data[name] for name in ("name", "a", "b", "share_b")}
        author = request.user.get_username()
        obj.pk = trials.start(obj.tenant, author=author, **given).pk
        obj.refresh_from_db()

    def get_urls(self) -> list[URLPattern]:
        end = path(
            "<int:pk>/end/<str:ending>",
            self.admin_site.admin_view(self.end_view),
            name="ai_triage_experiment_end",
        )
        inherited: list[URLPattern] = super().get_urls()
        return [end, *inherited]

    @method_decorator(require_POST)
    def end_view(self, request: HttpRequest, pk: int, ending: str) -> HttpResponse:
        """Stop the trial; ``a`` and ``b`` let that version judge all mail."""
        experiment = self.row_or_404(request, pk, to_change=True)
        if ending not in ENDINGS:
            raise Http404
        self._end(request, experiment, ending)
        return redirect(PAGE, pk)

    def _end(self, request: HttpRequest, experiment: Experiment, ending: str) -> None:
        now = timezone.now()
        if ending == "stop":
            trials.stop(experiment, at=now)
            text = _("The trial has ended; the active prompt judges.")
            self.message_user(request, text, messages.SUCCESS)
            return
        winner = experiment.a if ending == "a" else experiment.b
        try:
            used = trials.adopt(experiment, winner, author=request.user.get_username(), at=now)
        except (Refused, Conflict) as error:
            self.message_user(request, error.detail, messages.ERROR)
        else:
            text = _("The trial has ended; %(version)s judges the mail.")
            self.message_user(request, text % {"version": used}, messages.SUCCESS)


def share(arm: Arm) -> str:
    """Return the share right in percent with the ends of its 95 % interval."""
    if not arm.reviewed:
        return "–"
    low, high = arm.interval(1.96)
    return f"{arm.share:.0%} ({low:.0%} – {high:.0%})"


def difference(found: Comparison) -> str:
    """Return B less A in points, with the interval that holds however often one looks."""
    text = _("B less A: %(difference)s points, with 95 %% certainty %(low)s to %(high)s.")
    return text % {
        "difference": points(found.difference),
        "low": points(found.low),
        "high": points(found.high),
    }


def reach(found: Comparison) -> str:
    text = _("This much mail would show a difference of %(points)s points or more.")
    return text % {"points": f"{100 * found.detectable:.0f}"}


def points(part: float) -> str:
    return f"{100 * part:+.0f}"
