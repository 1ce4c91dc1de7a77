"""What keeps mail from being judged, for those who look at the admin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from ai_triage.models import ReviewReason, Status, TriageResult
from ai_triage.providers.registry import breaker_of
from ai_triage.providers.rules import RulesProvider
from tenants.models import Tenant


def notices(tenants: Sequence[Tenant]) -> list[str]:
    """Return a sentence for each provider that is left alone and each cost limit that is reached.

    One query, and a look into the cache.
    """
    return [*_paused_providers(), *_cost_limits(tenants)]


def _paused_providers() -> list[str]:
    names = {settings.TRIAGE_PROVIDER, settings.TRIAGE_FALLBACK} - {RulesProvider.name, "none"}
    found = [(name, breaker_of(name).trouble()) for name in sorted(names)]
    return [
        _("Triage: %(provider)s is not asked until %(until)s. %(reason)s")
        % {
            "provider": name,
            "until": f"{localtime(datetime.fromtimestamp(trouble.until, UTC)):%H:%M}",
            "reason": trouble.reason,
        }
        for name, trouble in found
        if trouble is not None and trouble.pauses
    ]


def _cost_limits(tenants: Sequence[Tenant]) -> list[str]:
    held = TriageResult.objects.filter(
        tenant__in=tenants, status=Status.QUEUED, error_code=ReviewReason.COST_LIMIT
    )
    names = held.order_by("tenant__name").values_list("tenant__name", flat=True).distinct()
    return [
        _("Triage: %(tenant)s has reached the day's cost limit; its mail waits.") % {"tenant": name}
        for name in names
    ]
