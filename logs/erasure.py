"""Exporting and erasing what messages hold of one person.

Messages to the address are found by their index, copies (cc, bcc) by reading the tenant's
messages once from the first to the last. Status, times and counts stay, so figures do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from common.erasing import Person, told
from common.errors import Conflict
from common.storage import attachments
from logs import transitions
from logs.models import Attachment, EmailEvent, EmailLog, EmailStatus
from logs.retention import BATCH, KEYS_AT_ONCE, OPEN, empty_contents
from tenants.models import Tenant

SCANNED = 2000
MESSAGE = (
    "tracking_id", "mode", "status", "from_address", "to_address", "to_name", "cc_addresses",
    "bcc_addresses", "subject", "topic", "tags", "metadata", "own_variables", "smtp_message_id",
    "queued_at", "send_at", "sent_at", "delivered_at", "failed_at", "error_message",
    "smtp_response", "opens_count", "clicks_count", "first_opened_at", "last_opened_at",
    "unsubscribed_at", "user_agent", "ip_address", "country",
)  # fmt: skip
CONTENT = ("subject", "html", "text", "variables", "headers", "reply_to")
EVENT = ("type", "at", "data")
NOBODY: dict[str, Any] = {
    "to_name": "",
    "subject": "",
    "own_variables": {},
    "metadata": {},
    "user_agent": "",
    "ip_address": None,
    "country": "",
    "error_message": "",
    "smtp_response": "",
    "recipient_outcomes": {},
}
IMPERSONAL = frozenset(
    {
        "attempt", "smtp_code", "enhanced_code", "bounce_type", "topic", "machine",
        "machine_reason", "send_at",
    }
)  # fmt: skip
"""What stays of the data of events; addresses, browsers, dialogues and links go."""


def cancel_queued(tenant: Tenant, person: Person, *, at: datetime) -> int:
    """Cancel what waits to be sent to the person; copies are left to :func:`erase`."""
    number = 0
    for batch in _messages_to(tenant, person):
        for email in batch:
            if email.status == EmailStatus.QUEUED:
                try:
                    transitions.cancel(email, at=at)
                except Conflict:
                    continue
                number += 1
    return number


def export(tenant: Tenant, person: Person) -> Iterator[dict[str, Any]]:
    """Return the messages to the person or with a copy to him, each with content and events."""
    for find in (_messages_to, _messages_with_copies):
        for batch in find(tenant, person):
            for email in batch:
                yield {
                    **told(email, MESSAGE),
                    "content": told(email.content, CONTENT),
                    "attachments": [file.filename for file in email.content.files],
                    "events": [told(one, EVENT) for one in email.events.order_by("at", "pk")],
                }


def erase(tenant: Tenant, person: Person, *, at: datetime) -> Counter[str]:
    """Erase the person from messages and events, and return how many; made again, it goes on.

    ``busy`` are those being sent at this moment, which are left.
    """
    done: Counter[str] = Counter()
    for batch in _messages_to(tenant, person):
        free = [email for email in batch if email.status not in OPEN]
        done["busy"] += len(batch) - len(free)
        done["messages"] += _erase_recipient(free, person, at=at)
    for batch in _messages_with_copies(tenant, person):
        for email in batch:
            done["copies" if _erase_copy(email, person, at=at) else "busy"] += 1
    return done


def _erase_recipient(emails: Sequence[EmailLog], person: Person, *, at: datetime) -> int:
    """Clear events and contents first: the address, by which all is found again, goes last."""
    ids = [email.pk for email in emails]
    _clear_events(ids)
    _empty_own_contents(emails, at=at)
    with transaction.atomic():
        for email in emails:
            if email.cc_addresses or email.bcc_addresses:
                EmailLog.objects.filter(pk=email.pk).update(**_copies(email, person))
        rows = EmailLog.objects.filter(pk__in=ids).exclude(status__in=OPEN)
        return rows.update(**NOBODY, to_address=person.pseudonym, updated_at=at)


def _empty_own_contents(emails: Collection[EmailLog], *, at: datetime) -> None:
    """What a batch says to all of its recipients is nobody's own and stays."""
    ids = [email.pk for email in emails]
    contents = {email.content_id: email.content for email in emails}
    own = [
        pk for pk, content in contents.items() if not content.emails.exclude(pk__in=ids).exists()
    ]
    for path in Attachment.objects.filter(part_of__in=own).values_list("path", flat=True):
        attachments().settle(path)
    empty_contents(own, at=at)


def _clear_events(ids: Sequence[int]) -> None:
    for events in _events_of(ids):
        for event in events:
            event.data = {name: one for name, one in event.data.items() if name in IMPERSONAL}
        EmailEvent.objects.bulk_update(events, ["data"], batch_size=100)


def _erase_copy(email: EmailLog, person: Person, *, at: datetime) -> bool:
    """Take the person out of a message to somebody else; one that waits goes without the copy."""
    for events in _events_of([email.pk]):
        for event in events:
            event.data = person.erased_from(event.data)
        EmailEvent.objects.bulk_update(events, ["data"], batch_size=100)
    names = ("recipient_outcomes", "smtp_response", "error_message")
    changes = {name: person.erased_from(getattr(email, name)) for name in names}
    changes |= _copies(email, person, leave_out=email.status == EmailStatus.QUEUED)
    same = EmailLog.objects.filter(pk=email.pk, status=email.status)
    same = same.exclude(status=EmailStatus.SENDING)
    return bool(same.update(**changes, updated_at=at))


def _copies(email: EmailLog, person: Person, *, leave_out: bool = False) -> dict[str, Any]:
    def without(addresses: list[str]) -> list[str]:
        if leave_out:
            return [one for one in addresses if not person.is_at(one)]
        return [person.pseudonym if person.is_at(one) else one for one in addresses]

    return {
        "cc_addresses": without(email.cc_addresses),
        "bcc_addresses": without(email.bcc_addresses),
        "cc_names": {one: name for one, name in email.cc_names.items() if not person.is_at(one)},
    }


# Finding


def _messages_to(tenant: Tenant, person: Person) -> Iterator[list[EmailLog]]:
    """In Python again: to a database, other letters may be the same."""
    rows = EmailLog.objects.for_tenant(tenant)
    alike = rows.filter(to_address__iexact=person.key).values_list("pk", "to_address")
    yield from _loaded(tenant, sorted(pk for pk, address in alike if person.is_at(address)))


def _messages_with_copies(tenant: Tenant, person: Person) -> Iterator[list[EmailLog]]:
    rows = EmailLog.objects.for_tenant(tenant).order_by("pk")
    lists = rows.values_list("pk", "cc_addresses", "bcc_addresses")
    last = 0
    while some := list(lists.filter(pk__gt=last)[:SCANNED]):
        found = [pk for pk, cc, bcc in some if any(map(person.is_at, [*cc, *bcc]))]
        yield from _loaded(tenant, found)
        last = some[-1][0]


def _loaded(tenant: Tenant, ids: Sequence[int]) -> Iterator[list[EmailLog]]:
    rows = EmailLog.objects.for_tenant(tenant).select_related("content").order_by("pk")
    for start in range(0, len(ids), BATCH):
        yield list(rows.filter(pk__in=ids[start : start + BATCH]))


def _events_of(ids: Sequence[int]) -> Iterator[list[EmailEvent]]:
    """By message alone, and few at once, so that MariaDB takes their index."""
    for start in range(0, len(ids), KEYS_AT_ONCE):
        yield list(EmailEvent.objects.filter(email__in=ids[start : start + KEYS_AT_ONCE]))
