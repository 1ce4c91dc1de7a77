"""One row per message to one recipient: the queue and the record."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from common.erasing import ERASED
from common.ids import uuid7
from logs.models.content import EmailContent
from templates_app.models import EmailTemplate
from tenants.models import Mode, Tenant


class EmailStatus(models.TextChoices):
    QUEUED = "queued", _("queued")
    SENDING = "sending", _("sending")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    BOUNCED = "bounced", _("bounced")
    SPAM = "spam", _("spam")
    CANCELLED = "cancelled", _("cancelled")


class Priority(models.IntegerChoices):
    """The most urgent first, as an index walks it."""

    HIGH = 10, _("high")
    NORMAL = 20, _("normal")
    LOW = 30, _("low")


@dataclass(frozen=True)
class Lease:
    """A worker's hold on messages of one account, until ``until`` by the database's clock."""

    account_id: int
    until: datetime
    token: str = field(default_factory=lambda: secrets.token_hex(16))


class EmailLogQuerySet(models.QuerySet["EmailLog"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def without_variables(self) -> Self:
        return self.defer("own_variables")

    def due(self, *, at: datetime) -> Self:
        """Queued messages whose next attempt may start at ``at``."""
        return self.filter(status=EmailStatus.QUEUED, next_attempt_at__lte=at)

    def held(self, email: EmailLog) -> Self:
        """The row while ``email``'s attempt still holds it; empty once it was taken back."""
        return self.filter(pk=email.pk, status=EmailStatus.SENDING, attempt=email.attempt)


class EmailLog(models.Model):
    """One e-mail to one recipient, from acceptance to its final status.

    ``to`` is the recipient; cc and bcc ride on its envelope. ``status`` changes in
    ``logs.transitions`` alone.
    """

    tracking_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    account = models.ForeignKey(
        EmailAccount, models.PROTECT, related_name="emails", verbose_name=_("account")
    )
    template = models.ForeignKey(
        EmailTemplate,
        models.PROTECT,
        null=True,
        related_name="emails",
        verbose_name=_("template"),
    )
    content = models.ForeignKey(EmailContent, models.PROTECT, related_name="emails")
    batch_id = models.UUIDField(_("batch"), null=True)
    mode = models.CharField(_("mode"), max_length=4, choices=Mode)
    status = models.CharField(
        _("status"), max_length=10, choices=EmailStatus, default=EmailStatus.QUEUED
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"), choices=Priority, default=Priority.NORMAL
    )
    topic = models.CharField(_("topic"), max_length=50, blank=True)
    from_address = models.CharField(_("from"), max_length=254)
    from_name = models.CharField(_("from name"), max_length=200, blank=True)
    to_address = models.CharField(_("to"), max_length=320)
    to_name = models.CharField(_("to name"), max_length=200, blank=True)
    cc_addresses = models.JSONField(_("cc"), default=list)
    cc_names = models.JSONField(default=dict, help_text="Display names in Cc, by address.")
    bcc_addresses = models.JSONField(_("bcc"), default=list)
    subject = models.TextField(_("subject"))
    own_variables = models.JSONField(default=dict)
    smtp_message_id = models.CharField(_("Message-ID"), max_length=320)
    queued_at = models.DateTimeField(_("queued at"))
    send_at = models.DateTimeField(_("send at"), null=True)
    tried_since = models.DateTimeField(
        default=timezone.now,
        editable=False,
        help_text="When it could first go, or was last retried by hand.",
    )
    sent_at = models.DateTimeField(_("sent at"), null=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)
    failed_at = models.DateTimeField(_("failed at"), null=True)
    error_code = models.CharField(_("error code"), max_length=50, blank=True)
    error_message = models.TextField(_("error message"), blank=True)
    retry_count = models.PositiveIntegerField(_("retries"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True)
    smtp_response = models.TextField(_("SMTP response"), blank=True)
    recipient_outcomes = models.JSONField(
        default=dict, help_text="Replies of earlier attempts, by recipient; set with cc or bcc."
    )
    opens_count = models.PositiveIntegerField(_("opens"), default=0)
    clicks_count = models.PositiveIntegerField(_("clicks"), default=0)
    machine_opens_count = models.PositiveIntegerField(_("opens by machines"), default=0)
    machine_clicks_count = models.PositiveIntegerField(_("clicks by machines"), default=0)
    unsubscribed_at = models.DateTimeField(_("unsubscribed at"), null=True)
    first_opened_at = models.DateTimeField(_("first opened at"), null=True)
    last_opened_at = models.DateTimeField(_("last opened at"), null=True)
    user_agent = models.CharField(_("user agent"), max_length=500, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    tags = models.JSONField(_("tags"), default=list)
    metadata = models.JSONField(_("metadata"), default=dict)
    track_opens = models.BooleanField(_("track opens"), default=False)
    track_clicks = models.BooleanField(_("track clicks"), default=False)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    lease_token = models.CharField(max_length=32, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    in_data = models.BooleanField(
        default=False, editable=False, help_text="The message's data had begun to go out."
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = EmailLogQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [
            models.Index(
                fields=["account", "status", "priority", "next_attempt_at"], name="email_claim"
            ),
            # Test mail of a held account, behind any number of live messages that wait.
            models.Index(
                fields=["account", "status", "mode", "priority", "next_attempt_at"],
                name="email_claim_by_mode",
            ),
            models.Index(fields=["status", "leased_until"], name="email_lease"),
            models.Index(fields=["tenant", "status", "id"], name="email_by_status"),
            models.Index(fields=["tenant", "to_address", "id"], name="email_by_recipient"),
            models.Index(fields=["tenant", "batch_id", "id"], name="email_by_batch"),
            models.Index(fields=["tenant", "queued_at"], name="email_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.to_address}: {self.subject}"

    @property
    def is_erased(self) -> bool:
        """Whether the recipient's data was erased, and with it what the message said."""
        return self.to_address.endswith(ERASED)

    @property
    def recipients(self) -> list[str]:
        """The envelope's recipients that no earlier attempt has settled."""
        everyone = [self.to_address, *self.cc_addresses, *self.bcc_addresses]
        return [one for one in everyone if one not in self.recipient_outcomes]

    @property
    def age_limit(self) -> datetime:
        """When to give up: after five days of trying (RFC 5321 section 4.5.4.1)."""
        return self.tried_since + timedelta(days=5)

    @property
    def date(self) -> datetime:
        """The message's Date, the same at every attempt."""
        return max(self.queued_at, self.send_at or self.queued_at)


class EmailTag(models.Model):
    """A tag of a message, as a row that filters and figures can use."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    email = models.ForeignKey(EmailLog, models.CASCADE, related_name="+")
    tag = models.CharField(_("tag"), max_length=50)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        constraints = [models.UniqueConstraint(fields=["email", "tag"], name="email_tag_once")]
        indexes = [models.Index(fields=["tenant", "tag", "email"], name="email_by_tag")]

    def __str__(self) -> str:
        return self.tag
