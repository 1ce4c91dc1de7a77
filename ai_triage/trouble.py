"""What keeps mail from being judged, for those who look at the admin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from ai_triage import failures
from ai_triage.models import ReviewReason, Status, TriageResult
from ai_triage.providers.registry import breaker_of
from ai_triage.providers.rules import RulesProvider
from tenants.models import Tenant


@dataclass(frozen=True)
class Notice:
    """What is wrong: with the provider ``name``, or with a tenant of these ``settings``."""

    name: str
    text: str
    settings: int | None = None
    tenant: int | None = None


def notices(tenants: Sequence[Tenant]) -> list[Notice]:
    """Return each provider that is left alone and each cost limit that is reached.

    One query, and a look into the cache.
    """
    return [*_paused_providers(), *_cost_limits(tenants)]


def _paused_providers() -> list[Notice]:
    names = {settings.TRIAGE_PROVIDER, settings.TRIAGE_FALLBACK} - {RulesProvider.name, "none"}
    found = [(name, breaker_of(name).trouble()) for name in sorted(names)]
    return [
        Notice(
            name,
            _("Triage: %(provider)s is not asked until %(until)s. %(reason)s")
            % {
                "provider": name,
                "until": f"{localtime(datetime.fromtimestamp(trouble.until, UTC)):%H:%M}",
                "reason": failures.in_words(trouble.reason),
            },
        )
        for name, trouble in found
        if trouble is not None and trouble.pauses
    ]


def _cost_limits(tenants: Sequence[Tenant]) -> list[Notice]:
    held = TriageResult.objects.filter(
        tenant__in=tenants, status=Status.QUEUED, error_code=ReviewReason.COST_LIMIT
    )
    columns = ("tenant__name", "tenant_id", "tenant__triage_settings")
    rows = held.order_by("tenant__name").values_list(*columns).distinct()
    text = _("Triage: %(tenant)s has reached the day's cost limit; its mail waits.")
    return [
        Notice(name, text % {"tenant": name}, settings=settings_id, tenant=tenant_id)
        for name, tenant_id, settings_id in rows
    ]
