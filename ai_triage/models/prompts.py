"""Prompts, their versions, which never change, and trials of one against another."""

from __future__ import annotations

from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Prefetch
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from ai_triage.kinds import Criteria
from common.ids import uuid7
from tenants.models import Tenant


class PromptQuerySet(models.QuerySet["Prompt"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def with_version(self) -> Self:
        """With ``in_use`` of all of them by one query."""
        versions = PromptVersion.objects.filter(number=F("prompt__version"))
        return self.prefetch_related(Prefetch("versions", versions, to_attr="fetched_version"))


class Prompt(models.Model):
    """A named prompt; its latest version, of number ``version``, is the one in use.

    ``active_for`` names the tenant whose mail it judges: at most one prompt each.
    """

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    name = models.SlugField(_("name"), max_length=100)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    active_for = models.OneToOneField(
        Tenant,
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="active_prompt",
    )
    created_by = models.CharField(_("author"), max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = PromptQuerySet.as_manager()

    class Meta:
        verbose_name = _("prompt")
        verbose_name_plural = _("prompts")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="prompt_once_per_tenant")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return self.active_for_id is not None

    @cached_property
    def in_use(self) -> PromptVersion:
        """The latest version; a list prefetches it."""
        fetched: list[PromptVersion] | None = getattr(self, "fetched_version", None)
        return fetched[0] if fetched else self.versions.get(number=F("prompt__version"))


class PromptVersion(models.Model):
    """One state of a prompt; it never changes, so that a result says what was asked."""

    prompt = models.ForeignKey(
        Prompt, models.CASCADE, related_name="versions", verbose_name=_("prompt")
    )
    number = models.PositiveIntegerField(_("version"))
    system_prompt = models.TextField(_("system prompt"))
    respond_to = models.JSONField(_("answer these"), default=list)
    ignore = models.JSONField(_("ignore these"), default=list)
    author = models.CharField(_("author"), max_length=150, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("prompt version")
        verbose_name_plural = _("prompt versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "number"], name="prompt_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.prompt.name}@{self.number}"

    @property
    def criteria(self) -> Criteria:
        return Criteria(respond_to=tuple(self.respond_to), ignore=tuple(self.ignore))


class Tryout(models.Model):
    """What it cost to ask a version about a past mail; what it said is shown and kept nowhere.

    ``cost`` as in ``TriageResult``; ``error_code`` is empty where a verdict came.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    version = models.ForeignKey(
        PromptVersion,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("prompt version"),
    )
    by = models.CharField(_("by"), max_length=150)
    provider = models.CharField(_("provider"), max_length=20)
    model_version = models.CharField(_("model"), max_length=100, blank=True)
    input_tokens = models.PositiveIntegerField(_("input tokens"))
    output_tokens = models.PositiveIntegerField(_("output tokens"))
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=8, null=True)
    seconds = models.FloatField(_("processing time"))
    error_code = models.CharField(_("error code"), max_length=40, blank=True)
    at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("try-out")
        verbose_name_plural = _("try-outs")
        indexes = [models.Index(fields=["tenant", "at"], name="tryout_by_time")]

    def __str__(self) -> str:
        return f"{self.version} · {self.by}"


class Experiment(models.Model):
    """Version ``b`` on a share of the senders, ``a`` on the others; one runs per tenant."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=100)
    a = models.ForeignKey(
        PromptVersion, models.RESTRICT, related_name="+", verbose_name=_("version A")
    )
    b = models.ForeignKey(
        PromptVersion, models.RESTRICT, related_name="+", verbose_name=_("version B")
    )
    share_b = models.PositiveSmallIntegerField(
        _("share of B in percent"),
        default=50,
        validators=[MinValueValidator(1), MaxValueValidator(99)],
    )
    running_for = models.OneToOneField(
        Tenant,
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="running_experiment",
    )
    created_by = models.CharField(_("author"), max_length=150, blank=True, editable=False)
    started_at = models.DateTimeField(_("started at"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("prompt trial")
        verbose_name_plural = _("prompt trials")

    def __str__(self) -> str:
        return self.name
