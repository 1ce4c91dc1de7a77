"""How a tenant wants its mail sorted and answered, and what it knows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from ai_triage.kinds import Tone
from ai_triage.models.choices import EMAIL_TYPES, TONES
from common.ids import uuid7
from tenants.models import Tenant

SHARE = [MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))]


class TriageSettings(models.Model):
    """One row a tenant; ``company_name`` empty: the tenant's own."""

    tenant = models.OneToOneField(
        Tenant, models.CASCADE, related_name="triage_settings", verbose_name=_("tenant")
    )
    company_name = models.CharField(_("company name"), max_length=200, blank=True)
    sector = models.CharField(_("sector"), max_length=200, blank=True)
    support_address = models.CharField(_("support address"), max_length=320, blank=True)
    signature = models.TextField(_("signature"), max_length=1000, blank=True)
    tone = models.CharField(_("tone"), max_length=12, choices=TONES, default=Tone.PROFESSIONAL)
    review_below = models.DecimalField(
        _("a person looks below"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.70"),
        validators=SHARE,
        help_text=_("Mail judged with less confidence than this waits for a person."),
    )
    daily_cost_limit = models.DecimalField(
        _("cost limit a day"),
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("In US dollars; past it no model is asked until the next day. Empty: none."),
    )
    automatic_per_hour = models.PositiveIntegerField(
        _("automatic replies an hour"), default=10, help_text=_("At most; 0: none.")
    )
    reply_account = models.ForeignKey(
        EmailAccount,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("account of replies"),
        help_text=_("Empty: the account that the mail was written to, else the default."),
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("triage settings")
        verbose_name_plural = _("triage settings")

    def __str__(self) -> str:
        return str(self.tenant)


class AutoReplyRule(models.Model):
    """Mail of one type is answered without a person from this confidence on; no row: never."""

    settings = models.ForeignKey(
        TriageSettings, models.CASCADE, related_name="rules", verbose_name=_("triage settings")
    )
    email_type = models.CharField(_("type"), max_length=12, choices=EMAIL_TYPES)
    min_confidence = models.DecimalField(
        _("from confidence"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.95"),
        validators=SHARE,
    )

    class Meta:
        verbose_name = _("automatic reply rule")
        verbose_name_plural = _("automatic reply rules")
        constraints = [
            models.UniqueConstraint(
                fields=["settings", "email_type"], name="auto_reply_rule_once_per_type"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_email_type_display()} ≥ {self.min_confidence}"


class SnippetQuerySet(models.QuerySet["Snippet"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def valid(self, *, on: date) -> Self:
        """Those that still hold on this day of the tenant."""
        return self.filter(Q(valid_until=None) | Q(valid_until__gte=on))


class Snippet(models.Model):
    """Something staff know: a question and its answer, offered to the model where it fits."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    question = models.CharField(_("question"), max_length=500)
    answer = models.TextField(_("answer"), max_length=4000)
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    created_by = models.CharField(_("author"), max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = SnippetQuerySet.as_manager()

    class Meta:
        verbose_name = _("knowledge snippet")
        verbose_name_plural = _("knowledge snippets")
        ordering = ["question"]

    def __str__(self) -> str:
        return self.question
