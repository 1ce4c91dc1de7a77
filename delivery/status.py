"""What waits on each account, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import EmailAccount
from common.smtp import in_words
from delivery import backoff, limits
from delivery.limits import Window
from delivery.tallies import FAR, Count, Reach, tally
from logs.models import EmailEvent, EmailLog, EventType
from tenants.models import Mode

MINUTE = timedelta(minutes=1)
NEWEST_EVENTS = 2_000

LIMITS = {
    Window.SECOND: gettext_lazy("%(limit)d a second reached until %(until)s."),
    Window.MINUTE: gettext_lazy("%(limit)d a minute reached until %(until)s."),
    Window.HOUR: gettext_lazy("%(limit)d an hour reached until %(until)s."),
    Window.DAY: gettext_lazy("%(limit)d a day reached until %(until)s."),
}


@dataclass(frozen=True)
class AccountQueue:
    """One account's open messages; ``oldest`` is when the one at their front was accepted.

    ``sent`` is how many went out in the last minute. ``held`` says why due ones wait, empty
    where they don't.
    """

    account_id: int
    account: str
    due: Count
    sending: Count
    scheduled: Count
    retrying: Count
    sent: int
    oldest: datetime
    held: str


def account_queues(
    *,
    at: datetime,
    accounts: Iterable[EmailAccount] | None = None,
    reach: Reach = FAR,
    with_speed: bool = True,
) -> list[AccountQueue]:
    """Return every account, or those of ``accounts``, that has open messages.

    Given ones come with ``domain__tenant`` and ``usage``, and are told of in their order.
    Without ``with_speed`` nobody asks how much they send: ``sent`` is 0.

    However many wait, it costs the same: a few looks into an index for each account, so that it
    counts no further than some thousands.
    """
    if accounts is None:
        rows = EmailAccount.objects.select_related("domain__tenant", "usage")
        accounts = rows.order_by("email_address")
    found = {account.pk: account for account in accounts}
    tallies = tally(found, at=at, reach=reach)
    sent: Counter[int] = sent_last_minute(at=at) if with_speed else Counter()
    return [
        AccountQueue(
            account_id=pk,
            account=found[pk].email_address,
            due=each.due,
            sending=each.sending,
            scheduled=each.scheduled,
            retrying=each.retrying,
            sent=sent[pk],
            oldest=each.oldest,
            held=why_waiting(found[pk], at=at),
        )
        for pk in found
        if (each := tallies.get(pk))
    ]


def sent_last_minute(*, at: datetime) -> Counter[int]:
    """Return how many live messages went out in the minute before ``at``, by account.

    Told from the newest events alone; where these reach less far back, from how far they do.
    """
    newest = EmailEvent.objects.order_by("-pk").values_list("type", "at", "email_id")
    events = list(newest[:NEWEST_EVENTS])
    since = at - MINUTE
    if len(events) == NEWEST_EVENTS:
        since = max(since, min(told for _type, told, _email in events))
    ids = [pk for kind, told, pk in events if kind == EventType.SENT and since <= told <= at]
    emails = EmailLog.objects.filter(pk__in=ids, mode=Mode.LIVE)
    share = MINUTE / max(at - since, timedelta(seconds=1))
    sent = Counter(emails.values_list("account_id", flat=True))
    return Counter({pk: round(count * share) for pk, count in sent.items()})


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
        return _("paused: %(reason)s") % {"reason": account.paused_because}
    if not account.is_active:
        return _("account inactive")
    if not account.domain.is_active:
        return _("domain inactive")
    if not account.domain.tenant.is_active:
        return _("tenant inactive")
    waits = backoff.current(account.pk)
    if waits is None or waits.is_over:
        return ""
    return _("server left alone: %(reason)s") % {"reason": in_words(waits.reason)}
