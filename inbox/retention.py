"""Removing what inbound mails said, once a tenant keeps it no longer."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import datetime

from inbox.models import InboundEmail, raw_storage
from tenants.models import Mode, Tenant

BATCH = 500
EMPTY: dict[str, object] = {"text": "", "reply_text": "", "html_text": "", "attachments": []}


def remove_texts(tenant: Tenant, *, before: datetime, at: datetime, until: float) -> int:
    """Empty mails that came before ``before``, with their raw files, and return how many.

    It stops after the batch in which ``until`` (monotonic seconds) comes. Who wrote when, about
    what, and what kind it was stays.
    """
    number = 0
    for batch in _old(tenant, before=before):
        number += empty_mails(batch, at=at)
        if time.monotonic() > until:
            break
    return number


def empty_mails(mails: Collection[InboundEmail], *, at: datetime) -> int:
    """Delete the raw files first, so that a call that was cut off is simply made again."""
    ids = [mail.pk for mail in mails]
    for mail in mails:
        same = InboundEmail.objects.filter(
            tenant=mail.tenant_id,
            mode__in=Mode.values,
            fingerprint=mail.fingerprint,
            raw_path=mail.raw_path,
            removed_at=None,
        )
        if not same.exclude(pk__in=ids).exists():
            raw_storage().discard(mail.raw_path)
    return InboundEmail.objects.filter(pk__in=ids).update(**EMPTY, removed_at=at)


def _old(tenant: Tenant, *, before: datetime) -> Iterator[list[InboundEmail]]:
    """Keys grow with time, so the walk ends at the first mail that is young."""
    rows = InboundEmail.objects.filter(tenant=tenant, removed_at=None).order_by("pk")
    rows = rows.only("pk", "tenant", "fingerprint", "raw_path", "received_at")
    last = 0
    while some := list(rows.filter(pk__gt=last)[:BATCH]):
        old = [mail for mail in some if mail.received_at < before]
        if old:
            yield old
        if len(old) < len(some):
            return
        last = old[-1].pk
