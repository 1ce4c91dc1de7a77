"""Work that takes longer than a request: done in short turns, and gone on with after a kill.

A kind is a function registered under a name. Everything that it does happens in steps: a step is
one transaction that also stores how far the work is, so that whoever takes the job over begins
where the last step ended, and no step counts twice. The table is the queue; Celery only rings.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO, cast

from auditlog.context import set_actor
from celery import current_app
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError as BrokerDown
from redis.exceptions import RedisError

from common.clock import Clock, DatabaseClock
from tenants.models import BackgroundJob, JobProblem, JobStatus

logger = logging.getLogger(__name__)

TASK = "tenants.work_off_jobs"
QUEUE = "bulk"
LEASE = timedelta(minutes=1)
"""Much longer than a step may take."""
TURN_SECONDS = 20.0
"""After so long another job has its turn, and a worker that shall stop can."""
MOST_STRIKES = 5
KEPT = timedelta(days=30)
PURGED_AT_ONCE = 100
PROBLEMS_AT_ONCE = 500

LINE = _("line")
INTERNAL, GAVE_UP = "internal_error", "gave_up"
WORDS: Mapping[str, str | Promise] = {
    INTERNAL: _("SendCraft could not do this; its log says why."),
    GAVE_UP: _("This stopped several times at the same place and was given up."),
}


class JobFailed(Exception):
    """The job can't be done; ``code`` is one of its kind's words."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _TurnOver(Exception):
    """Enough for now."""


class _CancelWanted(Exception):
    """A person wants no more of it."""


class _Lost(Exception):
    """The lease ran out, and somebody else has the job."""


@dataclass(frozen=True)
class JobKind:
    """What is done under a name; ``words`` are for people, by the code of an error or problem.

    ``counts`` names what the job's ``result`` counts, ``piece`` what numbers its problems, and
    ``shown`` returns a problem's stored value in the reader's language.
    """

    label: str | Promise
    work: Callable[[JobRun], None]
    words: Mapping[str, str | Promise] = field(default_factory=dict)
    counts: Mapping[str, str | Promise] = field(default_factory=dict)
    piece: str | Promise = LINE
    shown: Callable[[str], str] = str

    def word(self, code: str) -> str:
        return str({**WORDS, **self.words}.get(code, code))


_kinds: dict[str, JobKind] = {}


def register(name: str, kind: JobKind) -> None:
    """Make a kind of work known; an app does so when it is ready."""
    _kinds[name] = kind


def kind_of(job: BackgroundJob) -> JobKind:
    """Return what the job is; one that another version queued does nothing and says so."""
    return _kinds.get(job.kind) or JobKind(label=job.kind, work=_unknown)


def _unknown(run: JobRun) -> None:
    raise JobFailed(INTERNAL)


# Files


def job_storage() -> Storage:
    return storages["attachments"]


def input_path(job: BackgroundJob) -> str:
    return f"jobs/{job.tenant_id}/{job.public_id}/input"


def output_paths(job: BackgroundJob) -> list[str]:
    """Return where the parts of what the job made lie, in their order."""
    return [_part_path(job, number) for number in range(job.output_parts)]


def _part_path(job: BackgroundJob, number: int) -> str:
    return f"jobs/{job.tenant_id}/{job.public_id}/{number:06}"


def remove_files(job: BackgroundJob) -> None:
    """Delete all files of the job; one more part than it knows may have been written."""
    job.output_parts += 1
    for path in [job.input_path, *output_paths(job)]:
        if path:
            job_storage().delete(path)
    job.output_parts = 0


# A worker's side


class JobRun:
    """A worker's hold on a job for one turn."""

    def __init__(self, job: BackgroundJob, *, clock: Clock) -> None:
        self.job = job
        self._clock = clock
        self._ends_at = clock.monotonic() + TURN_SECONDS

    @contextmanager
    def step(self) -> Iterator[BackgroundJob]:
        """One transaction of the work: change ``done``, ``total``, ``state`` and ``result`` in it.

        Leaves the work by an exception of its own when the turn is over, a person cancelled, or
        another worker has the job; let it pass.
        """
        with transaction.atomic():
            row = self._held()
            before = row.done, row.output_parts
            yield row
            if (row.done, row.output_parts) != before:
                row.strikes = 0
            now = self._clock.now()
            row.leased_until, row.updated_at = now + LEASE, now
            row.save(update_fields=_OF_A_STEP)
        self.job = row
        if row.cancel_requested:
            raise _CancelWanted
        if self._clock.monotonic() > self._ends_at:
            raise _TurnOver

    def _held(self) -> BackgroundJob:
        mine = BackgroundJob.objects.filter(
            pk=self.job.pk, status=JobStatus.RUNNING, lease_token=self.job.lease_token
        )
        row = mine.select_for_update().first()
        if row is None:
            raise _Lost
        row.tenant = self.job.tenant
        return row

    @contextmanager
    def input(self) -> Iterator[BinaryIO]:
        """The file that the job works on, from its beginning."""
        with job_storage().open(self.job.input_path, "rb") as file:
            yield cast(BinaryIO, file)

    def keep_part(self, content: bytes) -> None:
        """Store the next part of the output; the step after it adds one to ``output_parts``."""
        path = _part_path(self.job, self.job.output_parts)
        job_storage().delete(path)  # from a worker that was killed before its step
        job_storage().save(path, ContentFile(content))

    def refuse(self, problems: Iterable[JobProblem]) -> None:
        """Note lines that can't be worked on; call it in the step that passes them."""
        JobProblem.objects.bulk_create(problems, batch_size=PROBLEMS_AT_ONCE)

    def hand_back(self) -> None:
        self._leave(status=JobStatus.QUEUED)

    def finish(self, status: JobStatus, *, error: str = "") -> None:
        """End the job; its input goes, and so does output that is not whole."""
        now = self._clock.now()
        if not self._leave(status=status, error=error, finished_at=now):
            return
        parts = self.job.output_parts if status == JobStatus.DONE else 0
        if status != JobStatus.DONE:
            remove_files(self.job)
        elif self.job.input_path:
            job_storage().delete(self.job.input_path)
        BackgroundJob.objects.filter(pk=self.job.pk).update(input_path="", output_parts=parts)
        logger.info("job over", extra={"job": self.job.pk, "kind": self.job.kind, "end": status})

    def _leave(self, **changes: object) -> int:
        mine = BackgroundJob.objects.filter(
            pk=self.job.pk, status=JobStatus.RUNNING, lease_token=self.job.lease_token
        )
        now = self._clock.now()
        return mine.update(**changes, lease_token="", leased_until=None, updated_at=now)


_OF_A_STEP = [
    "done", "total", "state", "result", "output_parts", "strikes", "leased_until", "updated_at",
]  # fmt: skip


def work_off(*, clock: Clock | None = None) -> None:
    """Give the job that has waited longest its turn, and ring again where others wait."""
    clock = clock or DatabaseClock()
    job = claim(at=clock.now())
    if job is None:
        return
    take_turn(job, clock=clock)
    ring_if_waiting(at=clock.now())


def claim(*, at: datetime) -> BackgroundJob | None:
    """Return the next job, held for a minute; others can't take it meanwhile."""
    waiting = BackgroundJob.objects.waiting(at=at)
    for pk in list(waiting.order_by("updated_at", "pk").values_list("pk", flat=True)[:10]):
        token = secrets.token_hex(16)
        is_mine = waiting.filter(pk=pk).update(
            status=JobStatus.RUNNING,
            lease_token=token,
            leased_until=at + LEASE,
            strikes=F("strikes") + 1,
            started_at=Coalesce("started_at", at),
            updated_at=at,
        )
        if is_mine:
            jobs = BackgroundJob.objects.select_related("tenant", "created_by")
            return jobs.filter(pk=pk, lease_token=token).first()
    return None


def take_turn(job: BackgroundJob, *, clock: Clock) -> None:
    """Work on a claimed job until it or its turn is over."""
    run = JobRun(job, clock=clock)
    if job.cancel_requested:
        return run.finish(JobStatus.CANCELLED)
    if job.strikes > MOST_STRIKES:
        return run.finish(JobStatus.FAILED, error=GAVE_UP)
    try:
        with set_actor(job.created_by):  # what a job changes, its beginner did
            kind_of(job).work(run)
    except _TurnOver:
        run.hand_back()
    except _CancelWanted:
        run.finish(JobStatus.CANCELLED)
    except _Lost:
        logger.warning("a job was taken over", extra={"job": job.pk})
    except JobFailed as failure:
        run.finish(JobStatus.FAILED, error=failure.code)
    except (OperationalError, InterfaceError):
        raise  # the lease runs out, and somebody goes on
    except Exception:
        logger.exception("a job failed", extra={"job": job.pk, "kind": job.kind})
        run.finish(JobStatus.FAILED, error=INTERNAL)
    else:
        run.finish(JobStatus.DONE)
    return None


# Ringing and clearing up


def ring_if_waiting(*, at: datetime) -> None:
    if BackgroundJob.objects.waiting(at=at).exists():
        ring()


def ring(task: str = TASK) -> None:
    """Let a worker look; a lost ring costs one beat, never a job."""
    try:
        current_app.send_task(task, queue=QUEUE, ignore_result=True)
    except (OSError, BrokerDown, RedisError) as error:
        extra = {"error": type(error).__name__}
        logger.warning("the broker does not answer; beat will ring", extra=extra)


def purge(*, at: datetime) -> int:
    """Delete jobs that were over a month ago, with their files; returns how many."""
    count = 0
    old = BackgroundJob.objects.filter(finished_at__lt=at - KEPT).order_by("finished_at")
    while jobs := list(old[:PURGED_AT_ONCE]):
        for job in jobs:
            remove_files(job)
            job.delete()
        count += len(jobs)
    return count


def keep_input(job: BackgroundJob, file: File[bytes]) -> None:
    """Store what the job shall work on."""
    job.input_path = job_storage().save(input_path(job), file)
