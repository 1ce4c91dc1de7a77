"""The closed lists of triage and the criteria of a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    RESPOND = "respond"
    IGNORE = "ignore"


class EmailType(StrEnum):
    QUESTION = "question"
    COMPLAINT = "complaint"
    REQUEST = "request"
    SPAM = "spam"
    NEWSLETTER = "newsletter"
    AUTO_REPLY = "auto_reply"
    OTHER = "other"


class Urgency(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Tone(StrEnum):
    FORMAL = "formal"
    INFORMAL = "informal"
    FRIENDLY = "friendly"
    PROFESSIONAL = "professional"


@dataclass(frozen=True)
class Criteria:
    """What to answer and what to leave, one rule a line."""

    respond_to: tuple[str, ...]
    ignore: tuple[str, ...]
