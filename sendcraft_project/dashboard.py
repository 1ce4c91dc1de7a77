"""The admin's start page: how one tenant's mail is doing, and what needs somebody anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import EmailAccount
from ai_triage.admin import queue
from ai_triage.admin.queue import Choice
from ai_triage.models.choices import URGENCIES
from common.clock import DatabaseClock
from common.days import day_of
from delivery.status import AccountQueue, account_queues
from delivery.tallies import ACCOUNTS_AT_ONCE, NEAR, Count
from logs.admin.figures import drawn
from logs.figures import freshen
from logs.models import DailyFigures
from logs.summaries import Group, days_of
from sendcraft_project import checklist
from sendcraft_project.attention import troubles
from sendcraft_project.navigation import list_address
from tenants.admin_base import roles_in
from tenants.models import Mode, Tenant
from tenants.roles import LEAST_ROLE, Verb, reaches, tenants_of

CHOSEN = "start_tenant"
"""The session's key of the tenant whose page was opened last."""
DAYS = 30
WEEK = 7
AT_ONCE = 2_000
"""Of so many messages the day's figures are counted anew for the page; beat counts the others."""
MOST_QUEUES = 10
MOST_TENANTS = 20
TITLES = {
    "sent": pgettext_lazy("of messages", "sent"),
    "delivered": pgettext_lazy("of messages", "delivered"),
    "bounced": pgettext_lazy("of messages", "bounced"),
    "opened": pgettext_lazy("of messages", "opened"),
}


def today(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return ``context`` with one tenant's figures, by as many queries however much there is.

    Raises:
        Http404: ``tenant`` names one that the user may not see.
    """
    tenants = list(tenants_of(request.user).order_by("name"))
    if not tenants:
        return context
    tenant = chosen(tenants, request=request)
    at = DatabaseClock().now()
    last = day_of(at, zone=tenant.zone)
    freshen(tenant, first=last, last=last, at=at, most=AT_ONCE)
    days = last_days(tenant, number=DAYS, at=at)
    return context | {
        "compose": compose_address(tenant, request=request),
        "first_day": shown_day(days[0]),
        **drawn(days),
        **moving(tenant, tenants=tenants, days=days, request=request, at=at),
    }


@never_cache
@require_safe
def parts(request: HttpRequest) -> HttpResponse:
    """Answer what moves on the start page, to take the place of what it shows.

    An ended session is a 401, not the way to the form to sign in, which would be shown as a part.
    """
    if not admin.site.has_permission(request):
        return HttpResponse(status=401)
    tenants = list(tenants_of(request.user).order_by("name"))
    tenant = named(tenants, request.GET.get("tenant", ""))
    at = DatabaseClock().now()
    days = last_days(tenant, number=2 * WEEK, at=at)
    context = moving(tenant, tenants=tenants, days=days, request=request, at=at)
    headers = {"X-Start-Page": "parts"}
    return TemplateResponse(request, "admin/parts.html", context, headers=headers)


def moving(
    tenant: Tenant,
    *,
    tenants: Sequence[Tenant],
    days: Sequence[Group],
    request: HttpRequest,
    at: datetime,
) -> dict[str, Any]:
    """Return what changes while the page is open."""
    accounts = first_accounts(tenant)
    queues = account_queues(at=at, accounts=accounts.values(), reach=NEAR, with_speed=False)
    roles, figures = roles_in(request), figures_address(tenant, request=request)
    return {
        "tenant": tenant,
        "tenants": tenants if len(tenants) > 1 else [],
        "shown_at": at,
        "checklists": checklist.unfinished([tenant], request=request),
        "troubles": troubles(tenants, queues=queues, accounts=accounts, roles=roles),
        "cards": cards(days, figures=figures),
        "figures_url": figures,
        **waiting(queues),
        "queues_url": list_address("delivery.SendingQueue", request=request),
        "triage": triage(tenant, request=request),
        "by_tenant": by_tenant(tenants, at=at) if len(tenants) > 1 else [],
    }


def chosen(tenants: Sequence[Tenant], *, request: HttpRequest) -> Tenant:
    """Return the tenant that the request names, else the one of last time, else the first."""
    if wanted := request.GET.get("tenant"):
        found = named(tenants, wanted)
        if request.session.get(CHOSEN) != wanted:  # to keep it is to write
            request.session[CHOSEN] = wanted
        return found
    known = {str(tenant.pk): tenant for tenant in tenants}
    return known.get(request.session.get(CHOSEN, ""), tenants[0])


def named(tenants: Sequence[Tenant], wanted: str) -> Tenant:
    found = next((tenant for tenant in tenants if str(tenant.pk) == wanted), None)
    if found is None:
        raise Http404
    return found


def compose_address(tenant: Tenant, *, request: HttpRequest) -> str:
    """Return where a message of the tenant is written, empty for who may not."""
    role = roles_in(request).get(tenant.pk)
    if not tenant.is_active or not reaches(role, LEAST_ROLE[Verb.SEND]):
        return ""
    return f"{reverse('admin:delivery_compose')}?tenant={tenant.pk}"


# Figures


def last_days(tenant: Tenant, *, number: int, at: datetime) -> list[Group]:
    """Return the figures of so many last days, today's at the end, as they are counted by now."""
    last = day_of(at, zone=tenant.zone)
    return days_of(tenant, mode=Mode.LIVE, first=last - timedelta(days=number - 1), last=last)


def cards(days: Sequence[Group], *, figures: str | None) -> list[dict[str, Any]]:
    """Return a card for each figure: today, the same weekday a week ago, and the two weeks."""
    return [card(name, [day["totals"][name] for day in days], figures=figures) for name in TITLES]


def card(name: str, counts: Sequence[int], *, figures: str | None) -> dict[str, Any]:
    week, before = sum(counts[-WEEK:]), sum(counts[-2 * WEEK : -WEEK])
    return {
        "name": name,
        "title": TITLES[name],
        "value": grouped(counts[-1]),
        "week_ago": grouped(counts[-1 - WEEK]),
        "week": grouped(week),
        "change": change(week, before),
        "href": figures,
    }


def change(now: int, before: int) -> str:
    """Return by how much ``now`` is more or less, empty where there was nothing before."""
    return f"{(now - before) / before * 100:+.0f}\u00a0%".replace("-", "−") if before else ""


def grouped(count: int) -> str:
    return number_format(count, use_l10n=True, force_grouping=True)


def shown_day(day: Group) -> str:
    return date_format(date.fromisoformat(str(day["key"])), "MONTH_DAY_FORMAT")


def figures_address(tenant: Tenant, *, request: HttpRequest) -> str | None:
    address = list_address("logs.DailyFigures", request=request)
    return address and f"{address}?tenant={tenant.pk}"


def by_tenant(tenants: Sequence[Tenant], *, at: datetime) -> list[dict[str, Any]]:
    """Return today's figures of the first tenants as they are counted by now, by one query."""
    first = tenants[:MOST_TENANTS]
    own = Q(pk__in=[])
    for tenant in first:
        own |= Q(tenant=tenant, day=day_of(at, zone=tenant.zone))
    sums = {f"sum_{name}": Sum(name) for name in TITLES}
    rows = DailyFigures.objects.filter(own, mode=Mode.LIVE).values("tenant").annotate(**sums)
    found = {row["tenant"]: row for row in rows.order_by()}
    return [
        {
            "tenant": tenant,
            "counts": [
                (title, grouped(found.get(tenant.pk, {}).get(f"sum_{name}") or 0))
                for name, title in TITLES.items()
            ],
        }
        for tenant in first
    ]


# What waits


def first_accounts(tenant: Tenant) -> Mapping[int, EmailAccount]:
    """Return the tenant's first accounts: as many as are counted by one statement."""
    rows = EmailAccount.objects.for_tenant(tenant).select_related("domain__tenant", "usage")
    return {row.pk: row for row in rows.order_by("email_address")[:ACCOUNTS_AT_ONCE]}


def waiting(queues: Sequence[AccountQueue]) -> dict[str, Any]:
    """Return the longest queues, and how much waits in all."""
    longest = sorted(queues, key=lambda one: (-one.due.number, one.account))
    total = Count()
    for one in queues:
        for part in (one.due, one.sending, one.scheduled, one.retrying):
            total = total.plus(part.number, is_all=part.is_all)
    return {
        "queues": [queue_row(one) for one in longest[:MOST_QUEUES]],
        "more_queues": max(len(longest) - MOST_QUEUES, 0),
        "waiting": counted(total),
    }


def queue_row(one: AccountQueue) -> dict[str, Any]:
    parts = [
        (pgettext("messages", "due"), one.due),
        (pgettext("messages", "being sent"), one.sending),
        (pgettext("messages", "scheduled"), one.scheduled),
        (pgettext("messages", "to be tried again"), one.retrying),
    ]
    return {
        "id": one.account_id,
        "account": one.account,
        "page": reverse("admin:accounts_emailaccount_change", args=[one.account_id]),
        "parts": [(name, counted(count)) for name, count in parts if count.number],
        "oldest": one.oldest,
        "why": one.held,
    }


def counted(count: Count) -> str:
    return grouped(count.number) + ("" if count.is_all else "+")


def triage(tenant: Tenant, *, request: HttpRequest) -> list[dict[str, Any]]:
    """Return how many mails wait for a person, the most urgent first; empty: none at all."""
    inbox = list_address("ai_triage.TriageResult", request=request)
    counts = queue.counts(request, Choice(tenant=tenant.pk))
    return [
        {
            "title": title,
            "count": counts[urgency],
            "href": inbox and inbox + Choice(urgency, tenant.pk).query(),
        }
        for urgency, title in [*URGENCIES, (queue.NOT_KNOWN, gettext_lazy("not judged yet"))]
        if urgency in counts
    ]
