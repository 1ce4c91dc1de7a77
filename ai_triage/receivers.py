"""What triage does when others, or it itself, announce something."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.dispatch import receiver

from ai_triage import waiting
from ai_triage.models import TriageResult
from ai_triage.signals import triage_completed
from tenants.models import Mode


@receiver(triage_completed)
def time_processed(result: TriageResult, **kwargs: object) -> None:
    if result.mode == Mode.LIVE:
        transaction.on_commit(partial(waiting.observe_processed, result), robust=True)
