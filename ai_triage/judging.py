"""What people made of a verdict, and whether the verdict was right."""

from __future__ import annotations

from dataclasses import dataclass

from ai_triage.kinds import Decision, EmailType, Urgency
from ai_triage.models import Action, Feedback, TriageResult

_DECIDED_BY = {Action.IGNORED: Decision.IGNORE, Action.EDITED: Decision.RESPOND}


@dataclass(frozen=True)
class Opinion:
    """What holds for a mail after its review."""

    decision: Decision
    email_type: EmailType
    urgency: Urgency


def opinion(result: TriageResult, *feedback: Feedback) -> Opinion:
    """Return what was decided, with everything that ``feedback`` corrects; the latest wins.

    Who ignores a mail decides so, and who writes its answer anew decides to respond.
    """
    email_type, urgency = result.email_type, result.urgency
    for said in sorted(feedback, key=lambda row: row.pk):
        email_type = said.email_type or email_type
        urgency = said.urgency or urgency
    decision = decision_on(result, *feedback)
    return Opinion(Decision(decision), EmailType(email_type), Urgency(urgency))


def decision_on(result: TriageResult, *feedback: Feedback) -> str:
    """Return what holds after all that ``feedback`` says; empty for a mail that nobody judged."""
    decision = result.decision
    for said in sorted(feedback, key=lambda row: row.pk):
        decision = said.decision or _DECIDED_BY.get(Action(said.action), decision)
    return decision


def judged(result: TriageResult, *feedback: Feedback) -> bool:
    """Tell whether decision and type stand after all that people said; urgency is left out."""
    final = opinion(result, *feedback)
    return (final.decision, final.email_type) == (result.decision, result.email_type)
