"""Removing contents and events that a tenant keeps no longer; figures stay."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from common.storage import attachments
from logs.models import Attachment, EmailContent, EmailEvent, EmailLog, EmailStatus
from tenants.models import Tenant

BATCH = 500
OPEN = (EmailStatus.QUEUED, EmailStatus.SENDING)
EMPTY: dict[str, object] = {
    "subject": "",
    "html": "",
    "text": "",
    "variables": {},
    "headers": [],
    "reply_to": [],
}


def remove_contents(tenant: Tenant, *, before: datetime, at: datetime, until: float) -> int:
    """Empty contents that are older than ``before``, and return how many.

    It stops after the batch in which ``until`` (monotonic seconds) comes, and goes on at the next
    call. A content of which a message may still go out stays whole.
    """
    number = 0
    for batch in _old_contents(tenant, before=before):
        number += len(empty_contents(batch, at=at))
        if time.monotonic() > until:
            break
    return number


def remove_events(tenant: Tenant, *, before: datetime, until: float) -> int:
    """Delete events older than ``before`` and return how many; see :func:`remove_contents`.

    A message that may still go out keeps its history.
    """
    number = 0
    for batch in _old_events(tenant, before=before):
        number += EmailEvent.objects.filter(pk__in=batch).delete()[1].get("logs.EmailEvent", 0)
        if time.monotonic() > until:
            break
    return number


def empty_contents(ids: Collection[int], *, at: datetime) -> list[int]:
    """Remove texts, variables, headers and files, and return of which contents.

    Those of messages that may still go out are left. First nobody can send or read it any more,
    then all of it goes, in small transactions; a call that was cut off is simply made again.
    """
    ours = _close(ids, at=at)
    _empty_messages(ours)
    for path in set(Attachment.objects.filter(part_of__in=ours).values_list("path", flat=True)):
        if not Attachment.objects.filter(path=path).exclude(part_of__in=ours).exists():
            attachments().discard(path)
    with transaction.atomic():
        Attachment.objects.filter(part_of__in=ours).delete()
        EmailContent.objects.filter(pk__in=ours).update(**EMPTY, is_emptied=True)
    return ours


@transaction.atomic
def _close(ids: Collection[int], *, at: datetime) -> list[int]:
    """Mark as removed what no message needs any more; a retry takes the same locks."""
    held = EmailContent.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    found = list(held.values_list("pk", flat=True))
    waiting = EmailLog.objects.filter(content__in=found, status__in=OPEN)
    needed = set(waiting.values_list("content_id", flat=True).distinct())
    free = [pk for pk in found if pk not in needed]
    EmailContent.objects.filter(pk__in=free, removed_at=None).update(removed_at=at)
    return free


def _empty_messages(contents: Collection[int]) -> None:
    """A batch's content has any number of messages."""
    rows, last = EmailLog.objects.filter(content__in=contents).order_by("pk"), 0
    while some := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        EmailLog.objects.filter(pk__in=some).update(own_variables={})
        last = some[-1]


def _old_contents(tenant: Tenant, *, before: datetime) -> Iterator[list[int]]:
    """Keys grow with time, so the walk ends at the first content that is young."""
    rows = EmailContent.objects.filter(tenant=tenant, is_emptied=False).order_by("pk")
    last = 0
    while some := list(rows.filter(pk__gt=last).values_list("pk", "created_at")[:BATCH]):
        old = [pk for pk, created_at in some if created_at < before]
        if old:
            yield old
        if len(old) < len(some):
            return
        last = old[-1]


def _old_events(tenant: Tenant, *, before: datetime) -> Iterator[list[int]]:
    rows = EmailEvent.objects.filter(tenant=tenant, at__lt=before).order_by("at", "pk")
    later = rows
    while some := list(later.values_list("pk", "at", "email__status")[:BATCH]):
        if old := [pk for pk, _at, status in some if status not in OPEN]:
            yield old
        last, at, _status = some[-1]
        later = rows.filter(Q(at__gt=at) | Q(at=at, pk__gt=last), at__gte=at)
