"""What the tracking endpoints saw, for the seconds until a worker has judged and counted it."""

from __future__ import annotations

from django.db import models

from common.ids import uuid7
from logs.models.event import EventType


class HitSign(models.TextChoices):
    """What a request itself says of no person having made it."""

    HEAD = "head"
    PREFETCH = "prefetch"


class TrackingHit(models.Model):
    """A request for a message's image or link; its key, made where it came in, grows with time.

    It names its message without a foreign key: it is stored without a look at the messages.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tracking_id = models.UUIDField()
    kind = models.CharField(max_length=12, choices=EventType)
    at = models.DateTimeField()
    url = models.TextField(blank=True)
    user_agent = models.CharField(max_length=500, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    sign = models.CharField(max_length=8, choices=HitSign, blank=True)

    class Meta:
        verbose_name = "tracking hit"
        verbose_name_plural = "tracking hits"
        indexes = [models.Index(fields=["tracking_id", "at"], name="hit_of_message")]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"
