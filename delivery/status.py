"""What waits on each account, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from accounts.models import EmailAccount
from delivery import backoff
from logs.models import EmailLog, EmailStatus


@dataclass(frozen=True)
class AccountQueue:
    """One account's open messages; ``oldest`` is when the oldest of them was accepted."""

    account: str
    due: int
    sending: int
    scheduled: int
    retrying: int
    oldest: datetime
    held: str


def account_queues(*, at: datetime) -> list[AccountQueue]:
    """Return every account that has open messages, by two queries."""
    later = Q(status=EmailStatus.QUEUED, next_attempt_at__gt=at)
    rows = (
        EmailLog.objects.filter(status__in=[EmailStatus.QUEUED, EmailStatus.SENDING])
        .values("account")
        .annotate(
            due=Count("pk", filter=Q(status=EmailStatus.QUEUED, next_attempt_at__lte=at)),
            sending=Count("pk", filter=Q(status=EmailStatus.SENDING)),
            scheduled=Count("pk", filter=later & Q(retry_count=0)),
            retrying=Count("pk", filter=later & Q(retry_count__gt=0)),
            oldest=Min("queued_at"),
        )
        .order_by("account__email_address")
    )
    ids = [row["account"] for row in rows]
    accounts = EmailAccount.objects.select_related("domain__tenant").in_bulk(ids)
    return [
        AccountQueue(
            account=accounts[row["account"]].email_address,
            due=row["due"],
            sending=row["sending"],
            scheduled=row["scheduled"],
            retrying=row["retrying"],
            oldest=row["oldest"],
            held=why_held(accounts[row["account"]]),
        )
        for row in rows
    ]


def why_held(account: EmailAccount) -> str:
    """Return why nothing goes out on the account now, empty where it does."""
    if account.paused_at is not None:
        return f"paused: {account.paused_reason}"
    if not account.is_active:
        return "account inactive"
    if not account.domain.is_active:
        return "domain inactive"
    if not account.domain.tenant.is_active:
        return "tenant inactive"
    waits = backoff.current(account.pk)
    return f"server left alone: {waits.reason}" if waits and not waits.is_over else ""
