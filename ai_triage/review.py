"""What people do with a verdict: approve, edit, ignore or correct it, each kept as feedback."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from ai_triage import replies
from ai_triage.kinds import Decision
from ai_triage.models import Action, Feedback, Status, TriageResult
from ai_triage.replies import Reply
from common.errors import Conflict
from logs.models import EmailLog

logger = logging.getLogger(__name__)
LONGEST_AUTHOR = 150


@dataclass(frozen=True)
class Correction:
    """What a person says of a verdict; what is empty is not said."""

    decision: str = ""
    email_type: str = ""
    urgency: str = ""
    comment: str = ""

    def against(self, result: TriageResult) -> dict[str, str]:
        """Return what differs from the verdict, and the comment."""
        said = {
            name: getattr(self, name)
            for name in ("decision", "email_type", "urgency")
            if getattr(self, name) != getattr(result, name)
        }
        return said | {"comment": self.comment}


NOTHING = Correction()


@transaction.atomic
def answer(
    result: TriageResult,
    reply: Reply,
    *,
    by: str,
    at: datetime,
    correction: Correction = NOTHING,
    known: str = "",
) -> EmailLog:
    """Send the draft as it stands, which approves it, or what was made of it.

    See :func:`ai_triage.replies.send` for ``known`` and what is raised.
    """
    said = correction.against(result) | {"decision": ""}
    if result.decision != Decision.RESPOND:
        said["decision"] = Decision.RESPOND
    action = Action.APPROVED if _is_the_draft(reply, result) else Action.EDITED
    email = replies.send(result, reply, at=at, by=by, known=known)
    _keep(result, action, said, by=by)
    return email


@transaction.atomic
def ignore(
    result: TriageResult, *, by: str, at: datetime, correction: Correction = NOTHING
) -> Feedback:
    """Leave the mail unanswered.

    Raises:
        Conflict: it was answered, or somebody else reviewed it.
    """
    said = correction.against(result)
    said["decision"] = "" if result.decision == Decision.IGNORE else Decision.IGNORE
    result.settle(reviewed_at=at, reviewed_by=by[:LONGEST_AUTHOR], answer_due_at=None)
    return _keep(result, Action.IGNORED, said, by=by)


@transaction.atomic
def correct(result: TriageResult, correction: Correction, *, by: str, at: datetime) -> Feedback:
    """Keep all that a person says of the verdict; the mail counts as reviewed and can be answered.

    To say nothing, or only what was decided anyway, approves it; it takes back, too, what was
    said otherwise before.

    Raises:
        Conflict: the mail has no verdict yet.
    """
    if result.status != Status.COMPLETED:
        raise Conflict(f"The mail is {result.status}; it has no verdict yet.", code="no_verdict")
    differing = correction.against(result)
    is_corrected = any(differing.get(name) for name in ("decision", "email_type", "urgency"))
    TriageResult.objects.filter(pk=result.pk, reviewed_at=None).update(
        reviewed_at=at, reviewed_by=by[:LONGEST_AUTHOR], answer_due_at=None, updated_at=at
    )
    action = Action.CORRECTED if is_corrected else Action.APPROVED
    return _keep(result, action, asdict(correction), by=by)


def _is_the_draft(reply: Reply, result: TriageResult) -> bool:
    same_subject = reply.subject.strip() in ("", replies.subject_of(result))
    return same_subject and _plain(reply.body) == _plain(result.suggested_body)


def _plain(text: str) -> str:
    """Browsers send line ends as CRLF."""
    return text.replace("\r\n", "\n").strip()


def _keep(result: TriageResult, action: Action, said: dict[str, str], *, by: str) -> Feedback:
    feedback = Feedback.objects.create(result=result, action=action, by=by[:LONGEST_AUTHOR], **said)
    extra = {"result": result.pk, "action": action.value}
    logger.info("a triaged mail was reviewed", extra=extra)
    return feedback
