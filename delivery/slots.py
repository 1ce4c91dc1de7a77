"""How many connections an account has at once, counted over all workers."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from accounts.models import EmailAccount
from delivery.models import ConnectionSlot


def take(
    account: EmailAccount, *, token: str, until: datetime, at: datetime, kept: str = ""
) -> bool:
    """Hold one of the account's connections under ``token``; False when all are held.

    One that is held under the token ``kept`` is taken over first.
    """
    slots = _slots(account)
    if kept and slots.filter(token=kept).update(token=token, leased_until=until):
        return True
    return bool(_take(account, 1, token=token, until=until, at=at))


def take_some(
    account: EmailAccount, *, most: int, token: str, until: datetime, at: datetime
) -> int:
    """Hold half of the connections that are free, or ``most``, and return how many.

    Other workers want some.
    """
    free = account.max_connections - held(account, at=at)
    return _take(account, min((free + 1) // 2, most), token=token, until=until, at=at)


def held(account: EmailAccount, *, at: datetime) -> int:
    """Return how many of the account's connections are held."""
    return _held(account, at=at).count()


def keep(account: EmailAccount, *, token: str, kept: str, until: datetime, at: datetime) -> bool:
    """Hold one of the connections under ``token`` on under ``kept``, if that leaves a free one."""
    others = _held(account, at=at).exclude(token=token).count()
    if others + 1 >= account.max_connections:
        return False
    mine = _slots(account).filter(token=token).values_list("pk", flat=True).first()
    slots = ConnectionSlot.objects.filter(token=token)
    return mine is not None and bool(slots.filter(pk=mine).update(token=kept, leased_until=until))


def give_back(token: str) -> None:
    """Free what is held under ``token``; with the beginning of tokens, all of theirs."""
    held = ConnectionSlot.objects.filter(token__startswith=token)
    held.update(token="", leased_until=None)


def _take(account: EmailAccount, wanted: int, *, token: str, until: datetime, at: datetime) -> int:
    """Hold up to so many free slots and return how many; the conditional UPDATE is the lock."""
    taken = 0
    free = _slots(account).filter(_is_free(at)).order_by("number")
    while taken < wanted and (pks := list(free.values_list("pk", flat=True)[: wanted - taken])):
        taken += free.filter(pk__in=pks).update(token=token, leased_until=until)
    if taken >= wanted:
        return taken
    known = set(_slots(account).values_list("number", flat=True))
    new = [number for number in range(1, account.max_connections + 1) if number not in known]
    for number in new[: wanted - taken]:
        slot = ConnectionSlot(account=account, number=number, token=token, leased_until=until)
        taken += _add(slot)
    return taken


def _add(slot: ConnectionSlot) -> bool:
    try:
        with transaction.atomic():
            slot.save(force_insert=True)
    except IntegrityError:  # somebody else was first
        return False
    return True


def _slots(account: EmailAccount) -> QuerySet[ConnectionSlot]:
    numbers = range(1, account.max_connections + 1)
    return ConnectionSlot.objects.filter(account=account, number__in=numbers)


def _held(account: EmailAccount, *, at: datetime) -> QuerySet[ConnectionSlot]:
    return ConnectionSlot.objects.filter(account=account, leased_until__gte=at)


def _is_free(at: datetime) -> Q:
    return Q(leased_until=None) | Q(leased_until__lt=at)
