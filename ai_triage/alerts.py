"""What a tenant's owners are told by mail."""

from __future__ import annotations

import logging
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from ai_triage.models import ReviewReason, Status, TriageResult, TriageSettings
from tenants.services import owners_addresses

logger = logging.getLogger(__name__)


def tell_of_cost_limits(*, at: datetime) -> int:
    """Write to the owners of each tenant whose mail waits for its cost limit, once a day of it.

    What could not be sent is tried again at the next call. Returns how many tenants were told.
    """
    held = TriageResult.objects.filter(status=Status.QUEUED, error_code=ReviewReason.COST_LIMIT)
    tenants = held.order_by().values_list("tenant", flat=True).distinct()
    wants = TriageSettings.objects.filter(tenant__in=list(tenants)).select_related("tenant")
    return sum(_tell(one, at=at) for one in wants)


def tell_of_refusal(provider: str, *, reason: str) -> None:
    """Write to the superusers, who keep its key, that a provider refuses to work for us."""
    able = get_user_model().objects.filter(is_superuser=True, is_active=True).exclude(email="")
    to = list(able.order_by("pk").values_list("email", flat=True))
    text = _(
        "The provider %(provider)s refuses to judge mail: %(reason)s\nMail waits, none is lost. It "
        "goes on by itself once the provider takes calls again, or after a restart with another "
        "key, model or address (%(settings)s).\n"
    ) % {
        "provider": provider,
        "reason": reason,
        "settings": f"{provider.upper()}_API_KEY, {provider.upper()}_MODEL, …",
    }
    try:
        send_mail(_("Triage waits: %(provider)s refuses") % {"provider": provider}, text, None, to)
    except (OSError, SMTPException) as error:
        extra = {"provider": provider, "error": type(error).__name__}
        logger.warning("nobody could be told of the provider's refusal", extra=extra)


def _tell(wants: TriageSettings, *, at: datetime) -> bool:
    tenant, before = wants.tenant, wants.cost_told_on
    today = at.astimezone(tenant.zone).date()
    # The UPDATE decides between two workers; a kill after it costs the mail, never repeats it.
    untold = TriageSettings.objects.filter(Q(cost_told_on=None) | Q(cost_told_on__lt=today))
    if not untold.filter(pk=wants.pk).update(cost_told_on=today, updated_at=F("updated_at")):
        return False
    try:
        with override(tenant.language):
            subject = _("Triage waits: the day's cost limit is reached")
            send_mail(subject, _text(wants), None, owners_addresses(tenant))
    except (OSError, SMTPException) as error:
        TriageSettings.objects.filter(pk=wants.pk).update(cost_told_on=before)
        extra = {"tenant": tenant.slug, "error": type(error).__name__}
        logger.warning("the owners could not be told of the cost limit", extra=extra)
        return False
    return True


def _text(wants: TriageSettings) -> str:
    page = reverse("admin:index")
    return _(
        "Judging the mail of %(tenant)s has reached the day's limit of %(limit)s US dollars. No "
        "model is asked until tomorrow. Mail waits, none is lost, and people can review it "
        "meanwhile. To go on at once, raise the limit in the triage settings:\n%(page)s\n"
    ) % {
        "tenant": wants.tenant.name,
        "limit": wants.daily_cost_limit,
        "page": settings.PUBLIC_URL + page,
    }
