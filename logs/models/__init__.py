"""Every message, what it says and what happened to it."""

from logs.models.content import Attachment, EmailContent
from logs.models.email import EmailLog, EmailStatus, EmailTag, Lease, Priority
from logs.models.event import EmailEvent, EventType
from logs.models.figures import TOTALS, ChangeMark, CountedDay, DailyFigures, DailyTagFigures
from logs.models.hit import HitSign, TrackingHit

__all__ = [
    "TOTALS",
    "Attachment",
    "ChangeMark",
    "CountedDay",
    "DailyFigures",
    "DailyTagFigures",
    "EmailContent",
    "EmailEvent",
    "EmailLog",
    "EmailStatus",
    "EmailTag",
    "EventType",
    "HitSign",
    "Lease",
    "Priority",
    "TrackingHit",
]
