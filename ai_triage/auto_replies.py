"""Answers that no person has seen: off by default, by rule, within limits, to the sender alone.

The rule is asked when a verdict is stored, in its transaction: where it allows an answer,
``answer_due_at`` says so, until the answer was handed to delivery or the mail left to a person.
So a ring may be lost or come twice.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction

from ai_triage import conversations, replies
from ai_triage.kinds import Decision
from ai_triage.models import (
    AutoReplyRule,
    ReviewReason,
    Status,
    TriageResult,
    TriageResultQuerySet,
    TriageSettings,
)
from ai_triage.replies import Reply
from common.addresses import parse_address
from common.errors import Conflict, Refused, RefusedTogether
from inbox.words import address_list
from tenants.models import Mode

logger = logging.getLogger(__name__)

# A bounce or another robot that the gate does not know (41 of 606 real ones) is answered so often
# and no more.
MOST_OF_THREAD, THREAD_WINDOW = 1, timedelta(days=1)
MOST_OF_SENDER, SENDER_WINDOW = 2, timedelta(hours=3)
AT_ONCE = 200


def is_allowed(result: TriageResult) -> bool:
    """Tell whether a rule of the tenant lets this verdict be answered without a person.

    The mail's header must be known, or nobody could tell that no program wrote it; and the
    envelope's sender, where it is known, must be the one that is answered (RFC 3834, section 4).
    An earlier mail's draft is for a person to look at.
    """
    is_answerable = (
        result.status == Status.COMPLETED
        and result.mode == Mode.LIVE
        and result.tenant.is_active
        and result.decision == Decision.RESPOND
        and bool(result.suggested_body)
        and result.reviewed_at is None
        and not (result.needs_review or result.never_auto_reply or result.cached)
    )
    return is_answerable and _has_honest_header(result) and _has_rule(result)


def _has_honest_header(result: TriageResult) -> bool:
    if not result.headers or conversations.sender_of(result)[0] != result.from_address:
        return False
    envelope = [one for one, _ in address_list(conversations.header(result.headers, "Return-Path"))]
    return not envelope or envelope[0].casefold() == result.from_address.casefold()


def _has_rule(result: TriageResult) -> bool:
    rules = AutoReplyRule.objects.filter(
        settings__tenant_id=result.tenant_id,
        email_type=result.email_type,
        min_confidence__lte=result.confidence,
    )
    return rules.exists()


def answer_all_due(*, at: datetime) -> None:
    """Answer what is due; one mail that can't be answered does not stop the others."""
    due = TriageResult.objects.filter(answer_due_at__lte=at).order_by("answer_due_at")
    for pk in list(due.values_list("pk", flat=True)[:AT_ONCE]):
        try:
            answer_if_due(pk, at=at)
        except (OperationalError, InterfaceError):  # the next mail would fare no better
            raise
        except Exception:  # a mail we misjudged is left to a person, and told of
            logger.exception("a mail could not be answered automatically", extra={"result": pk})
            leave_to_person(pk, ReviewReason.REPLY_FAILED)


@transaction.atomic
def answer_if_due(pk: int, *, at: datetime) -> None:
    """Answer the mail or leave it to a person; nothing where that is settled already.

    All that could forbid the answer is asked again in the transaction that sends it.
    """
    result = _due(pk)
    if result is None:
        return
    settings = replies.lock_replies(result)
    result = _due(pk)
    if result is None:
        return
    if not is_allowed(result):  # a rule was changed meanwhile
        TriageResult.objects.filter(pk=pk).update(answer_due_at=None)
        return
    if obstacle := obstacle_of(result, settings, at=at):
        leave_to_person(pk, obstacle)
        return
    try:
        email = replies.send_automatically(result, Reply(result.suggested_body), at=at)
    except (Refused, Conflict) as refusal:
        leave_to_person(pk, ReviewReason.REPLY_FAILED, why=refusal)
    else:
        extra = {"result": result.pk, "tracking_id": str(email.tracking_id)}
        logger.info("a mail was answered automatically", extra=extra)


def _due(pk: int) -> TriageResult | None:
    rows = TriageResult.objects.filter(pk=pk, answer_due_at__isnull=False, responded_at=None)
    return rows.select_related("tenant", "inbound").first()


def obstacle_of(
    result: TriageResult, settings: TriageSettings, *, at: datetime
) -> ReviewReason | None:
    """Return what keeps the answer from going out now, or None."""
    if conversations.latest_answer(result) is not None:
        return ReviewReason.ANSWERED
    # A bare boolean column would not use the index, ``IN (1)`` does.
    automatic = TriageResult.objects.filter(tenant=result.tenant, is_automatic__in=[True])
    sent = automatic.filter(responded_at__gt=at - timedelta(hours=1)).count()
    is_over = (
        sent >= settings.automatic_per_hour
        or _of_sender(automatic, result, at=at) >= MOST_OF_SENDER
        or _of_thread(automatic, result, at=at) >= MOST_OF_THREAD
    )
    return ReviewReason.REPLY_LIMIT if is_over else None


def _of_sender(automatic: TriageResultQuerySet, result: TriageResult, *, at: datetime) -> int:
    """Count the answers to the address, whatever the letter case and ``+tag`` it writes with."""
    recent = automatic.filter(responded_at__gt=at - SENDER_WINDOW)
    senders = recent.values_list("from_address", flat=True)
    wanted = _person(result.from_address)
    return sum(1 for sender in senders if _person(sender) == wanted)


def _person(text: str) -> str:
    address = parse_address(text, attr="from")
    return f"{address.local_part.partition('+')[0]}@{address.domain}".casefold()


def _of_thread(automatic: TriageResultQuerySet, result: TriageResult, *, at: datetime) -> int:
    if not result.thread_id:
        return 0
    recent = automatic.filter(thread_id=result.thread_id)
    return recent.filter(responded_at__gt=at - THREAD_WINDOW).count()


def leave_to_person(
    pk: int, reason: ReviewReason, *, why: Refused | Conflict | None = None
) -> None:
    """Put the mail into the review queue; where it was refused, with the words of the refusal."""
    if isinstance(why, RefusedTogether):
        why = why.refusals[0]
    told = {"error_code": why.code, "error": str(why)[:500]} if why else {}
    TriageResult.objects.filter(pk=pk, responded_at=None).update(
        answer_due_at=None, needs_review=True, review_reason=reason, **told
    )
    extra = {"result": pk, "reason": reason.value}
    logger.info("an automatic answer was left to a person", extra=extra)
