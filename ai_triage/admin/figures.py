"""The figures of each day, and what a confidence is worth."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from ai_triage.analytics import Reason
from ai_triage.calibration import LEAST, Calibration, Costs, Suggestion, calibrate
from ai_triage.evaluation.measures import Bin
from ai_triage.models import ReviewReason, TriageAnalytics
from ai_triage.models.choices import EMAIL_TYPES
from common.rates import mean, percent
from tenants.admin_base import TenantAdmin
from tenants.models import Tenant
from tenants.roles import tenants_of

NAMES: dict[str, Any] = {**dict(ReviewReason.choices), **dict(EMAIL_TYPES)}
SIDE, MARGIN = 320, 40


class CostsForm(forms.Form):
    """Of which tenant, and what a mistake costs against a look."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.none(), label=_("tenant"), widget=UnfoldAdminSelectWidget
    )
    wrong = forms.FloatField(
        label=_("a wrong decision costs"),
        min_value=0.01,
        max_value=1e6,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    look = forms.FloatField(
        label=_("a person's look costs"),
        min_value=0.01,
        max_value=1e6,
        widget=UnfoldAdminDecimalFieldWidget,
    )


@admin.register(TriageAnalytics)
class TriageAnalyticsAdmin(TenantAdmin):
    """What the triage of each day came to; nobody changes it."""

    change_role = None
    actions_list = ["calibration"]
    list_display = [
        "date", "tenant", "mode", "total_processed", "total_responded", "review_share",
        "median", "p95", "cost",
    ]  # fmt: skip
    list_filter = ["mode", "tenant"]
    list_select_related = ["tenant"]
    ordering = ["-date", "tenant", "mode"]
    show_full_result_count = False
    fields = [
        "date", "tenant", "mode", "total_processed", "total_responded", "total_ignored",
        "total_reviewed", "review_share", "avg_confidence", "avg_processing_time",
        "p50_processing_time", "p95_processing_time", "respond_reasons", "ignore_reasons",
        "input_tokens", "output_tokens", "cost", "counted_until",
    ]  # fmt: skip
    readonly_fields = fields

    @admin.display(description=_("share for a person"))
    def review_share(self, day: TriageAnalytics) -> str:
        return percent(mean(day.total_reviewed, day.total_processed))

    @admin.display(description=_("median time"), ordering="p50_processing_time")
    def median(self, day: TriageAnalytics) -> str:
        return f"{day.p50_processing_time:.2f} s"

    @admin.display(description=_("95th percentile"), ordering="p95_processing_time")
    def p95(self, day: TriageAnalytics) -> str:
        return f"{day.p95_processing_time:.2f} s"

    @admin.display(description=_("reasons to answer"))
    def respond_reasons(self, day: TriageAnalytics) -> str:
        return listed(day.top_respond_reasons)

    @admin.display(description=_("reasons to ignore"))
    def ignore_reasons(self, day: TriageAnalytics) -> str:
        return listed(day.top_ignore_reasons)

    @action(  # type: ignore[untyped-decorator]  # unfold has no types
        description=_("Calibration"), url_path="calibration", permissions=["view"]
    )
    def calibration(self, request: HttpRequest) -> HttpResponse:
        """Show the curve of one of the user's tenants; asking changes nothing."""
        tenants = tenants_of(request.user).order_by("name")
        first = tenants.first()
        usual = {"tenant": first and first.pk, "wrong": 20, "look": 1}
        form = CostsForm({**usual, **request.GET.dict()})
        form.fields["tenant"].queryset = tenants  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Calibration"),
            "opts": self.opts,
            "form": form,
        }
        if form.is_valid():
            given = form.cleaned_data
            costs = Costs(wrong=given["wrong"], look=given["look"])
            context |= shown(calibrate(given["tenant"], costs=costs))
        return TemplateResponse(request, "ai_triage/admin/calibration.html", context)


def shown(found: Calibration) -> dict[str, Any]:
    """Return what the page shows of it; numbers as text, since a drawing takes no commas."""
    return {
        "count": found.count,
        "right": percent(found.right.value),
        "error": f"{found.error:.3f}",
        "points": [_point(one) for one in found.bins],
        "bins": {
            "headers": [
                capfirst(one)
                for one in (
                    _("confidence"),
                    _("mails"),
                    _("mean"),
                    _("right"),
                    _("interval (95 %)"),
                )
            ],
            "rows": [_bin_row(one) for one in found.bins],
        },
        "suggestions": {
            "headers": [
                capfirst(one)
                for one in (_("mail"), _("reviewed"), _("no look needed from"), _("wrong of these"))
            ],
            "rows": [_suggestion_row(one) for one in found.suggestions],
        },
    }


def _point(one: Bin) -> dict[str, str]:
    low, high = one.right.interval
    return {
        "x": f"{MARGIN + one.confidence * SIDE:.1f}",
        "y": _height(one.accuracy),
        "low": _height(low),
        "high": _height(high),
        "title": f"{one.confidence:.2f} → {one.accuracy:.2f} ({one.count})",
    }


def _height(share: float) -> str:
    return f"{MARGIN + (1 - share) * SIDE:.1f}"


def _bin_row(one: Bin) -> list[str]:
    low, high = one.right.interval
    return [
        f"{percent(one.lowest)} – {percent(one.highest)}",
        str(one.count),
        percent(one.confidence),
        percent(one.accuracy),
        f"{percent(low)} – {percent(high)}",
    ]


def _suggestion_row(one: Suggestion) -> list[Any]:
    name = NAMES[one.email_type] if one.email_type else _("all mail")
    if not one.is_enough:
        return [name, one.count, _("fewer than %(least)d reviewed mails") % {"least": LEAST}, "–"]
    if one.threshold is None:
        return [name, one.count, _("nowhere"), "–"]
    return [name, one.count, f"{one.threshold:.2f}", f"{one.wrong} / {one.alone}"]


def listed(reasons: list[Reason]) -> str:
    """Return the reasons in the reader's language, a code that has no name as it is."""
    return ", ".join(
        f"{NAMES.get(one['reason'], one['reason'])}: {one['count']}" for one in reasons
    )
