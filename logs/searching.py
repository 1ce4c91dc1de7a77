"""Finding messages by what people know of them, without reading a whole table.

An id and an address are found by their indexes, however old the message is. No index helps with
subjects, so they are looked at in the newest messages alone.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from logs.models import EmailLog, EmailTag

LOOKED_AT = 20_000
"""Messages whose subject a search reads, shared by the tenants it looks in."""
FOUND = 400
"""Messages that one way of searching finds; SQLite takes 999 parameters at once."""
SKEW = timedelta(hours=1)
"""No message gets a lower key than one that was queued so much earlier."""
LAST = "\U0010ffff"
ID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """Keys of messages; ``is_cut``: there are more, ``since``: how far subjects were read."""

    ids: frozenset[int]
    is_cut: bool = False
    since: datetime | None = None


def search(text: str, *, tenants: Sequence[int], until: datetime | None = None) -> Found:
    """Return the messages that ``text`` names, by id or as the beginning of an address,

    and those of the newest before ``until`` with all of its words in address or subject.
    """
    if (named := ID.search(text)) and (known := _of_id(uuid.UUID(named[0]), tenants=tenants)):
        return Found(frozenset(known))
    to = _to(text, tenants=tenants)
    words = Q()
    for word in text.split():
        words &= Q(subject__icontains=word) | Q(to_address__icontains=word)
    said, since = newest(words, tenants=tenants, until=until)
    is_cut = max(len(to), len(said)) > FOUND
    return Found(frozenset(to[:FOUND]) | frozenset(said[:FOUND]), is_cut=is_cut, since=since)


def newest(
    condition: Q, *, tenants: Sequence[int], until: datetime | None = None
) -> tuple[list[int], datetime | None]:
    """Return keys of those among the newest messages that fulfil ``condition``, 401 at most.

    And since when all were looked at, None where that is from the first one on.
    """
    found: list[tuple[datetime, int]] = []
    sinces: list[datetime] = []
    for tenant in tenants:
        rows = EmailLog.objects.filter(tenant=tenant).order_by("-queued_at")
        if until is not None:
            rows = rows.filter(queued_at__lt=until)
        share = max(LOOKED_AT // len(tenants), 1)
        since = rows.values_list("queued_at", flat=True)[share - 1 : share].first()
        if since is not None:
            rows, sinces = rows.filter(queued_at__gte=since), [*sinces, since]
        found += rows.filter(condition).values_list("queued_at", "pk")[: FOUND + 1]
    return [pk for _at, pk in sorted(found, reverse=True)[: FOUND + 1]], max(sinces, default=None)


@dataclass(frozen=True)
class Tagged:
    """Keys of messages with a tag, from ``first`` on; 0: all that there are."""

    keys: QuerySet[EmailTag, int]
    first: int

    @property
    def since(self) -> datetime | None:
        """Since when all were looked at, None where that is from the first one on."""
        first = EmailLog.objects.filter(pk=self.first).values_list("queued_at", flat=True)
        return first.first() if self.first else None


def tagged(tag: str, *, tenants: Sequence[int], until: datetime | None = None) -> Tagged:
    """Return the newest messages with the tag, of those before ``until`` at least.

    As many as a search reads: no index has a tag's messages together with their other columns,
    so that these are read one by one.
    """
    first = last = 0
    for tenant in tenants:
        rows = EmailTag.objects.filter(tenant=tenant, tag=tag).order_by("-email_id")
        if until is not None:
            before = EmailLog.objects.filter(tenant=tenant, queued_at__lt=until + SKEW)
            newest_key = before.order_by("-queued_at").values_list("pk", flat=True).first() or 0
            rows, last = rows.filter(email_id__lte=newest_key), max(last, newest_key)
        share = max(LOOKED_AT // len(tenants), 1)
        first = max(first, rows.values_list("email_id", flat=True)[share - 1 : share].first() or 0)
    found = EmailTag.objects.filter(tenant__in=tenants, tag=tag)
    if first:
        found = found.filter(email_id__gte=first)
    if until is not None:
        found = found.filter(email_id__lte=last)
    return Tagged(found.values_list("email_id", flat=True), first)


def _of_id(tracking_id: uuid.UUID, *, tenants: Sequence[int]) -> list[int]:
    rows = EmailLog.objects.filter(tracking_id=tracking_id, tenant__in=tenants)
    return list(rows.values_list("pk", flat=True))


def _to(text: str, *, tenants: Sequence[int]) -> list[int]:
    """Return up to 401 messages to addresses that begin so, as their index stands, backwards."""
    found: list[int] = []
    for spelling in sorted({text, text.lower()}):
        bounds = Q(to_address__gte=spelling, to_address__lt=spelling + LAST)
        rows = EmailLog.objects.filter(bounds, tenant__in=tenants, to_address__istartswith=text)
        rows = rows.order_by("-tenant_id", "-to_address", "-pk")
        found += rows.values_list("pk", flat=True)[: FOUND + 1]
    return found
