"""What workers do for mail to go out: drain accounts, and sweep up what was left behind."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import EmailAccount
from common.clock import DatabaseClock
from delivery import backoff, doorbell, limits, loop, recovery
from delivery.drain import Drain
from delivery.status import why_held
from logs import transitions
from logs.models import EmailLog, Priority
from tenants.models import Mode

logger = logging.getLogger(__name__)


def drain_account(account_id: int) -> None:
    """Send what is due on the account for about 15 seconds, then ring for what is left."""
    doorbell.answer(account_id)
    recovery.settle_dead()
    drain = Drain(account_id)
    has_more = loop.run(drain.run())
    if drain.wait and drain.wait.is_daily:
        has_more = _drain_over_fallback(account_id)
    if has_more:
        doorbell.ring(account_id)


def _drain_over_fallback(account_id: int) -> bool:
    """Send what the account may not send today over the account that it names, if that can."""
    account = _with_fallback(EmailAccount.objects.filter(pk=account_id)).first()
    other = account and limits.usable_fallback(account, at=DatabaseClock().now())
    if other is None or why_held(other):
        return False
    return loop.run(Drain(other.pk, mail_of=account_id).run())


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
    accounts = _with_fallback(EmailAccount.objects.filter(free & has_due)).order_by("pk")
    # A held account's test mail never reaches the server, so it has nothing to wait for.
    captured = EmailAccount.objects.exclude(free).filter(Exists(due.filter(mode=Mode.TEST)))
    ids = [account.pk for account in accounts if _may_send(account, at=at)]
    return ids + list(captured.order_by("pk").values_list("pk", flat=True))


def _may_send(account: EmailAccount, *, at: datetime) -> bool:
    if backoff.is_on(account.pk):
        return False
    wait = limits.waiting(account, at=at)
    if wait is None:
        return True
    other = limits.usable_fallback(account, at=at) if wait.is_daily else None
    return other is not None and not backoff.is_on(other.pk)


def _with_fallback(accounts: QuerySet[EmailAccount]) -> QuerySet[EmailAccount]:
    return accounts.select_related(
        "domain__tenant", "usage", "fallback_account__domain__tenant", "fallback_account__usage"
    )
