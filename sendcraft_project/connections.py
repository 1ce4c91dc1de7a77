"""Where apps that don't know each other are connected."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from ai_triage.models import TriageResult
from ai_triage.signals import triage_completed, triage_failed
from webhooks import services as webhooks
from webhooks.events import TRIAGE_COMPLETED, TRIAGE_FAILED, Event, instant


@receiver(triage_completed)
def tell_of_verdict(result: TriageResult, **kwargs: object) -> None:
    data = {
        "decision": result.decision,
        "confidence": None if result.confidence is None else float(result.confidence),
        "email_type": result.email_type,
        "urgency": result.urgency,
        "reason": result.reason,
        "needs_review": result.needs_review,
        "never_auto_reply": result.never_auto_reply or None,
        "processed_at": result.processed_at and instant(result.processed_at),
        "provider": result.provider,
        "model_version": result.model_version,
    }
    _publish(TRIAGE_COMPLETED, result, data)


@receiver(triage_failed)
def tell_of_failed_triage(result: TriageResult, **kwargs: object) -> None:
    data = {
        "error_code": result.error_code,
        "error": result.error,
        "needs_review": result.needs_review,
    }
    _publish(TRIAGE_FAILED, result, data)


def _publish(type: str, result: TriageResult, data: dict[str, Any]) -> None:  # noqa: A002
    about = {
        "email_id": result.email_id,
        "batch_id": str(result.batch_id) if result.batch_id else None,
        "thread_id": result.thread_id or None,
        "mode": result.mode,
    }
    event = Event(tenant_id=result.tenant_id, type=type, at=result.updated_at, data=about | data)
    webhooks.publish([event])
