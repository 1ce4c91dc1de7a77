"""What workers do for mail to go out: drain accounts, and sweep up what was left behind."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import EmailAccount
from common.clock import DatabaseClock
from delivery import backoff, doorbell, recovery
from delivery.drain import Drain
from logs import transitions
from logs.models import EmailLog, Priority
from tenants.models import Mode

logger = logging.getLogger(__name__)


def drain_account(account_id: int) -> None:
    """Send what is due on the account for about 15 seconds, then ring for what is left."""
    doorbell.answer(account_id)
    recovery.settle_dead()
    if asyncio.run(Drain(account_id).run()):
        doorbell.ring(account_id)


def sweep() -> None:
    """Take back what lost its worker and ring for every account with mail to send."""
    recovery.settle_dead()
    at = DatabaseClock().now()
    if taken_back := transitions.take_back_expired(at=at):
        logger.warning("expired leases taken back", extra={"accounts": taken_back})
    for account_id in accounts_to_ring(at=at):
        doorbell.ring(account_id)


def accounts_to_ring(*, at: datetime) -> list[int]:
    """Return the accounts with due mail that may go now; one look into the index for each."""
    due = EmailLog.objects.filter(account=OuterRef("pk")).due(at=at)
    has_due = Q(*(Exists(due.filter(priority=each)) for each in Priority.values), _connector=Q.OR)
    free = Q(is_active=True, paused_at=None, domain__is_active=True, domain__tenant__is_active=True)
    ids = _ids(EmailAccount.objects.filter(free & has_due))
    # A held account's test mail never reaches the server, so it has nothing to wait for.
    captured = EmailAccount.objects.exclude(free).filter(Exists(due.filter(mode=Mode.TEST)))
    return [pk for pk in ids if not backoff.is_on(pk)] + _ids(captured)


def _ids(accounts: QuerySet[EmailAccount]) -> list[int]:
    return list(accounts.order_by("pk").values_list("pk", flat=True))
