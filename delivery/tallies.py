"""Counting open messages at a cost that does not grow with their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connections, router
from django.db.models import QuerySet

from logs.models import EmailLog, EmailStatus, Priority

MOST = 10_000
"""So many of an account's due messages are counted of each priority: from the index alone."""
MOST_LATER = 1_000
"""The same for those that wait for a time, whose rows have to be read."""
ACCOUNTS_AT_ONCE = 40  # at most seven parts each, and SQLite joins 500


@dataclass(frozen=True)
class Reach:
    """How far an account's messages are counted, of each priority: due ones, and others."""

    due: int = MOST
    later: int = MOST_LATER


FAR = Reach()
NEAR = Reach(due=1_000, later=100)
"""Enough to see which queue is long."""

ANY = -1
"""The key of no account."""
SENDING = str(EmailStatus.SENDING)


@dataclass(frozen=True)
class Count:
    """How many there are, or the least that there are."""

    number: int = 0
    is_all: bool = True

    def __str__(self) -> str:
        return f"{self.number}" if self.is_all else f"{self.number}+"

    def plus(self, number: int, *, is_all: bool) -> Count:
        return Count(self.number + number, self.is_all and is_all)


@dataclass(frozen=True)
class Part:
    """What is asked of an account, with ``ANY`` in its place."""

    sql: str
    params: tuple[Any, ...]


@dataclass
class Tally:
    """One account's open messages."""

    due: Count = Count()
    sending: Count = Count()
    scheduled: Count = Count()
    retrying: Count = Count()
    front: list[int] = field(default_factory=list)
    queued_at: list[datetime] = field(default_factory=list)

    @property
    def oldest(self) -> datetime:
        """When the first in the queue was accepted: of each priority the one at its front."""
        return min(self.queued_at)

    def add(self, kind: str, number: int, retried: int, *, reach: Reach) -> None:
        if kind == "later":
            is_all = number < reach.later
            self.scheduled = self.scheduled.plus(number - retried, is_all=is_all)
            self.retrying = self.retrying.plus(retried, is_all=is_all)
        else:
            setattr(self, kind, getattr(self, kind).plus(number, is_all=number < reach.due))


def tally(accounts: Iterable[int], *, at: datetime, reach: Reach = FAR) -> dict[int, Tally]:
    """Return what is open of each of the accounts that has something open."""
    remaining = iter(accounts)
    tallies: dict[int, Tally] = defaultdict(Tally)
    fronts, counts = _fronts(), _counts(at=at, reach=reach)  # compiled once: that takes longest
    while some := list(islice(remaining, ACCOUNTS_AT_ONCE)):
        found = _ask((account, part) for account in some for part in fronts)
        for account, _lane, front, _none in found:
            tallies[account].front.append(front)
        lanes = [(account, part) for account, lane, *_ in found for part in counts[lane]]
        for account, kind, number, retried in _ask(lanes):
            tallies[account].add(kind, number, int(retried), reach=reach)
    heads = [pk for each in tallies.values() for pk in each.front]
    rows = EmailLog.objects.filter(pk__in=heads).values_list("account_id", "queued_at")
    for account, queued_at in rows:
        tallies[account].queued_at.append(queued_at)
    return {account: each for account, each in tallies.items() if each.queued_at}


def _ask(parts: Iterable[tuple[int, Part]]) -> list[tuple[int, str, int, int]]:
    """Return the figures of some accounts, by one statement that joins a small one for each."""
    chosen = list(parts)
    if not chosen:
        return []
    params = [
        account if param == ANY else param for account, part in chosen for param in part.params
    ]
    connection = connections[router.db_for_read(EmailLog)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(part.sql for _account, part in chosen), params)
        return list(cursor.fetchall())


def _fronts() -> list[Part]:
    """Return what asks for the first message of each of an account's lanes: most have none."""
    return [_part(lane, rows.values("id")[:1], number="id") for lane, rows in _lanes().items()]


def _counts(*, at: datetime, reach: Reach) -> dict[str, list[Part]]:
    """Return what counts each lane."""
    retried = "COALESCE(SUM(CASE WHEN retry_count > 0 THEN 1 ELSE 0 END), 0)"
    counts = {}
    for lane, rows in _lanes().items():
        if lane == SENDING:
            counts[lane] = [_part(SENDING, rows.values("id")[: reach.due])]
            continue
        due = rows.filter(next_attempt_at__lte=at).values("id")[: reach.due]
        later = rows.filter(next_attempt_at__gt=at).values("retry_count")[: reach.later]
        counts[lane] = [_part("due", due), _part("later", later, retried=retried)]
    return counts


def _lanes() -> dict[str, QuerySet[EmailLog]]:
    """Return where an account's open messages are: being sent, or queued by priority."""
    rows = EmailLog.objects.filter(account=ANY)
    queued = rows.filter(status=EmailStatus.QUEUED).order_by("next_attempt_at")
    by_priority = {str(int(one)): queued.filter(priority=one) for one in Priority}
    return {SENDING: rows.filter(status=EmailStatus.SENDING), **by_priority}


def _part(kind: str, rows: QuerySet[Any], *, number: str = "COUNT(*)", retried: str = "0") -> Part:
    sql, params = rows.query.sql_with_params()
    select = f"SELECT %s, '{kind}', {number}, {retried}"
    return Part(f"{select} FROM ({sql}) part", (ANY, *params))
