"""What workers do for inbound mail."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from inbox.applying import apply_findings
from inbox.models import InboundEmail

AT_ONCE = 200


def apply_waiting(*, at: datetime) -> int:
    """Apply the reports that could not be applied when they came; returns how many were."""
    ids = InboundEmail.objects.to_apply(at=at).values_list("pk", flat=True)[:AT_ONCE]
    return sum(_apply(pk, at=at) for pk in list(ids))


@transaction.atomic
def _apply(pk: int, *, at: datetime) -> bool:
    waiting = InboundEmail.objects.to_apply(at=at).filter(pk=pk)
    inbound = waiting.select_for_update().select_related("tenant").first()
    return inbound is not None and apply_findings(inbound, at=at)
