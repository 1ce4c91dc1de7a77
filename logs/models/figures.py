"""Figures of delivery by day, made from the messages and rebuildable."""

from __future__ import annotations

from datetime import date
from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import EmailAccount
from templates_app.models import EmailTemplate
from tenants.models import Mode, Tenant

TOTALS = (
    "queued",
    "settled",
    "sent",
    "delivered",
    "failed",
    "bounced",
    "spam",
    "opened",
    "clicked",
    "machine_opened",
    "machine_clicked",
    "unsubscribed",
)


class FiguresQuerySet(models.QuerySet[Any]):
    def of_days(self, tenant: Tenant, *, mode: str, first: date, last: date) -> Self:
        return self.filter(tenant=tenant, mode=mode, day__range=(first, last))


class Figures(models.Model):
    """What became so far of the messages that a tenant's local day accepted.

    Each message counts once, whatever happened how often, on the day of its ``queued_at``.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    mode = models.CharField(_("mode"), max_length=4, choices=Mode)
    day = models.DateField(_("day"))
    queued = models.PositiveIntegerField(_("accepted"), default=0)
    settled = models.PositiveIntegerField(_("tried to the end"), default=0)
    sent = models.PositiveIntegerField(_("sent"), default=0)
    delivered = models.PositiveIntegerField(_("delivered"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    bounced = models.PositiveIntegerField(_("bounced"), default=0)
    spam = models.PositiveIntegerField(_("spam"), default=0)
    opened = models.PositiveIntegerField(_("opened"), default=0)
    clicked = models.PositiveIntegerField(_("clicked"), default=0)
    machine_opened = models.PositiveIntegerField(_("opened by machines"), default=0)
    machine_clicked = models.PositiveIntegerField(_("clicked by machines"), default=0)
    unsubscribed = models.PositiveIntegerField(_("unsubscribed"), default=0)

    objects = FiguresQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.tenant} · {self.day}"


class DailyFigures(Figures):
    """A day's figures of one account and template, or of the mail that had no template."""

    account = models.ForeignKey(EmailAccount, models.PROTECT, related_name="+")
    template = models.ForeignKey(EmailTemplate, models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("delivery of a day")
        verbose_name_plural = _("delivery")
        indexes = [models.Index(fields=["tenant", "day", "mode"], name="figures_by_day")]


class DailyTagFigures(Figures):
    """A day's figures of one tag; a message counts with each of its tags."""

    tag = models.CharField(_("tag"), max_length=50)

    class Meta:
        verbose_name = _("delivery of a day by tag")
        verbose_name_plural = _("delivery by tag")
        indexes = [models.Index(fields=["tenant", "day", "mode"], name="tag_figures_by_day")]


class CountedDay(models.Model):
    """How far a day is counted.

    ``newest`` is the last ``queued_at`` it holds. At ``confirm_at`` it is counted once more,
    since messages may be committed later than they were accepted; None: no need. Beat leaves it
    alone until ``next_at``. ``version`` rises with every count that was stored.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    day = models.DateField()
    newest = models.DateTimeField(null=True)
    confirm_at = models.DateTimeField(null=True, db_index=True)
    next_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "day"], name="counted_day_once_per_tenant")
        ]
        indexes = [models.Index(fields=["tenant", "newest"], name="counted_day_newest")]

    def __str__(self) -> str:
        return f"{self.tenant_id} · {self.day}"


class ChangeMark(models.Model):
    """Messages that were accepted in a quarter of an hour have changed since they were counted.

    Rows are only added and deleted, so nobody waits for another. A quarter lies within one day
    of every time zone, so whoever marks need not know the tenant's.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False)
    quarter = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "quarter"], name="change_mark_by_quarter")]

    def __str__(self) -> str:
        return f"{self.tenant_id} · {self.quarter:%Y-%m-%d %H:%M}"
