"""A prompt version tried out on a past mail: asked and shown, and nothing is decided by it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from ai_triage import analytics, cases, failures, suspicion
from ai_triage.cases import Case, Spent
from ai_triage.errors import Blocked, NoVerdict
from ai_triage.models import PromptVersion, Status, TriageResult, TriageResultQuerySet, Tryout
from ai_triage.providers.base import Answer, Verdict
from common import loop
from common.clock import DatabaseClock
from common.errors import Refused
from tenants.models import Tenant

SHOWN = 20
SEARCHED = 5_000
"""So many of the tenant's newest mails are looked through for a word."""


@dataclass(frozen=True)
class Tried:
    """What came of it; without a verdict ``failure`` says why.

    ``review_reason`` is why a person would have had to look, empty where nobody would.
    """

    seconds: float
    spent: Spent | None
    verdict: Verdict | None = None
    review_reason: str = ""
    failure: str = ""


def past_mails(tenant: Tenant) -> TriageResultQuerySet:
    """Return the mails that can be tried: judged, and with their text still there."""
    return TriageResult.objects.for_tenant(tenant).filter(status=Status.COMPLETED, removed_at=None)


def find(tenant: Tenant, text: str) -> list[TriageResult]:
    """Return the newest mails whose sender or subject holds ``text``, at a bounded cost."""
    rows = past_mails(tenant).only("from_address", "subject", "received_at", "decision")
    if text:
        # Those with text, since MariaDB has their order in an index; whatever came of them.
        kept = TriageResult.objects.for_tenant(tenant).filter(removed_at=None)
        newest = kept.order_by("-pk")
        edge = list(newest.values_list("pk", flat=True)[SEARCHED : SEARCHED + 1])
        rows = rows.filter(Q(from_address__icontains=text) | Q(subject__icontains=text))
        rows = rows.filter(pk__gt=edge[0]) if edge else rows
    return list(rows.order_by("-pk")[:SHOWN])


def try_out(version: PromptVersion, mail: TriageResult, *, by: str) -> Tried:
    """Ask ``version`` about the mail, for as long as a request may wait; in no transaction.

    What it costs counts for the tenant's day as that of its mail does.

    Raises:
        Refused: ``cost_limit``: the day's is reached.
    """
    at = DatabaseClock().now()
    case = cases.open_to_try(mail, version, at=at)
    if until := cases.held_until(case, at=at):
        raise Refused(cases.spent_up(until), code="cost_limit")
    loop.run(cases.judge(case, seconds=settings.TRIAGE_DEADLINE, is_awaited=True))
    tried = _tried(case, seconds=round(time.monotonic() - case.began, 3))
    if tried.spent is not None:
        _count(version, tried.spent, outcome=case.outcome, seconds=tried.seconds, by=by)
    return tried


def _tried(case: Case, *, seconds: float) -> Tried:
    outcome = case.outcome
    if isinstance(outcome, Answer) and case.question is not None:
        review = suspicion.review_reason(case.question, outcome.verdict, wants=case.wants)
        spent = cases.spent_on(outcome)
        return Tried(seconds, spent, verdict=outcome.verdict, review_reason=review)
    if isinstance(outcome, NoVerdict):
        return Tried(seconds, cases.spent_on(outcome), failure=_in_words(outcome))
    return Tried(seconds, None, failure=_("An error of our own."))


def _in_words(failure: NoVerdict) -> str:
    if isinstance(failure, Blocked):
        return cases.declined(failure)
    return failures.in_words(str(failure))


@transaction.atomic
def _count(
    version: PromptVersion, spent: Spent, *, outcome: object, seconds: float, by: str
) -> None:
    at, tenant = DatabaseClock().now(), version.prompt.tenant
    rows = PromptVersion.objects.select_for_update().filter(pk=version.pk)
    Tryout.objects.create(
        tenant=tenant,
        version=rows.only("pk").first(),  # None: deleted while it was asked
        by=by,
        at=at,
        seconds=seconds,
        error_code=getattr(outcome, "code", ""),
        **spent,
    )
    analytics.count_today_again(tenant, at=at)
