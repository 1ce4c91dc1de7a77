"""Storing what attempts came to, many at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError, transaction

from common.addresses import Address, normalized
from delivery import soft_bounces
from delivery.models import Suppression, SuppressionReason
from logs import transitions
from logs.models import EmailLog, EventType
from logs.transitions import Outcome
from tenants.models import Mode

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An outcome, and the recipients of it that do not exist."""

    outcome: Outcome
    bad_addresses: Sequence[str] = ()


def record(entries: Sequence[Entry]) -> list[Entry]:
    """Store the outcomes in one transaction; returns those that nothing more is to be done about.

    Where that fails for a reason of its own, each is stored by itself: one message that can't
    be stored must not spoil the others. It is left to its lease.
    """
    try:
        _record(entries)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(entries) > 1:
            return [stored for entry in entries for stored in record([entry])]
        logger.exception("an outcome was not stored", extra={"email": entries[0].outcome.email.pk})
        return []
    return list(entries)


def key_of(address: str) -> str:
    """Return the form of a recipient's address under which its spellings meet."""
    return normalized(Address(address))


@transaction.atomic
def _record(entries: Sequence[Entry]) -> None:
    stored = transitions.record([entry.outcome for entry in entries])
    in_time = {id(outcome) for outcome in stored}
    for entry in entries:
        outcome = entry.outcome
        if id(outcome) not in in_time:
            extra = {"email": outcome.email.pk, "outcome": outcome.kind.value}
            logger.warning("an outcome came too late", extra=extra)
            continue
        for address in entry.bad_addresses:
            _suppress(address, source=outcome.email)
        if not entry.bad_addresses:
            _rest(outcome)


def _rest(outcome: Outcome) -> None:
    """Leave a mailbox in peace that refuses mail again and again, though it may exist."""
    email = outcome.email
    is_bounce = outcome.kind == EventType.BOUNCED and email.mode == Mode.LIVE
    if is_bounce and soft_bounces.is_about_mailbox(outcome.data):
        soft_bounces.rest_if_needed(email, recipient=email.to_address, at=outcome.at)


def _suppress(address: str, *, source: EmailLog) -> None:
    """Keep all further mail from an address that does not exist."""
    Suppression.objects.enter(
        key_of(address),
        tenant=source.tenant,
        topic="",
        reason=SuppressionReason.HARD_BOUNCE,
        source=source,
    )
