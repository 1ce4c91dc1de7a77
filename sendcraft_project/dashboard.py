"""The admin's start page: today's numbers of the tenants that the user may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import EmailAccount
from ai_triage import trouble
from logs.models import EmailLog, EmailStatus
from sendcraft_project import checklist
from sendcraft_project.navigation import list_address
from tenants.models import Tenant
from tenants.roles import tenants_of
from webhooks.models import WebhookEndpoint

ROWS = 20
MOST = 10_000
"""So many waiting messages are counted."""
TITLES = {
    EmailStatus.QUEUED: _("Queued"),
    EmailStatus.SENDING: pgettext_lazy("messages", "Sending"),
    EmailStatus.SENT: _("Sent"),
    EmailStatus.DELIVERED: _("Delivered"),
    EmailStatus.BOUNCED: _("Bounced"),
    EmailStatus.FAILED: _("Failed"),
}

Figures = Mapping[int, Counter[str]]
"""How many messages of each status, by tenant id."""


def today(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return ``context`` with the day's figures, by a few queries."""
    tenants = list(tenants_of(request.user))
    if not tenants:
        return context
    figures = accepted_today(tenants, at=timezone.now())
    return context | {
        "checklists": checklist.unfinished(tenants, request=request),
        "day": day_cards(figures, messages=list_address("logs.EmailLog", request=request)),
        "paused": paused_accounts(tenants),
        "triage_notices": trouble.notices(tenants),
        "webhooks_off": switched_off_webhooks(tenants),
        "now": now_cards(tenants, request=request),
        "by_tenant": table(tenants, figures) if len(tenants) > 1 else None,
    }


def paused_accounts(tenants: Sequence[Tenant]) -> list[EmailAccount]:
    """Return the first paused accounts, the latest pause first."""
    rows = EmailAccount.objects.filter(domain__tenant__in=tenants, paused_at__isnull=False)
    return list(rows.order_by("-paused_at")[:ROWS])


def switched_off_webhooks(tenants: Sequence[Tenant]) -> list[WebhookEndpoint]:
    """Return the first webhooks that we switched off, the latest first."""
    off = WebhookEndpoint.objects.filter(tenant__in=tenants, is_active=False)
    return list(off.exclude(off_reason="").order_by("-off_at")[:ROWS])


def midnight(tenant: Tenant, *, at: datetime) -> datetime:
    """When the tenant's present day began."""
    day = at.astimezone(tenant.zone).date()
    return datetime.combine(day, time.min, tzinfo=tenant.zone)


def accepted_today(tenants: Sequence[Tenant], *, at: datetime) -> Figures:
    """Count the messages accepted since each tenant's midnight, by their present status."""
    by_start: dict[datetime, list[int]] = {}
    for tenant in tenants:
        by_start.setdefault(midnight(tenant, at=at), []).append(tenant.pk)
    ranges = Q()
    for start, ids in by_start.items():
        ranges |= Q(tenant__in=ids, queued_at__gte=start)
    rows = EmailLog.objects.filter(ranges).values_list("tenant_id", "status")
    figures: dict[int, Counter[str]] = {tenant.pk: Counter() for tenant in tenants}
    for tenant_id, status, count in rows.annotate(count=Count("pk")).order_by():
        figures[tenant_id][status] = count
    return figures


def card(title: Any, value: int | str, *, href: str | None, query: str = "") -> dict[str, Any]:
    return {"title": title, "value": value, "href": href and href + query}


def day_cards(figures: Figures, *, messages: str | None) -> list[dict[str, Any]]:
    total = sum(figures.values(), Counter[str]())
    return [
        card(title, total[status], href=messages, query=f"?status__exact={status.value}")
        for status, title in TITLES.items()
    ]


def now_cards(tenants: Sequence[Tenant], *, request: HttpRequest) -> list[dict[str, Any]]:
    queued = EmailLog.objects.filter(tenant__in=tenants, status=EmailStatus.QUEUED)
    waiting = queued[: MOST + 1].count()
    held = EmailAccount.objects.filter(domain__tenant__in=tenants, paused_at__isnull=False).count()
    messages = list_address("logs.EmailLog", request=request)
    accounts = list_address("accounts.EmailAccount", request=request)
    return [
        card(
            _("Waiting"),
            waiting if waiting <= MOST else f"{MOST}+",
            href=messages,
            query="?status__exact=queued",
        ),
        card(_("Accounts paused"), held, href=accounts),
    ]


def table(tenants: Sequence[Tenant], figures: Figures) -> dict[str, Any]:
    """Return a table with a row for each of the first tenants, as unfold draws it."""
    return {
        "headers": [_("Tenant"), *TITLES.values()],
        "rows": [
            [tenant.name, *(figures[tenant.pk][status] for status in TITLES)]
            for tenant in tenants[:ROWS]
        ],
    }
