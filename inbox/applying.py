"""What reports change: the messages they are proven to be about."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction

from common.errors import Conflict
from delivery import services as delivery
from inbox.findings import Finding
from inbox.kinds import Kind
from inbox.models import InboundEmail
from logs.afterwards import Report
from logs.models import EmailLog, EventType

logger = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=4)
GIVE_UP_AFTER = timedelta(days=5)
_EVENTS = {
    Kind.BOUNCE: EventType.BOUNCED,
    Kind.DELAYED: EventType.DEFERRED,
    Kind.DELIVERED: EventType.DELIVERED,
    Kind.COMPLAINT: EventType.COMPLAINED,
}


def apply_findings(inbound: InboundEmail, *, at: datetime) -> bool:
    """Let our message show what the report proves; twice changes nothing more than once.

    Returns whether that was possible; otherwise it is put off. Call it in a transaction.
    """
    try:
        with transaction.atomic():
            _apply_each(inbound)
    except DatabaseError:
        raise
    except Conflict:  # the message is just being sent
        _put_off(inbound, at=at)
        return False
    except Exception:  # what one report does wrong must not keep the mail from being stored
        logger.exception("a report could not be applied", extra={"inbound_id": _id(inbound)})
        _put_off(inbound, at=at)
        return False
    inbound.apply_at, inbound.applied_at = None, at
    inbound.save(update_fields=["apply_at", "applied_at"])
    return True


def _apply_each(inbound: InboundEmail) -> None:
    email = inbound.email
    if email is None:  # deleted meanwhile
        return
    for finding in map(Finding.stored, inbound.findings):
        if _apply(finding, email=email, inbound=inbound):
            extra = {"inbound_id": _id(inbound), "kind": finding.kind, "email_id": email.pk}
            logger.info("report applied", extra=extra)


def _apply(finding: Finding, *, email: EmailLog, inbound: InboundEmail) -> bool:
    told = {"bounce_type": finding.bounce_type, "enhanced_code": finding.enhanced_code}
    report = Report(
        kind=_EVENTS[Kind(finding.kind)],
        recipient=finding.recipient,
        at=inbound.received_at,
        reason=finding.reason,
        data={name: value for name, value in told.items() if value} | {"inbound_id": _id(inbound)},
    )
    return delivery.apply_report(email, report, is_hard=finding.is_hard)


def _put_off(inbound: InboundEmail, *, at: datetime) -> None:
    """Wait as long as it has waited already, within bounds."""
    waited = at - inbound.received_at
    inbound.apply_at = at + min(max(waited, FIRST_WAIT), LONGEST_WAIT)
    if waited > GIVE_UP_AFTER:
        inbound.apply_at = None
        logger.error("a report was given up", extra={"inbound_id": _id(inbound)})
    inbound.save(update_fields=["apply_at"])


def _id(inbound: InboundEmail) -> str:
    return str(inbound.public_id)
