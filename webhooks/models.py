"""Where a tenant wants to be told what happens, and each telling."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.fields import Secret
from common.ids import uuid7
from tenants.models import Tenant
from webhooks.events import ALL_TYPES

FAILING = 5
"""After so many failures in a row an endpoint is asked one thing at a time, with pauses."""


class Off(models.TextChoices):
    """Why we switched an endpoint off."""

    GONE = "gone", _("the receiver answered 410 Gone")
    FAILING = "failing", _("it failed for three days")


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def free(self, *, at: datetime) -> Self:
        """Those that no worker holds."""
        return self.filter(Q(lease_token="") | Q(leased_until__lte=at))

    def ready(self, *, at: datetime) -> Self:
        """Those that may be sent to now and for which something is due."""
        due = WebhookDelivery.objects.filter(endpoint=OuterRef("pk")).due(at=at)
        rested = Q(held_until=None) | Q(held_until__lte=at)
        open_ones = self.filter(rested, is_active=True, tenant__is_active=True).free(at=at)
        return open_ones.filter(Exists(due))


class WebhookEndpoint(models.Model):
    """A URL of a tenant that is told of its events.

    A worker holds it by ``lease_token`` until ``leased_until``, so never do two send to it at
    once. ``failures`` counts those in a row, ``failing_since`` is the time of the first of them.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="webhooks", verbose_name=_("tenant")
    )
    url = models.CharField(_("URL"), max_length=2000)
    description = models.CharField(_("description"), max_length=500, blank=True)
    events = models.JSONField(_("events"), default=list)
    is_active = models.BooleanField(_("active"), default=True)
    secret_encrypted = models.TextField(editable=False)
    previous_secret_encrypted = models.TextField(blank=True, editable=False)
    previous_secret_until = models.DateTimeField(
        _("the previous secret signs until"), null=True, editable=False
    )
    off_reason = models.CharField(
        _("switched off because"), max_length=10, choices=Off, blank=True, editable=False
    )
    off_at = models.DateTimeField(_("switched off at"), null=True, editable=False)
    off_told_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    held_until = models.DateTimeField(_("left alone until"), null=True, editable=False)
    lease_token = models.CharField(max_length=32, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    secret = Secret("secret_encrypted")
    previous_secret = Secret("previous_secret_encrypted")

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        indexes = [
            models.Index(fields=["tenant", "is_active"], name="webhook_by_tenant"),
            models.Index(fields=["off_at", "off_told_at"], name="webhook_switched_off"),
        ]

    def __str__(self) -> str:
        return self.description or self.host

    @property
    def host(self) -> str:
        """The URL's host: what follows it may be secret."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_failing(self) -> bool:
        return self.failures >= FAILING

    @property
    def shown_off_reason(self) -> str | None:
        return self.off_reason or None

    def wants(self, type: str) -> bool:  # noqa: A002  the event's
        return ALL_TYPES in self.events or type in self.events


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", _("pending")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def due(self, *, at: datetime) -> Self:
        return self.filter(status=DeliveryStatus.PENDING, next_attempt_at__lte=at)


class WebhookDelivery(models.Model):
    """One event for one endpoint.

    ``event_id`` is the ``webhook-id`` of every attempt, and the same for all endpoints that are
    told, so a receiver that two of them lead to knows the event again. ``tries`` and
    ``tried_since`` begin anew when a person sends it again; ``attempts`` counts all.
    """

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    # Unchecked by the database: an endpoint that is deleted at this moment must not break the
    # transaction of an event, nor that transaction hold up who has the endpoint's row.
    endpoint = models.ForeignKey(
        WebhookEndpoint,
        models.CASCADE,
        db_constraint=False,
        related_name="deliveries",
        verbose_name=_("webhook"),
    )
    event_id = models.UUIDField(_("event"), default=uuid7, editable=False)
    type = models.CharField(_("type"), max_length=40)
    tracking_id = models.UUIDField(_("message"), null=True, editable=False)
    payload = models.TextField(_("sent body"))
    status = models.CharField(
        _("status"), max_length=10, choices=DeliveryStatus, default=DeliveryStatus.PENDING
    )
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    tries = models.PositiveIntegerField(default=0, editable=False)
    tried_since = models.DateTimeField(null=True, editable=False)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True)
    response_status = models.PositiveSmallIntegerField(_("response"), null=True)
    response_body = models.TextField(_("response body"), blank=True)
    error = models.CharField(_("error"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        indexes = [
            models.Index(fields=["endpoint", "status", "next_attempt_at"], name="webhook_due"),
            models.Index(fields=["status", "created_at"], name="webhook_purge"),
            models.Index(fields=["tenant", "tracking_id"], name="webhook_by_message"),
            models.Index(fields=["tenant", "event_id"], name="webhook_by_event"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.public_id}"
