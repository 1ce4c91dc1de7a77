"""What waits on each account, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import EmailAccount
from delivery import backoff, limits
from delivery.limits import Window
from logs.models import EmailLog, EmailStatus

LIMITS = {
    Window.SECOND: gettext_lazy("%(limit)d a second reached until %(until)s."),
    Window.MINUTE: gettext_lazy("%(limit)d a minute reached until %(until)s."),
    Window.HOUR: gettext_lazy("%(limit)d an hour reached until %(until)s."),
    Window.DAY: gettext_lazy("%(limit)d a day reached until %(until)s."),
}


@dataclass(frozen=True)
class AccountQueue:
    """One account's open messages; ``oldest`` is when the oldest of them was accepted.

    ``held`` says why due ones wait, empty where they don't.
    """

    account_id: int
    account: str
    due: int
    sending: int
    scheduled: int
    retrying: int
    oldest: datetime
    held: str


def account_queues(*, at: datetime, accounts: Iterable[int] | None = None) -> list[AccountQueue]:
    """Return every account, or those of ``accounts``, that has open messages; two queries."""
    open_ones = EmailLog.objects.filter(status__in=[EmailStatus.QUEUED, EmailStatus.SENDING])
    if accounts is not None:
        open_ones = open_ones.filter(account__in=list(accounts))
    later = Q(status=EmailStatus.QUEUED, next_attempt_at__gt=at)
    rows = (
        open_ones.values("account")
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
    found = EmailAccount.objects.select_related("domain__tenant", "usage").in_bulk(ids)
    return [
        AccountQueue(
            account_id=row["account"],
            account=found[row["account"]].email_address,
            due=row["due"],
            sending=row["sending"],
            scheduled=row["scheduled"],
            retrying=row["retrying"],
            oldest=row["oldest"],
            held=why_waiting(found[row["account"]], at=at),
        )
        for row in rows
    ]


def why_waiting(account: EmailAccount, *, at: datetime) -> str:
    """Return why nothing goes out on the account at ``at``, empty where it does."""
    if held := why_held(account):
        return held
    wait = limits.waiting(account, at=at)
    if wait is None:
        return ""
    text = LIMITS[wait.window] % {"limit": wait.limit, "until": _shown(wait.until, account)}
    usage = limits.usage_of(account)
    if wait.is_daily and account.fallback_account_id and usage and usage.fallback_refusal:
        refusal = {"reason": usage.fallback_refusal}
        text += " " + _("The fallback's server refused it: %(reason)s") % refusal
    return text


def _shown(at: datetime, account: EmailAccount) -> str:
    return f"{at.astimezone(account.tenant.zone):%Y-%m-%d %H:%M:%S}"


def why_held(account: EmailAccount) -> str:
    """Return why no live message of the account may even ask for permits, empty where it may."""
    if account.paused_at is not None:
        return _("paused: %(reason)s") % {"reason": account.paused_reason}
    if not account.is_active:
        return _("account inactive")
    if not account.domain.is_active:
        return _("domain inactive")
    if not account.domain.tenant.is_active:
        return _("tenant inactive")
    waits = backoff.current(account.pk)
    if waits is None or waits.is_over:
        return ""
    return _("server left alone: %(reason)s") % {"reason": waits.reason}
