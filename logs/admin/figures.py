"""What became of the messages of a period: a chart and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminSelectWidget

from common.clock import DatabaseClock
from common.days import day_of
from common.rates import percent
from logs.models import DailyFigures
from logs.summaries import Group, summarize
from tenants.admin_base import TenantAdmin
from tenants.models import Mode, Tenant
from tenants.roles import tenants_of

LONGEST = timedelta(days=366)
USUAL = timedelta(days=30)
GROUPINGS = [
    ("day", _("day")),
    ("template", _("template")),
    ("account", _("account")),
    ("domain", _("domain")),
    ("tag", _("tag")),
]
COLUMNS = {
    "queued": pgettext_lazy("of messages", "accepted"),
    "sent": pgettext_lazy("of messages", "sent"),
    "delivered": pgettext_lazy("of messages", "delivered"),
    "bounced": pgettext_lazy("of messages", "bounced"),
    "failed": pgettext_lazy("of messages", "failed"),
    "spam": pgettext_lazy("of messages", "spam"),
    "opened": pgettext_lazy("of messages", "opened"),
    "clicked": pgettext_lazy("of messages", "clicked"),
    "bounce_rate": _("bounce rate"),
    "complaint_rate": _("complaint rate"),
    "open_rate": _("open rate"),
    "click_rate": _("click rate"),
    "machine_opened": pgettext_lazy("of messages", "opened by machines"),
    "machine_clicked": pgettext_lazy("of messages", "clicked by machines"),
    "unsubscribed": pgettext_lazy("of messages", "unsubscribed"),
}
DRAWN = ("sent", "opened", "bounced")
WIDTH, HEIGHT = 900, 160
USUAL_DAYS = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))]
"""A day at the end of the calendar has no next one."""


class PeriodForm(forms.Form):
    """Whose figures, of which days, and by what."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.none(), label=_("tenant"), widget=UnfoldAdminSelectWidget
    )
    mode = forms.ChoiceField(choices=Mode, label=_("mode"), widget=UnfoldAdminSelectWidget)
    start_date = forms.DateField(
        label=_("first day"), widget=UnfoldAdminDateWidget, validators=USUAL_DAYS
    )
    end_date = forms.DateField(
        label=_("last day"), widget=UnfoldAdminDateWidget, validators=USUAL_DAYS
    )
    group_by = forms.ChoiceField(choices=GROUPINGS, label=_("by"), widget=UnfoldAdminSelectWidget)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        first, last = given.get("start_date"), given.get("end_date")
        if first and last and first > last:
            self.add_error("start_date", _("The first day is after the last."))
        elif first and last and last - first >= LONGEST:
            self.add_error("start_date", _("At most 366 days at once."))
        return given


@admin.register(DailyFigures)
class DailyFiguresAdmin(TenantAdmin):
    """One page instead of a list; nobody changes figures."""

    change_role = None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the figures of one of the user's tenants."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        tenants = tenants_of(request.user).order_by("name")
        form = PeriodForm({**usual(tenants.first()), **request.GET.dict()})
        form.fields["tenant"].queryset = tenants  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Delivery"),
            "opts": self.opts,
            "form": form,
        }
        if form.is_valid():
            context |= shown(**form.cleaned_data)
        return TemplateResponse(request, "logs/admin/figures.html", context)


def usual(tenant: Tenant | None) -> dict[str, Any]:
    """Return what is shown first: the last thirty days."""
    now = timezone.now()
    today = day_of(now, zone=tenant.zone) if tenant else now.date()
    return {
        "tenant": tenant and tenant.pk,
        "mode": Mode.LIVE,
        "start_date": (today - USUAL + timedelta(days=1)).isoformat(),
        "end_date": today.isoformat(),
        "group_by": "day",
    }


def shown(
    tenant: Tenant, mode: str, start_date: date, end_date: date, group_by: str
) -> dict[str, Any]:
    """Return what the page shows of the period."""
    at = DatabaseClock().now()
    period: dict[str, Any] = {"mode": mode, "first": start_date, "last": end_date, "at": at}
    days = summarize(tenant, **period, group_by="day")
    by = days if group_by == "day" else summarize(tenant, **period, group_by=group_by)
    groups = list(reversed(by["groups"])) if group_by == "day" else by["groups"]
    whole: Group = {"key": str(_("all")), "totals": days["totals"], "rates": days["rates"]}
    return {
        **drawn(days["groups"]),
        "table": {
            "headers": [capfirst(one) for one in (dict(GROUPINGS)[group_by], *COLUMNS.values())],
            "rows": [row(group) for group in (whole, *groups)],
        },
    }


def row(group: Group) -> list[str]:
    key = str(_("(no template)")) if group["key"] is None else group["key"]
    return [key, *(cell(group, name) for name in COLUMNS)]


def cell(group: Group, name: str) -> str:
    if name in group["rates"]:
        return percent(group["rates"][name], digits=1)
    return str(group["totals"][name])


def drawn(days: Sequence[Group]) -> dict[str, Any]:
    """Return what ``logs/admin/chart.html`` draws of the days."""
    return {
        "bars": bars(days),
        "most": max(day["totals"]["sent"] for day in days),
        "width": WIDTH,
        "height": HEIGHT,
    }


def bars(days: Sequence[Group]) -> list[Mapping[str, str]]:
    """Return a day's bar each; numbers as text, since a drawing takes no decimal commas."""
    most = max(day["totals"]["sent"] for day in days) or 1
    step = WIDTH / len(days)
    return [
        {
            "x": f"{number * step:.1f}",
            "width": f"{step * 0.8:.1f}",
            "narrow": f"{step * 0.25:.1f}",
            **{name: _height(day["totals"][name] / most) for name in DRAWN},
            "title": _told(day),
        }
        for number, day in enumerate(days)
    ]


def _height(share: float) -> str:
    return f"{min(share, 1) * HEIGHT:.1f}"


def _told(day: Group) -> str:
    counts = ", ".join(f"{day['totals'][name]} {COLUMNS[name]}" for name in DRAWN)
    return f"{day['key']}: {counts}"
