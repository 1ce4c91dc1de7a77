"""Removing contents and events that a tenant keeps no longer; figures stay."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from common.storage import attachments
from logs.models import Attachment, EmailContent, EmailEvent, EmailLog, EmailStatus
from tenants.models import Tenant

BATCH = 500
KEYS_AT_ONCE = 100
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
    closed = _close(ids, at=at)
    ours = [content.pk for content in closed]
    _empty_messages(closed)
    for path in set(Attachment.objects.filter(part_of__in=ours).values_list("path", flat=True)):
        if not Attachment.objects.filter(path=path).exclude(part_of__in=ours).exists():
            attachments().discard(path)
    with transaction.atomic():
        Attachment.objects.filter(part_of__in=ours).delete()
        EmailContent.objects.filter(pk__in=ours).update(**EMPTY, is_emptied=True)
    return ours


@transaction.atomic
def _close(ids: Collection[int], *, at: datetime) -> list[EmailContent]:
    """Mark as removed what no message needs any more; a retry takes the same locks."""
    held = EmailContent.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    found = list(held.only("pk", "is_bulk"))
    needed = _needed(found)
    free = [content for content in found if content.pk not in needed]
    unmarked = EmailContent.objects.filter(pk__in=[one.pk for one in free], removed_at=None)
    unmarked.update(removed_at=at)
    return free


def _needed(contents: Collection[EmailContent]) -> set[int]:
    """Return whose messages may still go out."""
    single = [content.pk for content in contents if not content.is_bulk]
    needed = {pk for pk, _email, status in _messages_of(single) if status in OPEN}
    for content in contents:
        if content.is_bulk and content.emails.filter(status__in=OPEN).exists():
            needed.add(content.pk)
    return needed


def _messages_of(contents: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Return content, key and status of their messages.

    By content alone, and few at once: with other conditions or over 200 keys, MariaDB goes by
    what it believes of the average content, and reads all messages.
    """
    rows = EmailLog.objects.values_list("content_id", "pk", "status")
    for start in range(0, len(contents), KEYS_AT_ONCE):
        yield from rows.filter(content__in=contents[start : start + KEYS_AT_ONCE])


def _empty_messages(contents: Collection[EmailContent]) -> None:
    """A batch's content has any number of messages, others have one."""
    single = [content.pk for content in contents if not content.is_bulk]
    emails = [pk for _content, pk, _status in _messages_of(single)]
    EmailLog.objects.filter(pk__in=emails).update(own_variables={})
    for content in contents:
        last = 0
        while content.is_bulk and (some := _next_messages(content, last)):
            EmailLog.objects.filter(pk__in=some).update(own_variables={})
            last = some[-1]


def _next_messages(content: EmailContent, last: int) -> list[int]:
    rows = content.emails.filter(pk__gt=last).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:BATCH])


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
