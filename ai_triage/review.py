"""What people do with a verdict: approve, edit, ignore or correct it, each kept as feedback."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import EmailAccount
from ai_triage import replies
from ai_triage.judging import decision_on
from ai_triage.kinds import Decision
from ai_triage.models import Action, Draft, Feedback, Status, TriageResult
from ai_triage.replies import Reply
from common.errors import Conflict
from logs import transitions
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
    send_at: datetime | None = None,
) -> EmailLog:
    """Send the draft as it stands, which approves it, or what was made of it.

    See :func:`ai_triage.replies.send` for ``known``, ``send_at`` and what is raised.
    """
    said = correction.against(result) | {"decision": ""}
    if result.decision != Decision.RESPOND:
        said["decision"] = Decision.RESPOND
    action = Action.APPROVED if _is_the_draft(reply, result) else Action.EDITED
    email = replies.send(result, reply, at=at, by=by, known=known, send_at=send_at)
    Draft.objects.filter(result=result).delete()
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

    Where it is still to be answered, it goes on waiting for a person. To say nothing, or only
    what was decided anyway, approves the verdict; it takes back, too, what was said otherwise
    before.

    Raises:
        Conflict: the mail has no verdict yet.
    """
    locked = TriageResult.objects.select_for_update().get(pk=result.pk)
    if locked.status != Status.COMPLETED:
        raise Conflict(f"The mail is {locked.status}; it has no verdict yet.", code="no_verdict")
    differing = correction.against(result)
    is_corrected = any(differing.get(name) for name in ("decision", "email_type", "urgency"))
    action = Action.CORRECTED if is_corrected else Action.APPROVED
    said = _keep(result, action, asdict(correction), by=by)
    changes: dict[str, Any] = {"answer_due_at": None, "awaits_answer": _awaits_answer(locked)}
    if locked.reviewed_at is None:
        changes |= {"reviewed_at": at, "reviewed_by": by[:LONGEST_AUTHOR]}
    TriageResult.objects.filter(pk=result.pk).update(**changes, updated_at=at)
    result.awaits_answer = changes["awaits_answer"]
    return said


def _awaits_answer(result: TriageResult) -> bool:
    """Tell whether people want an answer to a reviewed mail that nobody has sent."""
    is_wanted = decision_on(result, *result.feedback.all()) == Decision.RESPOND
    return is_wanted and result.responded_at is None


# Not yet, or not after all


@transaction.atomic
def keep_draft(
    result: TriageResult, reply: Reply, *, by: str, at: datetime, seen: str = ""
) -> Draft:
    """Keep what a person has written so far; the mail goes on waiting, for whoever goes on.

    ``seen`` is the :func:`draft_stamp` of the draft that the person began with.

    Raises:
        Conflict: the mail was answered (``conflict``), or somebody else has saved another draft
            since (``draft_changed``).
    """
    locked = TriageResult.objects.select_for_update().get(pk=result.pk)
    if locked.responded_at is not None:
        raise Conflict("This mail was answered meanwhile; look again.")
    if draft_stamp(draft_of(result)) != seen:
        raise Conflict("Another draft was saved meanwhile.", code="draft_changed")
    return _store_draft(result, reply, by=by, at=at)


def draft_of(result: TriageResult) -> Draft | None:
    return Draft.objects.filter(result=result).first()


def draft_stamp(draft: Draft | None) -> str:
    """Return what changes whenever a draft is saved; empty for none."""
    return str(draft.saved_at.timestamp()) if draft else ""


def _store_draft(result: TriageResult, reply: Reply, *, by: str, at: datetime) -> Draft:
    account = EmailAccount.objects.for_tenant(result.tenant).filter(pk=reply.account or 0).first()
    columns = {
        "subject": reply.subject.strip(),
        "body": reply.body.replace("\r\n", "\n"),
        "account": account,
        "by": by[:LONGEST_AUTHOR],
        "saved_at": at,
    }
    draft, _is_new = Draft.objects.update_or_create(result=result, defaults=columns)
    return draft


@transaction.atomic
def undo(said: Feedback, *, by: str, at: datetime) -> TriageResult:
    """Take back the last that ``by`` did with a mail and return the mail, which waits as before.

    An answer is cancelled, and what was written in it becomes the mail's draft.

    Raises:
        Conflict: the answer has gone out or was tried (``already_sent``), or somebody has done
            something else with the mail since (``moved_on``).
    """
    result = TriageResult.objects.select_for_update().get(pk=said.result_id)
    latest, earlier = [*result.feedback.order_by("-pk")[:2], None, None][:2]
    if latest != said or said.by != by[:LONGEST_AUTHOR] or result.reviewed_at is None:
        raise Conflict("Somebody went on with this mail.", code="moved_on")
    changes: dict[str, Any] = {
        "reviewed_at": earlier.created_at if earlier else None,
        "reviewed_by": earlier.by if earlier else "",
    }
    if said.action in (Action.APPROVED, Action.EDITED) and result.responded_at is not None:
        _take_back_answer(result, said, at=at)
        changes |= {"responded_at": None, "response": None}
        result.responded_at = None
    said.delete()
    changes["awaits_answer"] = earlier is not None and _awaits_answer(result)
    TriageResult.objects.filter(pk=result.pk).update(**changes, updated_at=at)
    logger.info("an action on a triaged mail was undone", extra={"result": result.pk})
    return TriageResult.objects.select_related("tenant", "inbound").get(pk=result.pk)


def _take_back_answer(result: TriageResult, said: Feedback, *, at: datetime) -> None:
    gone = Conflict("The answer has gone out.", code="already_sent")
    email = result.response
    if email is None:
        raise gone
    try:
        transitions.cancel(email, at=at)
    except Conflict as conflict:
        raise gone from conflict
    # An attempt whose outcome nobody knows may have delivered it (RFC 1047).
    if EmailLog.objects.filter(pk=email.pk, attempt__gt=0).exists():
        raise gone
    if said.action == Action.EDITED:
        reply = Reply(replies.written(result, email), email.subject, email.account_id)
        _store_draft(result, reply, by=said.by, at=at)


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
