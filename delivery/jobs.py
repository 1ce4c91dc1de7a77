"""What workers do for mail to go out: drain accounts, and sweep up what was left behind."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db.models import (
    Case,
    Exists,
    OuterRef,
    PositiveSmallIntegerField,
    Q,
    QuerySet,
    Value,
    When,
)

from accounts.models import EmailAccount
from common import loop
from common.clock import DatabaseClock
from delivery import backoff, doorbell, limits, recovery
from delivery.drain import SECONDS, Drain
from delivery.status import why_held
from logs import transitions
from logs.models import EmailLog, Priority
from tenants.models import Mode

logger = logging.getLogger(__name__)

URGENT_SECONDS = 3.0


def drain_account(account_id: int, *, priority: int = Priority.NORMAL) -> None:
    """Send what is due on the account for about 15 seconds, then ring for what is left.

    Where it was rung for urgent mail it is soon over: what follows belongs to other workers.
    """
    doorbell.answer(account_id)
    recovery.settle_dead()
    seconds = URGENT_SECONDS if priority == Priority.HIGH else SECONDS
    drain = Drain(account_id, seconds=seconds)
    has_more = loop.run(drain.run())
    if drain.wait and drain.wait.is_daily:
        has_more = _drain_over_fallback(account_id, seconds=seconds)
    if has_more:
        _ring_again(account_id)


def _drain_over_fallback(account_id: int, *, seconds: float) -> bool:
    """Send what the account may not send today over the account that it names, if that can."""
    account = _with_fallback(EmailAccount.objects.filter(pk=account_id)).first()
    other = account and limits.usable_fallback(account, at=DatabaseClock().now())
    if other is None or why_held(other):
        return False
    return loop.run(Drain(other.pk, mail_of=account_id, seconds=seconds).run())


def _ring_again(account_id: int) -> None:
    account = _with_urgency(EmailAccount.objects.filter(pk=account_id), at=DatabaseClock().now())
    for urgency in account.values_list("urgency", flat=True):
        doorbell.ring(account_id, priority=urgency)


def sweep() -> None:
    """Take back what lost its worker and ring for every account with mail to send."""
    recovery.settle_dead()
    at = DatabaseClock().now()
    if taken_back := transitions.take_back_expired(at=at):
        logger.warning("expired leases taken back", extra={"accounts": taken_back})
    for account_id, urgency in accounts_to_ring(at=at).items():
        doorbell.ring(account_id, priority=urgency)


def accounts_to_ring(*, at: datetime) -> dict[int, int]:
    """Return the accounts with due mail that may go now, each with its most urgent priority.

    A few looks into an index for each account, however much waits.
    """
    free = Q(is_active=True, paused_at=None, domain__is_active=True, domain__tenant__is_active=True)
    accounts = _with_urgency(_with_fallback(EmailAccount.objects.filter(free)), at=at)
    # A held account's test mail never reaches the server, so it has nothing to wait for.
    captured = _with_urgency(EmailAccount.objects.exclude(free), at=at, mode=Mode.TEST)
    rows = accounts.order_by("pk")
    found = {account.pk: account.urgency for account in rows if _may_send(account, at=at)}
    return found | dict(captured.order_by("pk").values_list("pk", "urgency"))


def _with_urgency(
    accounts: QuerySet[EmailAccount], *, at: datetime, **only: object
) -> QuerySet[Any]:
    """Those of ``accounts`` with due mail, and the priority of the most urgent as ``urgency``."""
    due = EmailLog.objects.filter(account=OuterRef("pk"), **only).due(at=at)
    looks = [When(Exists(due.filter(priority=each)), then=Value(each)) for each in Priority]
    urgency = Case(*looks, output_field=PositiveSmallIntegerField())
    return accounts.annotate(urgency=urgency).filter(urgency__isnull=False)


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
