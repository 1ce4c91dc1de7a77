"""One effect and one answer for requests that carry the same ``Idempotency-Key``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from common.errors import Conflict, Refused, SendCraftError
from common.statements import Lookup, insert
from tenants.models import IdempotencyRecord, Tenant

KEPT = timedelta(hours=24)
LONGEST_RUN = timedelta(minutes=2)
RUNNING = 102
"""The status of a record whose request is still at work, outside of any transaction."""
LOCK_TIMED_OUT = 1205
DEADLOCK = 1213
RECORD = Lookup(
    IdempotencyRecord,
    lambda tenant, key: IdempotencyRecord.objects.filter(tenant=tenant, key_digest=key),
    takes=2,
)


@dataclass(frozen=True)
class Answer:
    status_code: int
    data: Any
    is_replay: bool = False


@dataclass(frozen=True)
class Once:
    """A request's identity: who asks, under which key, for what (method, path and body)."""

    tenant: Tenant
    key_digest: str
    request_digest: str

    @classmethod
    def of(cls, *, tenant: Tenant, key: str, request: bytes) -> Once:
        return cls(
            tenant=tenant,
            key_digest=hashlib.sha256(key.encode()).hexdigest(),
            request_digest=hashlib.sha256(request).hexdigest(),
        )

    def first_answer(self) -> Answer | None:
        """Return the answer given before, if it is younger than 24 hours.

        Raises:
            Refused: the key was used for another request.
            Conflict: the first request with this key is still running.
        """
        record = RECORD.first(self.tenant.pk, self.key_digest)
        if record is None:
            return None
        if record.created_at <= timezone.now() - KEPT:
            record.delete()
            return None
        is_running = record.status_code == RUNNING
        if is_running and record.created_at <= timezone.now() - LONGEST_RUN:  # it was killed
            record.delete()
            return None
        if record.request_digest != self.request_digest:
            raise Refused(
                "This Idempotency-Key was used for another request.",
                code="idempotency_key_reused",
                attr="Idempotency-Key",
            )
        if is_running:
            raise self._running()
        return Answer(record.status_code, record.answer, is_replay=True)

    def run(self, work: Callable[[], Answer]) -> Answer:
        """Run ``work`` and keep its answer in the same transaction; run twice, it works once.

        The record's unique key makes a second request wait for the first, and then undoes what
        the second did.

        Raises:
            Conflict: the first request with this key is still running.
        """
        try:
            with transaction.atomic():
                answer = work()
                self._keep(answer)
                return answer
        except (IntegrityError, SendCraftError):  # the first may have changed what this one met
            if first := self.first_answer():
                return first
            raise
        except OperationalError as error:
            if error.args[:1] in ((LOCK_TIMED_OUT,), (DEADLOCK,)):
                raise self._running() from error
            raise

    def run_outside(self, work: Callable[[], Answer]) -> Answer:
        """As ``run``, for work that waits on others and so must be in no transaction.

        Its record is there while it runs. A work that raises leaves none, so it can be repeated.

        Raises:
            Conflict: the first request with this key is still running.
        """
        try:
            with transaction.atomic():
                self._keep(Answer(RUNNING, {}))
        except IntegrityError as error:
            if first := self.first_answer():
                return first
            raise self._running() from error
        mine = IdempotencyRecord.objects.filter(tenant=self.tenant, key_digest=self.key_digest)
        try:
            answer = work()
        except BaseException:
            mine.delete()
            raise
        mine.update(status_code=answer.status_code, answer=answer.data)
        return answer

    def _keep(self, answer: Answer) -> None:
        insert(
            IdempotencyRecord(
                tenant=self.tenant,
                key_digest=self.key_digest,
                request_digest=self.request_digest,
                status_code=answer.status_code,
                answer=answer.data,
            )
        )

    @staticmethod
    def _running() -> Conflict:
        return Conflict(
            "The first request with this Idempotency-Key is still running.",
            code="idempotency_in_progress",
        )


def purge_expired() -> int:
    """Delete records older than 24 hours in one bounded batch; returns how many."""
    expired = IdempotencyRecord.objects.filter(created_at__lte=timezone.now() - KEPT)
    ids = list(expired.values_list("pk", flat=True)[:10_000])
    return IdempotencyRecord.objects.filter(pk__in=ids).delete()[0]
