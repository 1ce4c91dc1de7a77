"""What a tenant's mail may cost on one of its days."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q, Sum

from ai_triage.models import TriageResult, TriageSettings
from tenants.models import Tenant


def held_until(wants: TriageSettings, *, at: datetime) -> datetime | None:
    """Return when models may be asked again for the tenant, None where they may now."""
    limit = wants.daily_cost_limit
    if limit is None or spent_today(wants.tenant, at=at) < limit:
        return None
    return _day_begins(wants.tenant, at=at, days=1)


def spent_today(tenant: Tenant, *, at: datetime) -> Decimal:
    """Return the cost of the tenant's day up to now in US dollars."""
    today = TriageResult.objects.for_tenant(tenant).filter(
        processed_at__gte=_day_begins(tenant, at=at)
    )
    return today.aggregate(spent=Sum("cost"))["spent"] or Decimal(0)


def is_first_to_tell(wants: TriageSettings, *, at: datetime) -> bool:
    """Tell whether nobody was told of the limit on this day of the tenant; true only once."""
    today = at.astimezone(wants.tenant.zone).date()
    untold = TriageSettings.objects.filter(Q(cost_told_on=None) | Q(cost_told_on__lt=today))
    return bool(untold.filter(pk=wants.pk).update(cost_told_on=today))


def forget_telling(tenant_id: int) -> None:
    """Let the next mail that is held tell again, since nobody could be told."""
    TriageSettings.objects.filter(tenant=tenant_id).update(cost_told_on=None)


def _day_begins(tenant: Tenant, *, at: datetime, days: int = 0) -> datetime:
    here = at.astimezone(tenant.zone) + timedelta(days=days)
    return here.replace(hour=0, minute=0, second=0, microsecond=0)
