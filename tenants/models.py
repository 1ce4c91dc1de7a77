"""Tenants, who belongs to them, their API keys and the answers kept for repeated requests."""

from __future__ import annotations

import hashlib
import secrets
import zoneinfo
from datetime import datetime, timedelta
from typing import Self
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common.ids import uuid7
from tenants.scopes import ALL_SCOPES, covers


def check_timezone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("There is no time zone of this name."))


LONGEST_DAYS = 36_500
"""For which data may be kept, about a century; twenty times as long would be before the year 1."""


class TenantQuerySet(models.QuerySet["Tenant"]):
    def of_staff(self, user: object) -> Self:
        """The tenants that ``user`` may see in the admin: all for a superuser, else his own."""
        if getattr(user, "is_superuser", False):
            return self
        return self.filter(memberships__user=user)


class Tenant(models.Model):
    """A company or project; a wall: nobody sees another tenant's rows."""

    slug = models.SlugField(_("slug"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=200)
    language = models.CharField(
        _("language"), max_length=10, choices=settings.LANGUAGES, default="pt"
    )
    timezone = models.CharField(
        _("time zone"), max_length=64, default="Europe/Lisbon", validators=[check_timezone]
    )
    track_opens = models.BooleanField(_("track opens"), default=True)
    track_clicks = models.BooleanField(_("track clicks"), default=True)
    never_twice = models.BooleanField(
        _("never send twice"),
        default=False,
        help_text=_(
            "When a connection breaks after the message was handed over, "
            "stop and ask a person instead of sending again."
        ),
    )
    private_tracking = models.BooleanField(
        _("track without personal data"),
        default=False,
        help_text=_("Opens and clicks are counted; addresses and user agents are not kept."),
    )
    content_days = models.PositiveIntegerField(
        _("keep contents for days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DAYS)],
        help_text=_("Texts and files of messages and inbound mail; empty: for ever."),
    )
    event_days = models.PositiveIntegerField(
        _("keep events for days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DAYS)],
        help_text=_("The history of messages; figures stay. Empty: for ever."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)


class Role(models.TextChoices):
    OWNER = "owner", _("owner")
    ADMIN = "admin", _("admin")
    EDITOR = "editor", _("editor")
    VIEWER = "viewer", _("viewer")


class Membership(models.Model):
    """A user's place in a tenant; what a role may do stands in ``tenants.roles``."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="memberships", verbose_name=_("tenant")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="memberships",
        verbose_name=_("user"),
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once_per_tenant")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self, *, at: datetime) -> Self:
        """Those that may still be accepted."""
        return self.filter(accepted_at=None, expires_at__gt=at)


class Invitation(models.Model):
    """A place in a tenant that is offered by mail to whoever reads the address."""

    public_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="invitations", verbose_name=_("tenant")
    )
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.VIEWER)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("invited by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"))
    mailed_at = models.DateTimeField(_("mailed at"), null=True, editable=False)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")

    def __str__(self) -> str:
        return self.email


class Mode(models.TextChoices):
    LIVE = "live", _("live")
    TEST = "test", _("test")


PREFIX_LENGTH = 16
SECRET_BYTES = 24  # 192 random bits, 32 characters of base64url
SEEN_EVERY = timedelta(minutes=1)


def digest_of(key: str) -> str:
    """Return the hex SHA-256 of a key; 192 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


class APIKeyQuerySet(models.QuerySet["APIKey"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)


class APIKey(models.Model):
    """An API key: only its digest and first 16 characters are kept."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="api_keys", verbose_name=_("tenant")
    )
    name = models.CharField(_("name"), max_length=100)
    mode = models.CharField(_("mode"), max_length=4, choices=Mode, default=Mode.LIVE)
    prefix = models.CharField(_("prefix"), max_length=PREFIX_LENGTH, db_index=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    rate = models.CharField(
        _("rate limit"),
        max_length=20,
        blank=True,
        validators=[RegexValidator(r"^(0|\d{1,9}/(s|sec|second|m|min|minute|h|hour|d|day))$")],
        help_text=_("For example 600/min; empty: the installation's limit; 0: none."),
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    objects = APIKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, *, tenant: Tenant, name: str, mode: str, **fields: object) -> tuple[Self, str]:
        """Store a new key and return it with its text, which nothing can show again."""
        key = f"sk_{mode}_{secrets.token_urlsafe(SECRET_BYTES)}"
        fields.setdefault("scopes", [ALL_SCOPES])
        row = cls.objects.create(
            tenant=tenant,
            name=name,
            mode=mode,
            prefix=key[:PREFIX_LENGTH],
            digest=digest_of(key),
            **fields,
        )
        return row, key  # type: ignore[return-value]

    def is_usable(self, *, at: datetime) -> bool:
        expired = self.expires_at is not None and self.expires_at <= at
        return self.revoked_at is None and not expired and self.tenant.is_active

    def allows(self, scope: str) -> bool:
        return covers(self.scopes, scope)

    def revoke(self, *, at: datetime) -> None:
        """Refuse the key from now on; repeating it changes nothing."""
        if self.revoked_at is None:
            self.revoked_at = at
            self.save(update_fields=["revoked_at"])

    def seen(self, *, at: datetime) -> None:
        """Note the use, with one write a minute at the most."""
        if self.last_used_at is None or at - self.last_used_at >= SEEN_EVERY:
            APIKey.objects.filter(pk=self.pk).update(last_used_at=at)


class IdempotencyRecord(models.Model):
    """The first answer to a request that carried ``Idempotency-Key``.

    It is written in the transaction of what the request did, so both exist or neither.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    key_digest = models.CharField(max_length=64)
    request_digest = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField()
    answer = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "key_digest"], name="idempotency_once_per_tenant"
            )
        ]

    def __str__(self) -> str:
        return f"{self.key_digest[:8]} {self.created_at:%Y-%m-%d %H:%M}"


class JobStatus(models.TextChoices):
    QUEUED = "queued", _("waiting")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class BackgroundJobQuerySet(models.QuerySet["BackgroundJob"]):
    def for_tenant(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def waiting(self, *, at: datetime) -> Self:
        """Jobs that a worker may take: new ones, and those whose worker is gone."""
        lost = models.Q(status=JobStatus.RUNNING, leased_until__lt=at)
        return self.filter(models.Q(status=JobStatus.QUEUED) | lost)


class BackgroundJob(models.Model):
    """Work that takes longer than a request; how it is done stands in ``tenants.background``."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    kind = models.CharField(_("kind"), max_length=50)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    status = models.CharField(
        _("status"), max_length=9, choices=JobStatus, default=JobStatus.QUEUED
    )
    total = models.PositiveIntegerField(null=True, help_text="Empty: not counted yet.")
    done = models.PositiveIntegerField(default=0)
    params = models.JSONField(default=dict, help_text="What was asked for.")
    state = models.JSONField(default=dict, help_text="Where to go on, besides ``done``.")
    result = models.JSONField(default=dict, help_text="Counts, by the kind's own names.")
    error = models.CharField(_("error"), max_length=50, blank=True)
    input_path = models.CharField(max_length=255, blank=True)
    output_parts = models.PositiveIntegerField(default=0)
    output_name = models.CharField(max_length=100, blank=True)
    cancel_requested = models.BooleanField(default=False)
    strikes = models.PositiveSmallIntegerField(
        default=0, help_text="How often a worker took it and got nowhere."
    )
    lease_token = models.CharField(max_length=32, blank=True)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, db_index=True)
    updated_at = models.DateTimeField(_("updated at"), default=timezone.now)

    objects = BackgroundJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("background job")
        verbose_name_plural = _("background jobs")
        indexes = [models.Index(fields=["status", "updated_at"], name="job_waiting")]

    def __str__(self) -> str:
        return str(_("Job %(number)s") % {"number": self.pk})

    @property
    def is_over(self) -> bool:
        return self.status not in (JobStatus.QUEUED, JobStatus.RUNNING)

    @property
    def percent(self) -> int | None:
        """How far it is; None while nobody knows."""
        if self.total is None:
            return None
        return min(self.done * 100 // self.total, 100) if self.total else 100


class JobProblem(models.Model):
    """A line, or another numbered piece of a job's work, that was refused."""

    job = models.ForeignKey(BackgroundJob, models.CASCADE, related_name="problems")
    line = models.PositiveIntegerField()
    value = models.CharField(max_length=320, blank=True)
    code = models.CharField(max_length=30)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "line"], name="problem_once_a_line")]

    def __str__(self) -> str:
        return f"{self.line}: {self.code}"
