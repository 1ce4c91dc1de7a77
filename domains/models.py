"""Domains that mail is sent from, and their DKIM keys."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.fields import Secret
from tenants.models import Tenant


class DomainQuerySet(models.QuerySet["Domain"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)


class Domain(models.Model):
    """A domain name, unique in the whole installation, stored as its IDNA A-label."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="domains", verbose_name=_("tenant")
    )
    name = models.CharField(_("name"), max_length=253, unique=True)
    description = models.CharField(_("description"), max_length=500, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    tracking_host = models.CharField(_("tracking host"), max_length=253, blank=True)
    dns = models.JSONField(_("DNS check"), default=dict, blank=True, editable=False)
    dns_checked_at = models.DateTimeField(_("DNS checked at"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = DomainQuerySet.as_manager()

    class Meta:
        verbose_name = _("domain")
        verbose_name_plural = _("domains")

    def __str__(self) -> str:
        return self.name


class KeyAlgorithm(models.TextChoices):
    RSA = "rsa", "RSA-2048"
    ED25519 = "ed25519", "Ed25519"


class DKIMKeyQuerySet(models.QuerySet["DKIMKey"]):
    def current(self) -> Self:
        """Keys that no newer ones took the place of, seen in the DNS or not."""
        return self.filter(retired_at=None)

    def signing(self) -> Self:
        """Keys that receivers can verify with, in the order to sign in: RSA last.

        Each signature goes on top of those before, and some receivers look at the first one only.
        """
        return self.current().filter(is_verified=True).order_by("algorithm", "pk")


class DKIMKey(models.Model):
    """A signing key of a domain; it signs from when its record was seen until it is retired."""

    domain = models.ForeignKey(
        Domain, models.CASCADE, related_name="dkim_keys", verbose_name=_("domain")
    )
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    selector = models.CharField(_("selector"), max_length=63)
    algorithm = models.CharField(_("algorithm"), max_length=10, choices=KeyAlgorithm)
    public_record = models.TextField(_("DNS record"))
    private_key_encrypted = models.TextField(editable=False)
    is_verified = models.BooleanField(_("verified"), default=False)
    retired_at = models.DateTimeField(
        _("retired at"),
        null=True,
        editable=False,
        help_text=_("When newer keys took its place; mail of before still needs its record."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    private_key = Secret("private_key_encrypted")

    objects = DKIMKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("DKIM key")
        verbose_name_plural = _("DKIM keys")
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_selector_once")
        ]

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain.name}"
