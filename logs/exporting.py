"""Messages written to a CSV file as a background job, one row each, without what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import spreadsheets
from logs.models import EmailLog
from logs.selection import params_of, selected
from tenants.background import JobKind, JobRun, register
from tenants.models import BackgroundJob, Tenant
from tenants.services import start_job

EXPORT = "messages.export"
ROWS_AT_ONCE = 5000
COLUMNS = {
    "tracking_id": "tracking_id",
    "status": "status",
    "mode": "mode",
    "from_address": "from_address",
    "to_address": "to_address",
    "subject": "subject",
    "account": "account__email_address",
    "template": "template__slug",
    "batch_id": "batch_id",
    "topic": "topic",
    "queued_at": "queued_at",
    "sent_at": "sent_at",
    "delivered_at": "delivered_at",
    "failed_at": "failed_at",
    "error_code": "error_code",
    "error_message": "error_message",
    "smtp_response": "smtp_response",
    "retry_count": "retry_count",
    "opens_count": "opens_count",
    "clicks_count": "clicks_count",
    "machine_opens_count": "machine_opens_count",
    "machine_clicks_count": "machine_clicks_count",
    "unsubscribed_at": "unsubscribed_at",
    "smtp_message_id": "smtp_message_id",
}


def start_export(
    *, tenant: Tenant, created_by: User | None, filters: Mapping[str, Any]
) -> BackgroundJob:
    """Write the tenant's messages that :mod:`logs.selection` finds by ``filters`` to a file."""
    return start_job(
        EXPORT,
        tenant=tenant,
        created_by=created_by,
        params=params_of(filters),
        output_name=f"messages-{tenant.slug}-{timezone.now():%Y-%m-%d}.csv",
    )


def work_on_export(run: JobRun) -> None:
    """Write the next parts of the file, 5,000 messages each."""
    if run.job.total is None:
        _count(run)
    emails = selected(run.job)
    while not run.job.state.get("is_whole"):
        after = run.job.state["after"]
        rows = list(
            emails.filter(pk__gt=after, pk__lte=run.job.state["last"])
            .order_by("pk")
            .values_list("pk", *COLUMNS.values())[:ROWS_AT_ONCE]
        )
        run.keep_part(_part(rows, is_first=not run.job.output_parts).encode())
        with run.step() as job:
            job.output_parts += 1
            job.done += len(rows)
            is_whole = len(rows) < ROWS_AT_ONCE
            job.state |= {"is_whole": True} if is_whole else {"after": rows[-1][0]}


def _count(run: JobRun) -> None:
    """Count, and note the newest: what is accepted meanwhile is for the next export."""
    emails = selected(run.job)
    with run.step() as job:
        last = EmailLog.objects.aggregate(last=Max("pk"))["last"] or 0
        job.total = emails.filter(pk__lte=last).count()
        job.state = {"after": 0, "last": last}


def _part(rows: Iterable[Sequence[object]], *, is_first: bool) -> str:
    """Return rows of a key and ``COLUMNS`` as text; the first part has a header."""
    written = spreadsheets.to_csv(map(_cells, rows))
    return (
        spreadsheets.BOM + spreadsheets.to_csv([list(COLUMNS)]) + written if is_first else written
    )


def _cells(row: Sequence[object]) -> list[object]:
    return [each.isoformat() if isinstance(each, datetime) else each for each in row[1:]]


register(EXPORT, JobKind(label=_("Export of messages"), work=work_on_export))
