"""Verbs on webhooks: tell of events, set endpoints up, try them, send again."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from common import loop
from common.clock import DatabaseClock
from common.errors import Conflict, Refused
from common.ids import uuid7
from common.network import default_policy
from logs.models import EmailEvent, EmailLog
from templates_app.models import EmailTemplate
from tenants.models import Tenant
from webhooks import claims, doorbell, rules, signing
from webhooks.events import ALL_TYPES, COLUMNS, OF_EMAILS, TEST_TYPE, Event, event_of
from webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from webhooks.providers.http import Answer, sender

logger = logging.getLogger(__name__)
MOST_ENDPOINTS = 50
OVERLAP = timedelta(hours=24)
"""How long the secret before the present one signs too."""

# Telling


def publish(events: Sequence[Event]) -> None:
    """Write a delivery for each endpoint that wants an event; call it in the event's transaction.

    Asks one question where nobody listens.
    """
    _write(events, _listeners({event.tenant_id for event in events}))


def publish_email_events(events: Iterable[EmailEvent]) -> None:
    """As ``publish``, for steps in the history of messages."""
    told = [event for event in events if event.type in OF_EMAILS]
    listeners = _listeners({event.tenant_id for event in told})
    wanted = [event for event in told if _wanting(OF_EMAILS[event.type], event, listeners)]
    if wanted:
        _write(_described(wanted), listeners)


def _described(events: Sequence[EmailEvent]) -> list[Event]:
    emails = _whole(event.email for event in events)
    templates = {email.template_id for email in emails.values() if email.template_id}
    rows = EmailTemplate.objects.filter(pk__in=templates).only("slug") if templates else []
    slugs: dict[int | None, str] = {template.pk: template.slug for template in rows}
    pairs = [(event, emails[event.email_id]) for event in events]
    return [event_of(one, email, template=slugs.get(email.template_id)) for one, email in pairs]


def _listeners(tenants: Collection[int]) -> dict[int, list[WebhookEndpoint]]:
    """Return the endpoints of these tenants that are on, by tenant."""
    found: dict[int, list[WebhookEndpoint]] = {}
    if tenants:
        for endpoint in _active(tenants):
            found.setdefault(endpoint.tenant_id, []).append(endpoint)
    return found


def _active(tenants: Collection[int]) -> Iterable[WebhookEndpoint]:
    """Written by hand, since every batch of messages asks it: Django would take longer."""
    places = ", ".join(["%s"] * len(tenants))
    sql = (
        f"SELECT id, tenant_id, events FROM {WebhookEndpoint._meta.db_table} "  # noqa: S608  names only
        f"WHERE tenant_id IN ({places}) AND is_active = %s ORDER BY id"
    )
    return WebhookEndpoint.objects.raw(sql, [*tenants, True])


def _whole(emails: Iterable[EmailLog]) -> dict[int, EmailLog]:
    """Return the messages by key, those that were read in part anew."""
    by_key = {email.pk: email for email in emails}
    partial = [pk for pk, email in by_key.items() if email.get_deferred_fields() & {*COLUMNS}]
    return by_key | (EmailLog.objects.only(*COLUMNS).in_bulk(partial) if partial else {})


def _wanting(
    type: str,  # noqa: A002  the event's
    event: Event | EmailEvent,
    listeners: Mapping[int, Sequence[WebhookEndpoint]],
) -> list[WebhookEndpoint]:
    return [one for one in listeners.get(event.tenant_id, []) if one.wants(type)]


def _write(events: Iterable[Event], listeners: Mapping[int, Sequence[WebhookEndpoint]]) -> None:
    rows = [
        row
        for event in events
        if (endpoints := _wanting(event.type, event, listeners))
        for row in _deliveries(event, endpoints)
    ]
    if not rows:
        return
    at = DatabaseClock().now()
    for row in rows:
        row.next_attempt_at = row.created_at = at
    WebhookDelivery.objects.bulk_create(rows, batch_size=500)
    doorbell.ring_on_commit()


def _deliveries(event: Event, endpoints: Iterable[WebhookEndpoint]) -> list[WebhookDelivery]:
    event_id, payload = uuid7(), event.payload
    return [
        WebhookDelivery(
            tenant_id=event.tenant_id,
            endpoint=endpoint,
            event_id=event_id,
            type=event.type,
            tracking_id=event.tracking_id,
            payload=payload,
        )
        for endpoint in endpoints
    ]


# Setting up


def create_endpoint(
    *,
    tenant: Tenant,
    url: str,
    events: Sequence[str] = (ALL_TYPES,),
    description: str = "",
    is_active: bool = True,
) -> WebhookEndpoint:
    """Store an endpoint with a new secret, which its ``secret`` holds.

    Raises:
        Refused: a URL or an event type that can't be, or the tenant has 50 endpoints.
    """
    endpoint = WebhookEndpoint(
        tenant=tenant,
        url=rules.checked_url(url, policy=default_policy()),
        events=rules.checked_events(events),
        description=rules.checked_description(description),
        is_active=is_active,
    )
    endpoint.secret = signing.make_secret()
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)  # two at once could pass the limit
        if is_full(tenant):
            raise Refused(f"A tenant has up to {MOST_ENDPOINTS} webhooks.", code="too_many")
        endpoint.save()
    logger.info("webhook created", extra={"webhook": endpoint.pk})
    return endpoint


def is_full(tenant: Tenant) -> bool:
    """Tell whether the tenant has as many endpoints as it may have."""
    return WebhookEndpoint.objects.for_tenant(tenant).count() >= MOST_ENDPOINTS


def update_endpoint(endpoint: WebhookEndpoint, *, changes: Mapping[str, Any]) -> WebhookEndpoint:
    """Store ``url``, ``events``, ``description`` and ``is_active`` where given; return the row.

    Switched on, or at another URL, it begins anew: what waits for it is sent at once.

    Raises:
        Refused: as for ``create_endpoint``.
        Conflict: the endpoint is gone.
    """
    checked = _checked(changes)
    with transaction.atomic():
        row = _held(endpoint)
        is_on = checked.get("is_active", row.is_active)
        is_anew = (is_on and not row.is_active) or checked.get("url", row.url) != row.url
        fresh = (claims.ON if is_on else claims.WELL) if is_anew else {}
        for name, value in (checked | fresh).items():
            setattr(row, name, value)
        row.save(update_fields=[*CHANGEABLE, *claims.STATE, "updated_at"])
        if is_anew and row.is_active:
            _begin_anew(row)
    return row


CHANGEABLE = ("url", "events", "description", "is_active")


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes as they are stored; raises as ``update_endpoint``."""
    checked = {name: changes[name] for name in CHANGEABLE if name in changes}
    if "url" in checked:
        checked["url"] = rules.checked_url(checked["url"], policy=default_policy())
    if "events" in checked:
        checked["events"] = rules.checked_events(checked["events"])
    if "description" in checked:
        checked["description"] = rules.checked_description(checked["description"])
    return checked


def delete_endpoint(endpoint: WebhookEndpoint) -> None:
    """Remove an endpoint with its history; what waits for it is never sent."""
    pk = endpoint.pk
    WebhookEndpoint.objects.filter(pk=pk).update(is_active=False)  # nothing more is written
    while ids := list(endpoint.deliveries.values_list("pk", flat=True)[:1000]):
        WebhookDelivery.objects.filter(pk__in=ids).delete()
    WebhookEndpoint.objects.filter(pk=pk).delete()
    logger.info("webhook deleted", extra={"webhook": pk})


def rotate_secret(endpoint: WebhookEndpoint, *, at: datetime) -> WebhookEndpoint:
    """Give the endpoint a new secret; the present one signs too for 24 hours.

    The one before, where that still signed, is forgotten.

    Raises:
        Conflict: the endpoint is gone.
        SecretUnreadable: the present secret's encryption key is missing.
    """
    with transaction.atomic():
        row = _held(endpoint)
        row.previous_secret, row.previous_secret_until = row.secret, at + OVERLAP
        row.secret = signing.make_secret()
        row.save(
            update_fields=[
                "secret_encrypted",
                "previous_secret_encrypted",
                "previous_secret_until",
                "updated_at",
            ]
        )
    logger.info("webhook secret rotated", extra={"webhook": row.pk})
    return row


def _held(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Return the row as it is now, while nobody else changes it."""
    row = WebhookEndpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
    if row is None:
        raise Conflict("The webhook was deleted meanwhile.")
    return row


def _begin_anew(endpoint: WebhookEndpoint) -> None:
    waiting = endpoint.deliveries.filter(status=DeliveryStatus.PENDING)
    claims.begin_anew(waiting, at=DatabaseClock().now())
    doorbell.ring_on_commit()


# Trying and sending again


def send_test(endpoint: WebhookEndpoint) -> Answer:
    """Send a ``webhook.test`` event now, whether the endpoint is on or off, and return what came.

    Nothing is stored. Takes up to 15 seconds, so call it outside of transactions.

    Raises:
        SecretUnreadable: the secret's encryption key is missing.
    """
    at = DatabaseClock().now()
    data = {"webhook_id": str(endpoint.public_id), "description": endpoint.description}
    event = Event(tenant_id=endpoint.tenant_id, type=TEST_TYPE, at=at, data=data)
    request = signing.request_to(endpoint, message_id=str(uuid7()), payload=event.payload, at=at)
    return loop.run(sender().post(request))


@transaction.atomic
def redeliver(delivery: WebhookDelivery, *, is_first: bool = True) -> WebhookDelivery:
    """Send it again now under the same id, whatever became of it, with three more days to arrive.

    It is tried before all that waits for the endpoint, or with ``is_first`` False after that.

    Raises:
        Conflict: the endpoint is off (``inactive``), or the delivery was deleted (``gone``).
    """
    # The endpoint first, as results are recorded: else each could wait for the other's row.
    active = WebhookEndpoint.objects.filter(pk=delivery.endpoint_id, is_active=True)
    if not active.update(held_until=None):
        raise Conflict("The webhook is off; switch it on first.", code="inactive")
    own, at = WebhookDelivery.objects.filter(pk=delivery.pk), DatabaseClock().now()
    if is_first:
        at = claims.before_what_waits(delivery.endpoint_id, at=at)
    if not claims.begin_anew(own, at=at):
        raise Conflict("The delivery was deleted meanwhile.", code="gone")
    doorbell.ring_on_commit()
    delivery.refresh_from_db()
    return delivery
