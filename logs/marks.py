"""Telling that figures are out of date, in the transaction of what changes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connections, router

from logs.models import ChangeMark, EmailLog

QUARTER = timedelta(minutes=15)
AT_ONCE = 400  # SQLite takes 999 parameters at once


def mark(emails: Iterable[EmailLog]) -> None:
    """Have the days of the messages counted anew: one statement, whatever their number."""
    accepted = {(email.tenant_id, email.queued_at) for email in emails}  # a batch at one time
    mark_quarters({(tenant_id, quarter_of(at)) for tenant_id, at in accepted})


def mark_quarters(changed: Iterable[tuple[int, datetime]]) -> None:
    """Mark the quarters of an hour, each with its tenant's id.

    Written by hand: workers do this for every batch they record.
    """
    connection = connections[router.db_for_write(ChangeMark)]
    rows, adapt = sorted(changed), connection.ops.adapt_datetimefield_value
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        places = ", ".join(["(%s, %s)"] * len(some))
        sql = f"INSERT INTO {ChangeMark._meta.db_table} (tenant_id, quarter) VALUES {places}"  # noqa: S608  names only
        with connection.cursor() as cursor:
            cursor.execute(sql, [part for pk, at in some for part in (pk, adapt(at))])


def quarter_of(instant: datetime) -> datetime:
    return instant.replace(minute=instant.minute // 15 * 15, second=0, microsecond=0)
