"""What a tenant's mail may cost on one of its days."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q, Sum

from ai_triage.models import Status, TriageResult, TriageSettings, Tryout
from tenants.models import Tenant


def held_until(wants: TriageSettings, *, at: datetime) -> datetime | None:
    """Return when models may be asked again for the tenant, None where they may now."""
    limit = wants.daily_cost_limit
    if limit is None or spent_today(wants.tenant, at=at) < limit:
        return None
    return _day_begins(wants.tenant, at=at, days=1)


def spent_today(tenant: Tenant, *, at: datetime) -> Decimal:
    """Return the cost of the tenant's day up to now in US dollars, try-outs of prompts included."""
    begin = _day_begins(tenant, at=at)
    failed = Q(status=Status.FAILED, updated_at__gte=begin)
    today = TriageResult.objects.for_tenant(tenant).filter(Q(processed_at__gte=begin) | failed)
    tried = Tryout.objects.filter(tenant=tenant, at__gte=begin)
    sums = [rows.aggregate(spent=Sum("cost"))["spent"] for rows in (today, tried)]
    return sum((spent for spent in sums if spent), Decimal(0))


def _day_begins(tenant: Tenant, *, at: datetime, days: int = 0) -> datetime:
    here = at.astimezone(tenant.zone) + timedelta(days=days)
    return here.replace(hour=0, minute=0, second=0, microsecond=0)
