"""Counting open messages at a cost that does not grow with their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
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
ACCOUNTS_AT_ONCE = 40  # eleven parts each, and SQLite joins 500


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
Part = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Count:
    """How many there are, or the least that there are."""

    number: int = 0
    is_all: bool = True

    def __str__(self) -> str:
        return f"{self.number}" if self.is_all else f"{self.number}+"

    def plus(self, number: int, *, is_all: bool) -> Count:
        return Count(self.number + number, self.is_all and is_all)


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
        if kind == "front":
            self.front.append(number)
        elif kind == "later":
            is_all = number < reach.later
            self.scheduled = self.scheduled.plus(number - retried, is_all=is_all)
            self.retrying = self.retrying.plus(retried, is_all=is_all)
        else:
            setattr(self, kind, getattr(self, kind).plus(number, is_all=number < reach.due))


def tally(accounts: Iterable[int], *, at: datetime, reach: Reach = FAR) -> dict[int, Tally]:
    """Return what is open of each of the accounts that has something open."""
    remaining = iter(accounts)
    tallies: dict[int, Tally] = defaultdict(Tally)
    while some := list(islice(remaining, ACCOUNTS_AT_ONCE)):
        for account, kind, number, retried in _ask(some, at=at, reach=reach):
            tallies[account].add(kind, number, int(retried), reach=reach)
    fronts = [pk for each in tallies.values() for pk in each.front]
    rows = EmailLog.objects.filter(pk__in=fronts).values_list("account_id", "queued_at")
    for account, queued_at in rows:
        tallies[account].queued_at.append(queued_at)
    return {account: each for account, each in tallies.items() if each.queued_at}


def _ask(accounts: Iterable[int], *, at: datetime, reach: Reach) -> list[tuple[int, str, int, int]]:
    """Return the figures of some accounts, by one statement that joins a small one for each."""
    parts = list(_parts(at=at, reach=reach))  # to compile them takes longer than to ask them
    some = list(accounts)
    sql = " UNION ALL ".join(sql for sql, _given in parts)
    given = [param for _sql, params in parts for param in params]
    connection = connections[router.db_for_read(EmailLog)]
    with connection.cursor() as cursor:
        params = [account if param == ANY else param for account in some for param in given]
        cursor.execute(" UNION ALL ".join([sql] * len(some)), params)
        return list(cursor.fetchall())


def _parts(*, at: datetime, reach: Reach) -> Iterator[Part]:
    """Yield what is asked of an account, with ``ANY`` in its place."""
    rows = EmailLog.objects.filter(account=ANY)
    sending = rows.filter(status=EmailStatus.SENDING)
    yield _part("sending", sending.values("id")[: reach.due])
    yield _part("front", sending.values("id")[:1], number="id")
    for priority in Priority:
        queued = rows.filter(status=EmailStatus.QUEUED, priority=priority)
        queued = queued.order_by("next_attempt_at")
        due = queued.filter(next_attempt_at__lte=at).values("id")[: reach.due]
        later = queued.filter(next_attempt_at__gt=at).values("retry_count")[: reach.later]
        retried = "COALESCE(SUM(CASE WHEN retry_count > 0 THEN 1 ELSE 0 END), 0)"
        yield _part("due", due)
        yield _part("later", later, retried=retried)
        yield _part("front", queued.values("id")[:1], number="id")


def _part(kind: str, rows: QuerySet[Any], *, number: str = "COUNT(*)", retried: str = "0") -> Part:
    sql, params = rows.query.sql_with_params()
    select = f"SELECT %s, '{kind}', {number}, {retried}"
    return f"{select} FROM ({sql}) part", (ANY, *params)
