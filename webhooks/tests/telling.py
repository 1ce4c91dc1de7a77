"""Endpoints at a receiver on loopback, and deliveries that are due for them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from standardwebhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from common import loop
from common.tests.clocks import FixedClock
from tenants.models import Tenant
from tests.servers.receiver import Received
from webhooks import services
from webhooks.events import Event
from webhooks.jobs import Drain
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.providers.http import Sender

DAY = timedelta(days=1)


def endpoint_at(url: str, *, tenant: Tenant, **fields) -> WebhookEndpoint:
    return services.create_endpoint(tenant=tenant, url=url, **fields)


def tell(
    tenant: Tenant, count: int = 1, *, kind: str = "email.sent", at: datetime | None = None, **data
) -> list[WebhookDelivery]:
    """Publish events and return what was written for them; due ``at``."""
    before = set(WebhookDelivery.objects.values_list("pk", flat=True))
    moment = at or timezone.now()
    services.publish(
        [Event(tenant.pk, kind, moment, {"number": number, **data}) for number in range(count)]
    )
    rows = WebhookDelivery.objects.exclude(pk__in=before)
    if at:
        rows.update(next_attempt_at=at, created_at=at)
    return list(WebhookDelivery.objects.exclude(pk__in=before).order_by("pk"))


def drain(*, at: datetime | None = None, to: Sender | None = None) -> None:
    """Send what is due, at a moment that stands still if it is given."""
    loop.run(Drain(clock=FixedClock(at) if at else None, to=to).run())


def verified(request: Received, endpoint: WebhookEndpoint) -> dict:
    """The event in the request, once both families of verifiers have accepted it."""
    secret = WebhookEndpoint.objects.get(pk=endpoint.pk).secret
    own = {name: value for name, value in request.headers.items() if not name.startswith("svix-")}
    svix = {
        name: value for name, value in request.headers.items() if not name.startswith("webhook-")
    }
    SvixWebhook(secret).verify(request.body, svix)
    return Webhook(secret).verify(request.body, own)


def of(delivery: WebhookDelivery) -> WebhookDelivery:
    """The row as it is now."""
    return WebhookDelivery.objects.select_related("endpoint").get(pk=delivery.pk)
