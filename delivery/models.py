"""Batches, and who must not be mailed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Self

from django.db import connections, models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from common.ids import uuid7
from logs.models import EmailLog
from templates_app.models import EmailTemplate
from tenants.models import Tenant

ADDRESSES_AT_ONCE = 500  # SQLite takes 999 parameters at once


class SendBatch(models.Model):
    """One accepted ``send-bulk`` request."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    template = models.ForeignKey(
        EmailTemplate, models.PROTECT, related_name="+", verbose_name=_("template")
    )
    accepted = models.PositiveIntegerField(_("accepted"))
    rejected = models.JSONField(_("rejected"), default=list)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")

    def __str__(self) -> str:
        return str(self.public_id)


class SuppressionReason(models.TextChoices):
    HARD_BOUNCE = "hard_bounce", _("hard bounce")
    SOFT_BOUNCES = "soft_bounces", _("repeated soft bounces")
    COMPLAINT = "complaint", _("complaint")
    UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
    MANUAL = "manual", _("by hand")


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def in_force(self, *, at: datetime) -> Self:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=at))

    def ended(self, *, at: datetime) -> Self:
        return self.filter(expires_at__lte=at)

    def enter(
        self,
        address: str,
        *,
        tenant: Tenant,
        topic: str,
        reason: str,
        source: EmailLog | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Suppression, bool]:
        """Return the entry of the normalized ``address`` and topic, and whether it is new.

        An entry stays unless it ends, or ended, before the new one would.
        """
        shorter = self.for_tenant(tenant).filter(address=address, topic=topic)
        shorter = shorter.exclude(expires_at=None)
        if expires_at is not None:
            shorter = shorter.filter(expires_at__lt=expires_at)
        shorter.delete()
        return self.get_or_create(
            tenant=tenant,
            address=address,
            topic=topic,
            defaults={"reason": reason, "source": source, "expires_at": expires_at},
        )

    def covering(
        self, addresses: Iterable[str], *, tenant: Tenant, topics: Collection[str], at: datetime
    ) -> set[str]:
        """Return those of the normalized ``addresses`` that may not get mail on ``topics``."""
        names, found = sorted(set(addresses)), set[str]()
        for start in range(0, len(names), ADDRESSES_AT_ONCE):
            some = names[start : start + ADDRESSES_AT_ONCE]
            found |= self._covering(some, tenant=tenant, topics=["", *topics], at=at)
        return found

    def widest(
        self, addresses: Iterable[str], *, tenant: Tenant, topics: Collection[str], at: datetime
    ) -> dict[str, Suppression]:
        """Return the entry that keeps mail on ``topics`` from each address, that for all first."""
        names, found = sorted(set(addresses)), dict[str, Suppression]()
        for start in range(0, len(names), ADDRESSES_AT_ONCE):
            entries = self.for_tenant(tenant).in_force(at=at).filter(topic__in=["", *topics])
            some = entries.filter(address__in=names[start : start + ADDRESSES_AT_ONCE])
            found |= {entry.address: entry for entry in some.order_by("-topic")}
        return found

    def _covering(
        self, addresses: Sequence[str], *, tenant: Tenant, topics: Sequence[str], at: datetime
    ) -> set[str]:
        """One statement, written by hand: every message asks this, and Django would take longer."""
        connection = connections[self.db]
        table = connection.ops.quote_name(self.model._meta.db_table)
        sql = (
            f"SELECT address FROM {table} WHERE tenant_id = %s "  # noqa: S608  names only
            "AND (expires_at IS NULL OR expires_at > %s) "
            f"AND topic IN ({', '.join(['%s'] * len(topics))}) "
            f"AND address IN ({', '.join(['%s'] * len(addresses))})"
        )
        now = connection.ops.adapt_datetimefield_value(at)
        with connection.cursor() as cursor:
            cursor.execute(sql, [tenant.pk, now, *topics, *addresses])
            return {address for (address,) in cursor.fetchall()}


class Suppression(models.Model):
    """An address that must not be mailed, for all mail (``topic`` empty) or for one topic."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    address = models.CharField(_("address"), max_length=320)
    topic = models.CharField(
        _("topic"), max_length=50, blank=True, help_text=_("Empty: no mail at all.")
    )
    reason = models.CharField(_("reason"), max_length=12, choices=SuppressionReason)
    source = models.ForeignKey(
        EmailLog,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("source"),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "address", "topic"], name="suppression_once_per_topic"
            )
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def trace(self) -> dict[str, str | None]:
        """Why mail was not sent, as it stands in the message's history."""
        return {
            "suppression_reason": self.reason,
            "topic": self.topic or None,
            "since": self.created_at.isoformat(timespec="seconds"),
        }


class ConnectionSlot(models.Model):
    """One of the connections that an account may have at once, over all workers."""

    account = models.ForeignKey(EmailAccount, models.CASCADE, related_name="+")
    number = models.PositiveSmallIntegerField()
    token = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "number"], name="slot_once_per_account")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} #{self.number}"


class AccountUsage(models.Model):
    """What an account has sent in its running windows, and how fast its server lets it.

    One row, so that one lock holds all windows; ``delivery.limits`` alone reads and writes it.
    """

    account = models.OneToOneField(EmailAccount, models.CASCADE, related_name="usage")
    second_since = models.DateTimeField(null=True)
    second_used = models.PositiveIntegerField(default=0)
    minute_since = models.DateTimeField(null=True)
    minute_used = models.PositiveIntegerField(default=0)
    hour_since = models.DateTimeField(null=True)
    hour_used = models.PositiveIntegerField(default=0)
    day_since = models.DateTimeField(null=True)
    day_used = models.PositiveIntegerField(default=0)
    warmup_since = models.DateField(null=True, help_text="The first day with mail of a warm-up.")
    slow_per_minute = models.PositiveIntegerField(
        null=True, help_text="What the server was found to take; empty: as fast as allowed."
    )
    slow_since = models.DateTimeField(null=True)
    fallback_refusal = models.CharField(max_length=500, blank=True)
    fallback_refused_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.account_id)


class SendingQueue(EmailAccount):
    """An account as its queue's page shows it."""

    class Meta:
        proxy = True
        verbose_name = _("sending queue")
        verbose_name_plural = _("sending queues")
