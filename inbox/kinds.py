"""The closed sets by which inbound mail is sorted."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    """What a mail is, by its structure alone."""

    BOUNCE = "bounce", _("bounce")
    DELAYED = "delayed", _("delayed")
    DELIVERED = "delivered", _("delivery receipt")
    COMPLAINT = "complaint", _("complaint")
    AUTO_REPLY = "auto_reply", _("automatic reply")
    CHALLENGE = "challenge", _("challenge")
    HUMAN = "human", _("human")
    QUARANTINED = "quarantined", _("quarantined")


class BounceType(models.TextChoices):
    """Whether the address is at fault for good, or something that may pass."""

    HARD = "hard", _("hard")
    SOFT = "soft", _("soft")


class NeverReply(models.TextChoices):
    """Why no automatic answer may ever go to a mail (RFC 3834)."""

    QUARANTINED = "quarantined", _("quarantined")
    REPORT = "report", _("a report about another message")
    CHALLENGE = "challenge", _("a challenge")
    AUTO_SUBMITTED = "auto_submitted", _("sent by a program")
    AUTO_RESPONDER = "auto_responder", _("an automatic reply")
    AUTO_RESPONSE_SUPPRESS = "auto_response_suppress", _("asks for no automatic answer")
    PRECEDENCE = "precedence", _("marked as bulk mail")
    LIST = "list", _("from a mailing list")
    NULL_RETURN_PATH = "null_return_path", _("has an empty return path")
    NO_SENDER = "no_sender", _("has no sender to answer")
    ROBOT_SENDER = "robot_sender", _("from an address that nobody reads")
    OWN_ADDRESS = "own_address", _("from an address of this installation")
    LOOP = "loop", _("passed too many servers")
    TOO_FREQUENT = "too_frequent", _("one of too many from its sender")
    NOT_ADDRESSED = "not_addressed", _("names none of our addresses")


class QuarantineReason(models.TextChoices):
    """Which bound a mail breaks, so that it is kept but not taken apart."""

    NO_HEADER = "no_header", _("It has no header.")
    HEADER_TOO_LONG = "header_too_long", _("A header is too long.")
    TOO_MANY_PARTS = "too_many_parts", _("It has too many parts.")
    NESTED_TOO_DEEP = "nested_too_deep", _("It is nested too deep.")
    FRAGMENT = "fragment", _("It is a fragment of a larger mail.")
    UNREADABLE = "unreadable", _("It can't be taken apart.")
    TOO_SLOW = "too_slow", _("Taking it apart took too long.")
    TOO_LARGE = "too_large", _("It is larger than 25 MB: only its header was read.")
