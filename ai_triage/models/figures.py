"""Figures of triage: by day from results, and of evaluations on labelled mail."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from ai_triage.models.prompts import PromptVersion
from tenants.models import Tenant


class TriageAnalytics(models.Model):
    """One day of a tenant in its own time zone, made from the results and rebuildable."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    date = models.DateField(_("date"))
    total_processed = models.PositiveIntegerField(_("processed"), default=0)
    total_responded = models.PositiveIntegerField(_("to answer"), default=0)
    total_ignored = models.PositiveIntegerField(_("to ignore"), default=0)
    total_reviewed = models.PositiveIntegerField(_("for a person"), default=0)
    avg_processing_time = models.FloatField(_("average processing time"), default=0)
    p50_processing_time = models.FloatField(_("median processing time"), default=0)
    p95_processing_time = models.FloatField(_("95th percentile of processing time"), default=0)
    avg_confidence = models.FloatField(_("average confidence"), default=0)
    top_respond_reasons = models.JSONField(_("reasons to answer"), default=list)
    top_ignore_reasons = models.JSONField(_("reasons to ignore"), default=list)
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cost = models.DecimalField(_("cost"), max_digits=14, decimal_places=8, default=0)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("triage of a day")
        verbose_name_plural = _("triage by day")
        ordering = ["-date"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "date"], name="triage_analytics_once_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.tenant} · {self.date}"


class EvaluationRun(models.Model):
    """A provider and prompt measured on a file of labelled mail (``triage_eval``)."""

    file_name = models.CharField(_("file"), max_length=255)
    provider = models.CharField(_("provider"), max_length=20)
    model_version = models.CharField(_("model"), max_length=100, blank=True)
    prompt = models.ForeignKey(
        PromptVersion, models.SET_NULL, null=True, related_name="+", verbose_name=_("prompt")
    )
    mails = models.PositiveIntegerField(_("mails"))
    figures = models.JSONField(_("figures"), default=dict)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("evaluation")
        verbose_name_plural = _("evaluations")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.file_name} · {self.provider} · {self.created_at:%Y-%m-%d}"
