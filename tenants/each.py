"""Kinds of background jobs that do one thing to each of many rows, every row once.

Whether somebody may do it is asked when the job is started: a role that is lost while it waits or
runs stops nothing. Whoever may see the job's page and edit can stop it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from common.errors import SendCraftError
from tenants.background import JobKind, JobRun
from tenants.models import BackgroundJob, JobProblem

ROWS_AT_ONCE = 100
VALUE_LENGTH = 320
LEFT_ALONE = _("Left alone")
IDS = "ids"
"""Where a job's ``params`` name the rows; without it, all that its kind's ``rows`` finds."""


@dataclass(frozen=True)
class ForEach:
    """What is done to each row; by refusing (:class:`SendCraftError`) it leaves one alone.

    ``rows`` finds the job's rows, of its tenant alone. ``waits``: ``verb`` asks another server, so
    it runs outside of transactions, and a killed worker's last row is asked again; any other
    shares the transaction that counts its row. ``named`` says for people which row refused, in
    ``shown`` as the reader reads it, and ``words`` why, by the error's code. With ``history``, one
    of ``LogEntry``'s flags, the admin's history tells it of each row, as if it were done there.
    ``is_signed``: ``verb`` takes ``by`` too, the username of who started the job, or "".
    """

    label: str | Promise
    rows: Callable[[BackgroundJob], QuerySet[Any]]
    verb: Callable[..., object]
    done: str | Promise
    refused: str | Promise = LEFT_ALONE
    words: Mapping[str, str | Promise] = field(default_factory=dict)
    named: Callable[[Any, SendCraftError], str] = lambda row, _error: str(row)
    shown: Callable[[str], str] = str
    waits: bool = False
    history: int | None = None
    is_signed: bool = False

    def kind(self) -> JobKind:
        counts = {"done": self.done, "refused": self.refused}
        return JobKind(
            self.label,
            self.work,
            words=self.words,
            counts=counts,
            piece=_("number"),
            shown=self.shown,
        )

    def work(self, run: JobRun) -> None:
        if run.job.total is None:
            self._count(run)
        while keys := self._next_keys(run.job):
            asked = self._do(keys, run.job) if self.waits else None
            with run.step() as job:
                outcome = asked or self._do(keys, job)
                outcome.note(job, keys)
                run.refuse(outcome.problems)

    def _count(self, run: JobRun) -> None:
        """Count, and note the newest: rows that come meanwhile were not meant."""
        with run.step() as job:
            if IDS in job.params:
                job.total = len(job.params[IDS])
            else:
                last = self.rows(job).aggregate(last=Max("pk"))["last"] or 0
                job.total = self.rows(job).filter(pk__lte=last).count()
                job.state = {"last": last}
            job.result = {"done": 0, "refused": 0}

    def _next_keys(self, job: BackgroundJob) -> Sequence[int]:
        at_once = 1 if self.waits else ROWS_AT_ONCE
        if IDS in job.params:
            keys: list[int] = job.params[IDS][job.done : job.done + at_once]
            return keys
        coming = self.rows(job).filter(pk__gt=job.state.get("after", 0), pk__lte=job.state["last"])
        return list(coming.order_by("pk").values_list("pk", flat=True)[:at_once])

    def _do(self, keys: Sequence[int], job: BackgroundJob) -> Outcome:
        """Do it to the rows of these keys; those that are gone meanwhile are passed over."""
        found = self.rows(job).in_bulk(keys)
        problems = []
        for number, key in enumerate(keys, start=job.done + 1):
            error = self._error(found[key], job) if key in found else None
            if error is not None:
                value = self.named(found[key], error).replace("\0", "")[:VALUE_LENGTH]
                problems.append(JobProblem(job=job, line=number, value=value, code=error.code))
        return Outcome(done=len(found) - len(problems), problems=problems)

    def _error(self, row: Any, job: BackgroundJob) -> SendCraftError | None:
        try:
            with nullcontext() if self.waits else transaction.atomic():
                if self.history is not None and job.created_by_id is not None:
                    by = job.created_by_id
                    LogEntry.objects.log_actions(by, [row], self.history, single_object=True)
                self.verb(row, **self._signature(job))
        except SendCraftError as error:
            return error
        return None

    def _signature(self, job: BackgroundJob) -> dict[str, str]:
        if not self.is_signed:
            return {}
        return {"by": job.created_by.get_username() if job.created_by else ""}


@dataclass(frozen=True)
class Outcome:
    """What some rows came to."""

    done: int
    problems: Sequence[JobProblem]

    def note(self, job: BackgroundJob, keys: Sequence[int]) -> None:
        """Count the rows as passed; call it in their step."""
        job.done += len(keys)
        job.state |= {"after": keys[-1]}
        job.result = {
            "done": job.result["done"] + self.done,
            "refused": job.result["refused"] + len(self.problems),
        }
