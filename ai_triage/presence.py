"""Who has a mail open in front of them: a hint to colleagues, never a lock.

It lives in the cache, for as long as an open page renews it. Two people who answer at the same
moment are told apart where the answer is stored (:meth:`TriageResult.settle`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache

LEASE = 50
"""Seconds that a look lasts; an open page renews it every 20."""


@dataclass(frozen=True)
class Looker:
    """A person who looks at a mail; ``user`` is the key of the account."""

    user: int
    name: str
    since: datetime


def look(mail: int, *, user: int, name: str, at: datetime) -> Looker | None:
    """Note that somebody looks at a mail; return who does so already, None: nobody else.

    People look at one mail at a time: the one before is free again.
    """
    _leave_other(mail, user=user)
    mine = Looker(user, name, at)
    if cache.add(_at(mail), mine, LEASE):
        return None
    found: Looker | None = cache.get(_at(mail))
    if found is not None and found.user != user:
        return found
    cache.set(_at(mail), found or mine, LEASE)
    return None


def lookers(mails: Collection[int], *, user: int) -> dict[int, Looker]:
    """Return who else looks at which of the mails."""
    by_key = {_at(mail): mail for mail in mails}
    found: dict[str, Looker] = cache.get_many(by_key)
    return {by_key[key]: one for key, one in found.items() if one.user != user}


def _leave_other(mail: int, *, user: int) -> None:
    before: int | None = cache.get(_of(user))
    if before is not None and before != mail:
        held: Looker | None = cache.get(_at(before))
        if held is not None and held.user == user:
            cache.delete(_at(before))
    cache.set(_of(user), mail, LEASE)


def _at(mail: int) -> str:
    return f"triage-look:{mail}"


def _of(user: int) -> str:
    return f"triage-looker:{user}"
