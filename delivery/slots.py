"""How many connections an account has at once, counted over all workers."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import EmailAccount
from delivery.models import ConnectionSlot


def take(account: EmailAccount, *, token: str, until: datetime, at: datetime) -> bool:
    """Hold one of the account's connections under ``token``; False when all are held."""
    numbers = range(1, account.max_connections + 1)
    slots = ConnectionSlot.objects.filter(account=account, number__in=numbers)
    free = Q(leased_until=None) | Q(leased_until__lt=at)
    for pk in slots.filter(free).values_list("pk", flat=True):
        if slots.filter(free, pk=pk).update(token=token, leased_until=until):
            return True
    known = set(slots.values_list("number", flat=True))
    slot = ConnectionSlot(account=account, token=token, leased_until=until)
    return any(_add(slot, number=number) for number in numbers if number not in known)


def take_some(account: EmailAccount, *, token: str, until: datetime, at: datetime) -> int:
    """Hold half of the connections that are free and return how many; other workers want some."""
    held = ConnectionSlot.objects.filter(account=account, leased_until__gte=at).count()
    wanted = (account.max_connections - held + 1) // 2
    return sum(take(account, token=token, until=until, at=at) for _ in range(wanted))


def give_back(token: str) -> None:
    """Free what is held under ``token``; with the beginning of tokens, all of theirs."""
    held = ConnectionSlot.objects.filter(token__startswith=token)
    held.update(token="", leased_until=None)


def _add(slot: ConnectionSlot, *, number: int) -> bool:
    slot.number = number
    try:
        with transaction.atomic():
            slot.save(force_insert=True)
    except IntegrityError:  # somebody else was first
        return False
    return True
