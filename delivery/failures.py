"""An account's last delivery that failed, found at a cost that does not grow with its mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from accounts.models import EmailAccount
from logs.models import EmailEvent, EmailLog, EmailStatus, EventType, Priority

LOOKED_AT = 1_000
"""So many of the tenant's newest failed messages are looked through, of its bounced ones, and of
each priority of the account's queue."""
CANDIDATES = 200
SUPPRESSED = "suppressed"
"""Failed because nobody wanted it to go."""
LONGEST_RETRY = timedelta(hours=5)
"""No failed try puts a message further ahead: what is, was scheduled."""

_FAILED = (EventType.DEFERRED, EventType.FAILED, EventType.BOUNCED)


def last_failure(account: EmailAccount, *, at: datetime) -> EmailEvent | None:
    """Return the last failed try at mail of the account that has not gone out since.

    Later reports of other servers are none. It keeps a dialogue where one began.
    """
    ids = [*_retrying(account, at=at), *_ended(account)]
    tries = EmailEvent.objects.filter(email__in=ids, type__in=_FAILED).select_related("email")
    tries = tries.exclude(data__has_key="recipient")
    heavy = ("own_variables", "metadata", "tags", "recipient_outcomes")
    return tries.defer(*(f"email__{name}" for name in heavy)).order_by("-at", "-pk").first()


def _ended(account: EmailAccount) -> list[int]:
    """Return the account's among the newest, of either status: an index leads to these."""
    rows = EmailLog.objects.for_tenant(account.tenant).order_by("-pk")
    found: list[int] = []
    for status in (EmailStatus.FAILED, EmailStatus.BOUNCED):
        newest = rows.filter(status=status).values_list("pk", "account_id", "error_code")
        looked_at = newest[:LOOKED_AT]
        mine = [pk for pk, own, code in looked_at if own == account.pk and code != SUPPRESSED]
        found += mine[:CANDIDATES]
    return found


def _retrying(account: EmailAccount, *, at: datetime) -> list[int]:
    """Return those that a failed try put back last, whether they wait or are due again."""
    tried = sorted(_tried(account, until=at + LONGEST_RETRY), reverse=True)
    return [pk for _updated_at, pk in tried[:CANDIDATES]]


def _tried(account: EmailAccount, *, until: datetime) -> Iterator[tuple[datetime, int]]:
    """Yield when each was changed, and its key, from the end of every priority's queue."""
    queued = EmailLog.objects.filter(account=account, status=EmailStatus.QUEUED)
    for priority in Priority:
        lane = queued.filter(priority=priority, next_attempt_at__lte=until)
        last = lane.order_by("-next_attempt_at").values_list("updated_at", "pk", "retry_count")
        yield from ((changed, pk) for changed, pk, tries in last[:LOOKED_AT] if tries)
