"""What a confidence is worth, by the tenant's own reviewed mail, and from where to trust it.

Reviewed mail is no fair sample: people see what the triage doubted more often than what it was
sure of. So each part of the curve says on how much mail it rests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from ai_triage.evaluation.intervals import Proportion
from ai_triage.evaluation.measures import Bin, calibration_error, reliability, threshold
from ai_triage.judging import judged
from ai_triage.kinds import Decision
from ai_triage.models import Feedback, ReviewReason, Status, TriageResult
from tenants.models import Mode, Tenant

MOST = 5_000
LEAST = 50
"""With fewer reviewed mails a threshold would be chance."""


@dataclass(frozen=True)
class Costs:
    """Of a wrong decision that nobody looked at, and of a person's look; the unit is the same."""

    wrong: float
    look: float


@dataclass(frozen=True)
class Reviewed:
    """One reviewed verdict."""

    confidence: float
    is_right: bool
    decision: str
    email_type: str


@dataclass(frozen=True)
class Suggestion:
    """From which confidence on no person need look; None: everywhere, or too few to say.

    ``alone`` are the mails at least so sure, of those ``wrong`` were wrong. ``email_type`` is
    that of mail to be answered; empty: all mail.
    """

    email_type: str
    count: int
    threshold: float | None
    alone: int = 0
    wrong: int = 0

    @property
    def is_enough(self) -> bool:
        return self.count >= LEAST


@dataclass(frozen=True)
class Calibration:
    count: int
    right: Proportion
    error: float
    bins: list[Bin]
    suggestions: list[Suggestion]


def calibrate(tenant: Tenant, *, costs: Costs) -> Calibration:
    """Return what the tenant's last 5,000 reviewed mails say, test mail left out."""
    mails = reviewed_mail(tenant)
    return Calibration(
        count=len(mails),
        right=Proportion(sum(one.is_right for one in mails), len(mails)),
        error=calibration_error(mails),
        bins=reliability(mails),
        suggestions=_suggestions(mails, costs),
    )


def reviewed_mail(tenant: Tenant) -> list[Reviewed]:
    said = Feedback.objects.filter(result=OuterRef("pk"))
    rows = (
        TriageResult.objects.for_tenant(tenant)
        .filter(
            Exists(said),
            mode=Mode.LIVE,
            status=Status.COMPLETED,
            reviewed_at__isnull=False,
            confidence__isnull=False,
            decision__in=list(Decision),
        )
        .exclude(review_reason=ReviewReason.BLOCKED)
    )  # no verdict, and no confidence of anybody
    light = rows.only("decision", "email_type", "urgency", "confidence")
    latest = light.order_by("-reviewed_at").prefetch_related("feedback")[:MOST]
    return [
        Reviewed(
            confidence=float(row.confidence or 0),
            is_right=judged(row, *row.feedback.all()),
            decision=row.decision,
            email_type=row.email_type,
        )
        for row in latest
    ]


def _suggestions(mails: Sequence[Reviewed], costs: Costs) -> list[Suggestion]:
    """For all mail, then for each type that was to be answered."""
    answered = [one for one in mails if one.decision == Decision.RESPOND]
    types = sorted({one.email_type for one in answered})
    by_type = [(kind, [one for one in answered if one.email_type == kind]) for kind in types]
    return [_suggestion(kind, part, costs) for kind, part in [("", mails), *by_type]]


def _suggestion(kind: str, mails: Sequence[Reviewed], costs: Costs) -> Suggestion:
    if len(mails) < LEAST:
        return Suggestion(kind, len(mails), None)
    found = threshold(mails, cost_of_wrong=costs.wrong / costs.look)
    alone = [one for one in mails if found is not None and one.confidence >= found]
    wrong = sum(not one.is_right for one in alone)
    return Suggestion(kind, len(mails), found, len(alone), wrong)
