"""An account's last delivery that failed, found at a cost that does not grow with its mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from accounts.models import EmailAccount
from logs.models import EmailEvent, EmailLog, EmailStatus, EventType, Priority

ENDED = 1_000
"""So many of the tenant's newest failed and bounced messages are looked through."""
RETRYING = 100
"""So many of each priority that wait for another try."""
CANDIDATES = 200
SUPPRESSED = "suppressed"
"""Failed before anything was said."""

_FAILED = (EventType.DEFERRED, EventType.FAILED, EventType.BOUNCED)


def last_failure(account: EmailAccount, *, at: datetime) -> EmailEvent | None:
    """Return the last event of the account's mail that keeps a dialogue with its server."""
    ids = [*_retrying(account, at=at), *_ended(account)]
    events = EmailEvent.objects.filter(
        email__in=ids, type__in=_FAILED, data__has_key="transcript"
    ).select_related("email")
    heavy = ("own_variables", "metadata", "tags", "recipient_outcomes")
    return events.defer(*(f"email__{name}" for name in heavy)).order_by("-at", "-pk").first()


def _ended(account: EmailAccount) -> list[int]:
    """Return the account's among the newest, of either status: an index leads to these."""
    rows = EmailLog.objects.for_tenant(account.tenant).order_by("-pk")
    found: list[int] = []
    for status in (EmailStatus.FAILED, EmailStatus.BOUNCED):
        newest = rows.filter(status=status).values_list("pk", "account_id", "error_code")[:ENDED]
        mine = [pk for pk, own, code in newest if own == account.pk and code != SUPPRESSED]
        found += mine[:CANDIDATES]
    return found


def _retrying(account: EmailAccount, *, at: datetime) -> Iterator[int]:
    """Yield those that wait for the longest: a failed try put them there."""
    queued = EmailLog.objects.filter(account=account, status=EmailStatus.QUEUED)
    for priority in Priority:
        later = queued.filter(priority=priority, next_attempt_at__gt=at)
        newest = later.order_by("-next_attempt_at").values_list("pk", "retry_count")[:RETRYING]
        yield from (pk for pk, tries in newest if tries)
