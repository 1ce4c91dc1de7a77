"""Exporting and erasing inbound mails of one person: from him, or reports about him.

The tenant's mails are read once from the first to the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction

from common.erasing import Person, told
from inbox.models import InboundEmail, raw_storage
from inbox.retention import BATCH, empty_mails
from tenants.models import Tenant

SCANNED = 2000
SEARCHED = (
    "from_address",
    "envelope_sender",
    "recipient",
    "to_addresses",
    "cc_addresses",
    "findings",
)
MAIL = (
    "public_id", "kind", "from_address", "from_name", "to_addresses", "cc_addresses",
    "envelope_sender", "recipient", "subject", "date", "received_at", "message_id", "text",
    "html_text", "attachments",
)  # fmt: skip
NOBODY: dict[str, Any] = {
    "from_name": "",
    "subject": "",
    "message_id": "",
    "message_id_digest": "",
    "in_reply_to": "",
    "references": [],
}


def export(tenant: Tenant, person: Person) -> Iterator[dict[str, Any]]:
    for batch in _mails_of(tenant, person):
        yield from (told(mail, MAIL) for mail in batch)


def erase(tenant: Tenant, person: Person, *, at: datetime) -> int:
    """Erase the person's mails and return how many; made again, it goes on.

    Of a mail between others, that only names him in To or Cc, the address there goes.
    """
    number = 0
    for batch in _mails_of(tenant, person):
        own = [mail for mail in batch if _is_own(mail, person)]
        for mail in own:
            raw_storage().settle(mail.raw_path)
        empty_mails(own, at=at)
        with transaction.atomic():
            for mail in batch:
                _erase_addresses(mail, person, others=NOBODY if mail in own else {})
        number += len(batch)
    return number


def _is_own(mail: InboundEmail, person: Person) -> bool:
    return any(map(person.is_at, (mail.from_address, mail.envelope_sender, mail.recipient)))


def _erase_addresses(mail: InboundEmail, person: Person, *, others: dict[str, Any]) -> None:
    changes = {name: person.erased_from(getattr(mail, name)) for name in SEARCHED}
    InboundEmail.objects.filter(pk=mail.pk).update(**changes, **others)


def _mails_of(tenant: Tenant, person: Person) -> Iterator[list[InboundEmail]]:
    rows = InboundEmail.objects.for_tenant(tenant).order_by("pk")
    last = 0
    while some := list(rows.filter(pk__gt=last).values_list("pk", *SEARCHED)[:SCANNED]):
        found = [row[0] for row in some if person.is_in(list(row[1:]))]
        for start in range(0, len(found), BATCH):
            yield list(rows.filter(pk__in=found[start : start + BATCH]))
        last = some[-1][0]
