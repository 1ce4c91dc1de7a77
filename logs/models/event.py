"""The append-only history of messages."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from logs.models.email import EmailLog
from tenants.models import Tenant


class EventType(models.TextChoices):
    QUEUED = "queued", _("queued")
    SENDING = "sending", _("sending")
    SENT = "sent", _("sent")
    DEFERRED = "deferred", _("deferred")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    BOUNCED = "bounced", _("bounced")
    COMPLAINED = "complained", _("complained")
    OPENED = "opened", _("opened")
    CLICKED = "clicked", _("clicked")
    UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
    CANCELLED = "cancelled", _("cancelled")


class EmailEvent(models.Model):
    """Something that happened to a message.

    Its acceptance is the row itself and is not stored: a stored ``queued`` is a later wish that it
    go out now.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    email = models.ForeignKey(EmailLog, models.CASCADE, related_name="events")
    type = models.CharField(_("type"), max_length=12, choices=EventType)
    at = models.DateTimeField(_("at"))
    data = models.JSONField(_("data"), default=dict)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["email", "at"], name="event_history"),
            models.Index(fields=["tenant", "at"], name="event_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.at:%Y-%m-%d %H:%M:%S}"
