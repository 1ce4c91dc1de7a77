"""Taking a list of addresses over, giving ours away and removing entries, as background jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import dropwhile, islice

from django.contrib.admin.models import DELETION
from django.contrib.auth.models import User
from django.core.files.base import File
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import spreadsheets
from common.errors import Refused
from delivery.models import Suppression, SuppressionQuerySet, SuppressionReason
from delivery.suppression_lines import WORDS, BadLine, Columns, Wanted, numbered
from tenants.background import JobFailed, JobKind, JobRun, register
from tenants.each import ForEach
from tenants.models import BackgroundJob, JobProblem, Tenant
from tenants.services import start_job

IMPORT, EXPORT = "suppressions.import", "suppressions.export"
REMOVAL = "suppressions.remove"
LINES_AT_ONCE = 500
ROWS_AT_ONCE = 5000
FILE_LIMIT_BYTES = 25 * 1024 * 1024
VALUE_LENGTH = 320
UTF16 = (b"\xff\xfe", b"\xfe\xff")
HEADER = ("address", "reason", "topic", "source", "created_at", "expires_at")


# Taking one over


def start_import(
    file: File[bytes],
    *,
    tenant: Tenant,
    created_by: User | None,
    reason: str = SuppressionReason.MANUAL,
    topic: str = "",
) -> BackgroundJob:
    """Take the addresses of ``file`` over; ``reason`` and ``topic`` hold where a line says none.

    Raises:
        Refused: the file is empty or larger than 25 MB.
    """
    if not file.size:
        raise Refused("The file is empty.", attr="file")
    if file.size > FILE_LIMIT_BYTES:
        raise Refused("The file is larger than 25 MB.", code="too_large", attr="file")
    params = {"reason": reason, "topic": topic}
    return start_job(IMPORT, tenant=tenant, created_by=created_by, params=params, input_file=file)


def work_on_import(run: JobRun) -> None:
    """Read on from the job's last line, 500 lines in a step."""
    columns = columns_of(run.job)
    if run.job.total is None:
        _count(run, columns_of(run.job))
    with run.input() as file:
        after = run.job.done
        remaining = dropwhile(lambda line: line[0] <= after, numbered(file, columns=columns))
        while lines := list(islice(remaining, LINES_AT_ONCE)):
            batch = Batch.read(lines, columns=columns)
            with run.step() as job:
                batch.store(job, at=columns.now)
                job.done = lines[-1][0]
                run.refuse(batch.problems(job))
    with run.step() as job:
        job.done = job.total or 0


def columns_of(job: BackgroundJob) -> Columns:
    default = Wanted("", reason=job.params["reason"], topic=job.params["topic"])
    return Columns(default=default, zone=job.tenant.zone, now=timezone.now())


def _count(run: JobRun, columns: Columns) -> None:
    with run.input() as file:
        if file.read(2) in UTF16:
            raise JobFailed("not_utf8")
    with run.input() as file:
        last = max((number for number, _text in numbered(file, columns=columns)), default=0)
    if not last:
        raise JobFailed("no_address")
    with run.step() as job:
        job.total = last


@dataclass
class Batch:
    """Some lines of a list, sorted into entries and refusals."""

    wanted: dict[tuple[str, str], Wanted] = field(default_factory=dict)
    line_of: dict[tuple[str, str], int] = field(default_factory=dict)
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    replaced: int = 0

    @classmethod
    def read(cls, lines: Iterable[tuple[int, str | None]], *, columns: Columns) -> Batch:
        batch = cls()
        for number, text in lines:
            try:
                batch.take(number, columns.read(text))
            except BadLine as bad:
                batch.refused.append((number, (text or "").strip()[:VALUE_LENGTH], bad.code))
        return batch

    def take(self, number: int, wanted: Wanted) -> None:
        """Keep the longer of two entries for the same mail."""
        if earlier := self.wanted.get(wanted.key):
            if not wanted.outlasts(earlier.expires_at):
                raise BadLine("exists")
            self.replaced += 1
        self.wanted[wanted.key], self.line_of[wanted.key] = wanted, number

    def store(self, job: BackgroundJob, *, at: datetime) -> None:
        """Write what is new or lasts longer, and count; call it inside the step's transaction."""
        shorter = []
        for entry in Suppression.objects.for_tenant(job.tenant).filter(
            address__in={address for address, _topic in self.wanted}
        ):
            wanted = self.wanted.get((entry.address, entry.topic))
            if wanted is None:
                continue
            if wanted.outlasts(entry.expires_at):
                shorter.append(entry.pk)
            else:
                del self.wanted[wanted.key]
                self.refused.append((self.line_of[wanted.key], wanted.address, "exists"))
        Suppression.objects.filter(pk__in=shorter).delete()
        Suppression.objects.bulk_create(self._entries(job.tenant, at=at), ignore_conflicts=True)
        extended = len(shorter) + self.replaced
        counted = {
            "added": len(self.wanted) - len(shorter),
            "extended": extended,
            "refused": len(self.refused),
        }
        job.result = {name: job.result.get(name, 0) + count for name, count in counted.items()}

    def _entries(self, tenant: Tenant, *, at: datetime) -> list[Suppression]:
        return [
            Suppression(
                tenant=tenant,
                address=wanted.address,
                topic=wanted.topic,
                reason=wanted.reason,
                created_at=at,
                expires_at=wanted.expires_at,
            )
            for wanted in self.wanted.values()
        ]

    def problems(self, job: BackgroundJob) -> list[JobProblem]:
        return [
            JobProblem(job=job, line=line, value=value.replace("\0", ""), code=code)
            for line, value, code in sorted(self.refused)
        ]


# Giving ours away


def start_export(
    *, tenant: Tenant, created_by: User | None, filters: Mapping[str, str]
) -> BackgroundJob:
    """Write the tenant's entries to a file; ``filters`` may name reason, topic and in_force."""
    return start_job(
        EXPORT,
        tenant=tenant,
        created_by=created_by,
        params=dict(filters),
        output_name=f"suppressions-{tenant.slug}-{timezone.now():%Y-%m-%d}.csv",
    )


def work_on_export(run: JobRun) -> None:
    """Write the next parts of the file, 5,000 entries each."""
    entries = exported(run.job)
    if run.job.total is None:
        with run.step() as job:
            job.total = entries.count()
    while not run.job.state.get("is_whole"):
        after = run.job.state.get("after", 0)
        next_rows = entries.filter(pk__gt=after).order_by("pk")[:ROWS_AT_ONCE]
        rows = list(next_rows.values_list("pk", *_COLUMNS))
        run.keep_part(_part(rows, is_first=not run.job.output_parts).encode())
        with run.step() as job:
            job.output_parts += 1
            job.done += len(rows)
            job.state = {"after": rows[-1][0]} if len(rows) == ROWS_AT_ONCE else {"is_whole": True}


def exported(job: BackgroundJob) -> SuppressionQuerySet:
    """Return the entries that the job's filters ask for."""
    entries = Suppression.objects.for_tenant(job.tenant)
    fields = {name: job.params[name] for name in ("reason", "topic") if job.params.get(name)}
    entries = entries.filter(**fields)
    return entries.in_force(at=job.created_at) if job.params.get("in_force") else entries


_COLUMNS = "address", "reason", "topic", "source__tracking_id", "created_at", "expires_at"


def _part(rows: Iterable[Sequence[object]], *, is_first: bool) -> str:
    """Return rows of a key and ``_COLUMNS`` as text; the first part has a header."""
    written = spreadsheets.to_csv(map(_cells, rows))
    return spreadsheets.BOM + spreadsheets.to_csv([HEADER]) + written if is_first else written


def _cells(row: Sequence[object]) -> list[object]:
    return [each.isoformat() if isinstance(each, datetime) else each for each in row[1:]]


register(
    IMPORT,
    JobKind(
        label=_("Import of suppressions"),
        work=work_on_import,
        words=WORDS,
        counts={
            "added": _("Added"),
            "extended": _("Made longer"),
            "refused": _("Refused"),
        },
    ),
)
register(EXPORT, JobKind(label=_("Export of suppressions"), work=work_on_export))
register(
    REMOVAL,
    ForEach(
        label=_("Removal of suppressions"),
        rows=lambda job: Suppression.objects.for_tenant(job.tenant),
        verb=Suppression.delete,
        done=_("Removed"),
        history=DELETION,
    ).kind(),
)
