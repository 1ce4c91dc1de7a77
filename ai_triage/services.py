"""Mail taken in for triage, and judged at once where somebody waits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from ai_triage import cases, claims, doorbell, jobs
from ai_triage.incoming import Incoming, digest_of
from ai_triage.models import Status, TriageResult
from ai_triage.models.results import key_of
from common import loop
from common.clock import DatabaseClock
from common.errors import Conflict, Refused
from common.ids import uuid7
from common.statements import insert
from inbox.models import InboundEmail
from inbox.services import headers_of
from tenants.models import Tenant

MARGIN = timedelta(seconds=30)
"""Of a waiting request's lease, beyond the time that its model has."""
MOST_COUNTED = 2000
USUAL_SECONDS = 2


@dataclass(frozen=True)
class Rejected:
    """A mail of a batch that can't be taken; ``index`` is its place in the request."""

    index: int
    email_id: str | None
    code: str
    detail: str


@dataclass
class Batch:
    """What came of mails that were handed in together; as the API answers it."""

    batch_id: UUID
    accepted: int = 0
    rejected: list[Rejected] = field(default_factory=list)


def take_in(
    mail: Incoming,
    *,
    tenant: Tenant,
    mode: str,
    wait: float | None = None,
    force: bool = False,
) -> tuple[TriageResult, bool]:
    """Store the mail once, and return its row and whether it is the caller's to process now.

    With ``wait`` (seconds) the caller processes it, else a worker does. The same mail again is
    the row as it stands, unless it has failed; with ``force`` it starts over. Call it in a
    transaction.

    Raises:
        Conflict: another mail has the same ``email_id``.
    """
    at = DatabaseClock().now()
    lease = None if wait is None else timedelta(seconds=wait) + MARGIN
    row = _found(mail.email_id, tenant=tenant, mode=mode)
    if row is None:
        row = _new(mail, tenant=tenant, mode=mode, at=at, lease=lease)
        if not _inserted([row]):
            row = _found(mail.email_id, tenant=tenant, mode=mode) or row
            _refuse_another(row, mail)
            return row, False
        is_mine = lease is not None
    elif force or _is_emptied(row):
        job = {} if lease else {"job_id": uuid7()}
        is_mine = _begin_anew(row, mail, at=at, lease=lease, **job) and lease is not None
    else:
        _refuse_another(row, mail)
        is_mine = _go_on(row, at=at, lease=lease)
    if row.status == Status.QUEUED:
        doorbell.ring_on_commit()
    return row, is_mine


def take_in_batch(
    mails: Sequence[tuple[int, Incoming]], *, tenant: Tenant, mode: str, batch: Batch
) -> Batch:
    """Store the mails (each with its index in the request); what can't be taken is rejected.

    Call it in a transaction.
    """
    at = DatabaseClock().now()
    keys = [key_of(mail.email_id) for _, mail in mails]
    rows = TriageResult.objects.for_tenant(tenant).filter(mode=mode, email_key__in=keys)
    known = {row.email_key: row for row in rows.defer("body", "raw_answer", "suggested_body")}
    new: list[TriageResult] = []
    taken: set[str] = set()
    for (index, mail), key in zip(mails, keys, strict=True):
        try:
            if key in taken:
                raise Refused("This email_id is in the batch already.", code="duplicate")
            if row := known.get(key):
                _refuse_another(row, mail)
                if _is_emptied(row):
                    _begin_anew(row, mail, at=at, lease=None)
                claims.requeue(row, at=at)
            else:
                made = _new(mail, tenant=tenant, mode=mode, at=at, lease=None)
                made.batch_id = batch.batch_id
                new.append(made)
            taken.add(key)
        except (Refused, Conflict) as refusal:
            batch.rejected.append(Rejected(index, mail.email_id, refusal.code, refusal.detail))
    if not _inserted(new):
        raise Conflict("Another request is handing in some of these; try again.", code="running")
    again = [row.pk for key, row in known.items() if key in taken]
    TriageResult.objects.filter(pk__in=again).update(batch_id=batch.batch_id)
    batch.accepted = len(taken)
    batch.rejected.sort(key=lambda row: row.index)
    doorbell.ring_on_commit()
    return batch


def take_in_inbound(inbound: InboundEmail) -> TriageResult:
    """Queue a collected mail under its own id; call it in the transaction that stores the mail."""
    body = inbound.reply_text or inbound.text
    to = next(iter(inbound.to_addresses), "")
    email_id = str(inbound.public_id)
    row = TriageResult(
        tenant=inbound.tenant,
        mode=inbound.mode,
        email_id=email_id,
        email_key=key_of(email_id),
        inbound=inbound,
        from_address=inbound.from_address,
        from_name=inbound.from_name,
        to_address=to,
        subject=inbound.subject,
        body=body,
        headers=headers_of(inbound),
        thread_id=inbound.thread_key,
        received_at=inbound.received_at,
        attachments=[file["filename"] for file in inbound.attachments],
        request_digest=digest_of(inbound.from_address, to, inbound.subject, body),
    )
    claims.begin(row, at=DatabaseClock().now(), lease=None)
    insert(row)
    doorbell.ring_on_commit()
    return row


def process_now(row: TriageResult, *, wait: float) -> TriageResult:
    """Judge a mail that the caller has claimed, for at most ``wait`` seconds; in no transaction.

    Past that the mail is left to a worker and comes back ``queued``.

    Raises:
        NoVerdict: the provider failed; the mail has, too, and can be handed in again.
    """
    [case] = cases.open_all([row], at=DatabaseClock().now())
    if case.outcome is None:
        cases.reuse_earlier(case, at=DatabaseClock().now())
    if case.outcome is None:
        loop.run(cases.judge(case, seconds=wait, is_awaited=True))
    if case.outcome is cases.LATE:
        claims.hand_over(row, at=DatabaseClock().now())
        return row
    cases.close(case, at=DatabaseClock().now(), may_wait=False)
    if isinstance(case.outcome, Exception) and row.status == Status.FAILED:
        raise case.outcome
    return row


def estimated_seconds(row: TriageResult) -> int:
    """Return in how many seconds a mail that waits will about be judged."""
    at = DatabaseClock().now()
    if row.next_attempt_at and row.next_attempt_at > at:
        return math.ceil((row.next_attempt_at - at).total_seconds())
    waiting = TriageResult.objects.filter(status=Status.QUEUED, next_attempt_at__lte=at)
    ahead = waiting.values("pk")[:MOST_COUNTED].count()
    return USUAL_SECONDS * (1 + ahead // jobs.AT_ONCE)


def _found(email_id: str, *, tenant: Tenant, mode: str) -> TriageResult | None:
    rows = TriageResult.objects.for_tenant(tenant).filter(mode=mode, email_key=key_of(email_id))
    return rows.select_related("tenant", "inbound", "prompt__prompt").first()


def _new(
    mail: Incoming, *, tenant: Tenant, mode: str, at: datetime, lease: timedelta | None
) -> TriageResult:
    row = TriageResult(
        tenant=tenant,
        mode=mode,
        email_id=mail.email_id,
        email_key=key_of(mail.email_id),
        **mail.columns,
    )
    return claims.begin(row, at=at, lease=lease)


def _inserted(rows: Sequence[TriageResult]) -> bool:
    """Store new rows; False where another request has stored one of them at this moment."""
    try:
        with transaction.atomic():
            for row in rows:
                insert(row)
    except IntegrityError:
        return False
    return True


def _refuse_another(row: TriageResult, mail: Incoming) -> None:
    if row.request_digest != mail.columns["request_digest"]:
        raise Conflict("Another mail was handed in under this email_id.", code="email_id_reused")


def _is_emptied(row: TriageResult) -> bool:
    """Whether what failed can't be judged as it stands, since its text was removed."""
    return row.removed_at is not None and row.status == Status.FAILED


def _begin_anew(
    row: TriageResult, mail: Incoming, *, at: datetime, lease: timedelta | None, **job: object
) -> bool:
    return claims.begin_anew(row, at=at, lease=lease, removed_at=None, **mail.columns, **job)


def _go_on(row: TriageResult, *, at: datetime, lease: timedelta | None) -> bool:
    """Take a mail up again that has failed or still waits; True where the caller has it now."""
    if lease is not None:
        return claims.claim_one(row, at=at, lease=lease)
    claims.requeue(row, at=at, job_id=uuid7())
    return False
