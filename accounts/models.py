"""E-mail accounts: the SMTP and IMAP identities that mail goes through."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.fields import Secret
from common.smtp.words import in_words
from domains.models import Domain
from tenants.models import Tenant

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

PORTS = [MinValueValidator(1), MaxValueValidator(65535)]
PAUSE_COLUMNS = ("paused_reason", "paused_at", "paused_by_hand")
AT_LEAST_ONE = [MinValueValidator(1)]


class EmailAccountQuerySet(models.QuerySet["EmailAccount"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(domain__tenant=tenant)


def limit(label: StrPromise) -> models.PositiveIntegerField[int | None, int | None]:
    return models.PositiveIntegerField(label, null=True, blank=True, validators=AT_LEAST_ONE)


class EmailAccount(models.Model):
    """One address with its servers, secrets, limits and health; it goes with its domain.

    ``is_active`` changes by ``accounts.services.activate`` and ``deactivate`` alone.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    domain = models.ForeignKey(
        Domain, models.CASCADE, related_name="accounts", verbose_name=_("domain")
    )
    email_address = models.CharField(_("e-mail address"), max_length=254, unique=True)
    display_name = models.CharField(_("display name"), max_length=200, blank=True)
    smtp_server = models.CharField(_("SMTP server"), max_length=253)
    smtp_port = models.PositiveIntegerField(_("SMTP port"), default=587, validators=PORTS)
    smtp_username = models.CharField(_("SMTP user"), max_length=254, blank=True)
    smtp_password_encrypted = models.TextField(blank=True, editable=False)
    use_tls = models.BooleanField(_("STARTTLS"), default=True)
    use_ssl = models.BooleanField(_("implicit TLS"), default=False)
    allow_plaintext = models.BooleanField(
        _("allow plain connections"),
        default=False,
        help_text=_("Without TLS anybody on the way can read password and mail."),
    )
    is_active = models.BooleanField(_("active"), default=False, editable=False)
    default_for = models.OneToOneField(
        Tenant,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="default_account",
        editable=False,
    )
    paused_reason = models.CharField(_("paused because"), max_length=500, blank=True)
    paused_at = models.DateTimeField(_("paused at"), null=True, blank=True, editable=False)
    paused_by_hand = models.BooleanField(default=False, editable=False)
    pause_told_at = models.DateTimeField(null=True, editable=False)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    max_connections = models.PositiveSmallIntegerField(
        _("connections at once"), default=4, validators=[*AT_LEAST_ONE, MaxValueValidator(100)]
    )
    limit_per_second = limit(_("messages per second"))
    limit_per_minute = limit(_("messages per minute"))
    limit_per_hour = limit(_("messages per hour"))
    limit_per_day = limit(_("messages per day"))
    warmup_start = limit(_("warm-up: messages on the first day"))
    warmup_growth = models.FloatField(
        _("warm-up: daily factor"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1.0), MaxValueValidator(10.0)],
    )
    warmup_ceiling = limit(_("warm-up: messages a day at its end"))
    fallback_account = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("fallback account"),
    )
    imap_server = models.CharField(_("IMAP server"), max_length=253, blank=True)
    imap_port = models.PositiveIntegerField(_("IMAP port"), default=993, validators=PORTS)
    imap_username = models.CharField(_("IMAP user"), max_length=254, blank=True)
    imap_password_encrypted = models.TextField(blank=True, editable=False)
    imap_use_ssl = models.BooleanField(_("IMAP over TLS"), default=True)
    imap_folder = models.CharField(_("IMAP folder"), max_length=200, default="INBOX")
    reads_mail = models.BooleanField(_("reads mail"), default=False)
    bounce_address = models.CharField(
        _("bounce address"),
        max_length=254,
        blank=True,
        help_text=_(
            "Where reports go, as bounces+TOKEN@… with a token for each message. "
            "Empty: to the account's own address."
        ),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    smtp_password = Secret("smtp_password_encrypted")
    imap_password = Secret("imap_password_encrypted")

    objects = EmailAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints = [
            models.CheckConstraint(
                condition=~Q(use_tls=True, use_ssl=True),
                name="account_one_kind_of_tls",
                violation_error_message=_("STARTTLS and implicit TLS exclude each other."),
            )
        ]

    def __str__(self) -> str:
        return self.email_address

    @property
    def tenant(self) -> Tenant:
        return self.domain.tenant

    @property
    def is_default(self) -> bool:
        return self.default_for_id is not None

    def pause(self, reason: str, *, at: datetime, by_hand: bool = False) -> None:
        """Hold all mail of this account; it waits.

        Until a person resumes it (``by_hand``), or until it passes a test: then its tenant's
        owners are told. A pause that is on already stays as it is.
        """
        values = {
            "paused_reason": reason[:500],
            "paused_at": at,
            "paused_by_hand": by_hand,
            "pause_told_at": at if by_hand else None,
        }
        if EmailAccount.objects.filter(pk=self.pk, paused_at=None).update(**values):
            for name, value in values.items():
                setattr(self, name, value)

    @property
    def paused_because(self) -> str:
        """The reason in the reader's language."""
        return in_words(self.paused_reason)

    def resume(self) -> None:
        self.paused_reason, self.paused_at, self.paused_by_hand = "", None, False
        self.save(update_fields=[*PAUSE_COLUMNS, "updated_at"])
