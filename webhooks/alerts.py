"""What a tenant's owners are told by mail."""

from __future__ import annotations

import logging
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from tenants.services import owners_addresses
from webhooks.models import WebhookEndpoint

logger = logging.getLogger(__name__)


def tell_of_switched_off(*, at: datetime) -> int:
    """Write to the owners of each endpoint that was switched off, once each time.

    What could not be sent is tried again at the next call. Returns how many were told of.
    """
    untold = WebhookEndpoint.objects.filter(off_at__isnull=False, off_told_at=None)
    # The UPDATE decides between two workers; a kill after it costs the mail, never repeats it.
    return sum(
        _tell(endpoint)
        for endpoint in untold.select_related("tenant")
        if untold.filter(pk=endpoint.pk).update(off_told_at=at)
    )


def _tell(endpoint: WebhookEndpoint) -> bool:
    try:
        with override(endpoint.tenant.language):
            subject = _("A webhook was switched off: %(host)s") % {"host": endpoint.host}
            send_mail(subject, _text(endpoint), None, owners_addresses(endpoint.tenant))
    except (OSError, SMTPException) as error:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(off_told_at=None)
        extra = {"webhook": endpoint.pk, "error": type(error).__name__}
        logger.warning("the owners could not be told of a webhook", extra=extra)
        return False
    return True


def _text(endpoint: WebhookEndpoint) -> str:
    page = reverse("admin:webhooks_webhookendpoint_change", args=[endpoint.pk])
    return _(
        "A webhook of %(tenant)s at %(host)s is switched off: %(reason)s. It is told of nothing "
        "more. What waits for it is kept for 90 days and sent when it is switched on "
        "again:\n%(page)s\n"
    ) % {
        "tenant": endpoint.tenant.name,
        "host": endpoint.host,
        "reason": endpoint.get_off_reason_display(),
        "page": settings.PUBLIC_URL + page,
    }
