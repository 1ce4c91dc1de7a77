"""Rows of triage for the tests."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from ai_triage.kinds import Decision, EmailType, Urgency
from ai_triage.models import Action, Feedback, Status, TriageResult
from ai_triage.models.results import key_of
from tenants.models import Tenant


def triaged(tenant: Tenant, email_id: str = "m1", **fields: Any) -> TriageResult:
    """Return a mail whose triage is done."""
    columns: dict[str, Any] = {
        "from_address": "ana@cliente.example",
        "subject": "Prazo de entrega",
        "body": "Olá, qual é o prazo de entrega para o Porto?",
        "received_at": timezone.now(),
        "processed_at": timezone.now(),
        "status": Status.COMPLETED,
        "decision": Decision.RESPOND,
        "email_type": EmailType.QUESTION,
        "urgency": Urgency.MEDIUM,
        "confidence": "0.90",
        "provider": "rules",
        **fields,
    }
    return TriageResult.objects.create(
        tenant=tenant, email_id=email_id, email_key=key_of(email_id), **columns
    )


def reviewed(
    tenant: Tenant, email_id: str = "m1", *, said: dict[str, Any] | None = None, **fields: Any
) -> TriageResult:
    """Return a triaged mail that a person approved, or corrected as ``said``."""
    result = triaged(tenant, email_id, reviewed_at=timezone.now(), **fields)
    action = Action.CORRECTED if said else Action.APPROVED
    Feedback.objects.create(result=result, **{"action": action, **(said or {})})
    return result
