"""One mail's way to its verdict: opened from its row, judged, closed with what came of it.

Opening and closing are database work; between them a model is asked, outside of any transaction.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypedDict

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _
from django.utils.translation import override

from ai_triage import claims, gate, learning, prices, prompting, reuse, spending, suspicion
from ai_triage.errors import BadAnswer, Blocked, NoVerdict, ProviderRefused, ProviderUnavailable
from ai_triage.kinds import Decision, EmailType, Tone, Urgency
from ai_triage.language import language_of
from ai_triage.models import Experiment, PromptVersion, ReviewReason, TriageResult, TriageSettings
from ai_triage.own_words import own_words
from ai_triage.providers import registry
from ai_triage.providers.base import Answer, Mail, Question, Verdict
from ai_triage.providers.rules import CERTAIN, RulesProvider, Settled
from tenants.models import Tenant

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that a provider has for one mail, its retries included."""
MOST_TRIES = 10
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
REFUSED_PAUSE = timedelta(minutes=1)
LONGEST_EXCERPT = 4000
"""Of the earlier mails of a conversation."""


@dataclass(frozen=True)
class Held:
    """The tenant has spent what it may spend on this day."""

    until: datetime


LATE = ProviderUnavailable("The provider did not answer in time.")
Outcome = Answer | Settled | TriageResult | Held | Exception
"""What came of a mail; a result is an earlier one whose verdict is used again."""


class Spent(TypedDict):
    """What one call came to, by the columns that keep it; no cost: nobody knows the price."""

    provider: str
    model_version: str
    input_tokens: int
    output_tokens: int
    cost: Decimal | None


@dataclass
class Case:
    """A mail in hand with all that its provider is told.

    Its processing time runs from ``began``: to wait for a free call is none.
    """

    row: TriageResult
    wants: TriageSettings
    never: str
    version: PromptVersion | None = None
    experiment: Experiment | None = None
    question: Question | None = None
    cache_key: str = ""
    used: dict[str, object] = field(default_factory=dict)
    outcome: Outcome | None = None
    opened: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)


def open_all(rows: Sequence[TriageResult], *, at: datetime) -> list[Case]:
    """Return the mails as cases; those that are settled already have their outcome."""
    gated = _looked_at(rows, at=at) if rows else {}
    tenants = {row.tenant_id: row.tenant for row in rows}
    wanted = {pk: _settings_of(tenant) for pk, tenant in tenants.items()}
    return [_opened(row, gated[row.pk], wanted[row.tenant_id], at=at) for row in rows]


def open_to_try(row: TriageResult, version: PromptVersion, *, at: datetime) -> Case:
    """Return the mail as a case that asks ``version``, whatever was settled about it; not to close.

    It is told what a mail of now would be: the examples and the knowledge that there are.
    """
    case = Case(row, _settings_of(row.tenant), never="", version=version)
    _ask_for(case, at=at)
    return case


def held_until(case: Case, *, at: datetime) -> datetime | None:
    """Return when the case's provider may be asked, since it costs money; None: now."""
    return spending.held_until(case.wants, at=at) if _costs_money() else None


def reuse_earlier(case: Case, *, at: datetime) -> None:
    """Give the case its outcome where an earlier verdict holds, or where nothing may be spent."""
    if case.question is None:
        return
    case.outcome = reuse.find(case.row, case.cache_key, mail=case.question.mail)
    if case.outcome is None and (until := held_until(case, at=at)):
        case.outcome = Held(until)


async def judge(case: Case, *, seconds: float, is_awaited: bool = False) -> None:
    """Ask the provider; whatever comes is the case's outcome, and nothing is raised.

    After so many ``seconds`` that is ``LATE``, though the provider itself might go on.
    ``is_awaited`` says that somebody waits.
    """
    if case.question is None:
        return
    case.began = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            with override(case.row.tenant.language):
                provider = registry.configured(is_awaited=is_awaited)
                case.outcome = await provider.answer(case.question, within=PATIENCE)
    except TimeoutError:
        case.outcome = LATE
    except NoVerdict as failure:
        case.outcome = failure
    except Exception as bug:  # one mail that we can't judge must not stop the others
        logger.exception("a mail could not be judged", extra={"result": case.row.pk})
        case.outcome = bug


def close(case: Case, *, at: datetime, may_wait: bool = True) -> bool:
    """Store the case's outcome; False where the mail is in other hands by now.

    A mail that ``may_wait`` is tried again later, another one has failed.
    """
    with override(case.row.tenant.language):
        outcome = case.outcome
        if isinstance(outcome, Settled):
            return _complete(case, **_settled_columns(outcome), at=at)
        if isinstance(outcome, Answer):
            return _complete(case, **_answer_columns(case, outcome), at=at)
        if isinstance(outcome, TriageResult):
            return _complete(case, **_reused_columns(case, outcome), at=at)
        if isinstance(outcome, Held):
            return _hold(case, outcome, at=at)
        if isinstance(outcome, Blocked):
            return _complete(case, **_blocked_columns(case, outcome), at=at)
        return _close_failed(case, outcome, at=at, may_wait=may_wait)


# Opening


def _looked_at(rows: Sequence[TriageResult], *, at: datetime) -> dict[int, gate.Gated | Exception]:
    """Look at all together; where that fails one by one, so that a single mail's bug is its own."""
    try:
        return {**gate.look(rows, at=at)}
    except (OperationalError, InterfaceError):
        raise
    except Exception as bug:
        if len(rows) > 1:
            return {pk: found for row in rows for pk, found in _looked_at([row], at=at).items()}
        logger.exception("a mail could not be looked at", extra={"result": rows[0].pk})
        return {rows[0].pk: bug}


def _settings_of(tenant: Tenant) -> TriageSettings:
    found = TriageSettings.objects.filter(tenant=tenant).first() or TriageSettings()
    found.tenant = tenant
    return found


def _opened(
    row: TriageResult, gated: gate.Gated | Exception, wants: TriageSettings, *, at: datetime
) -> Case:
    if isinstance(gated, Exception):
        return Case(row, wants, never="", outcome=gated)
    case = Case(row, wants, gated.never, outcome=gated.settled)
    if row.tries > MOST_TRIES:
        case.outcome = ProviderUnavailable(_("This mail was tried too often."))
    elif gated.settled is None:
        try:
            _ask_for(case, at=at)
        except Exception as bug:
            logger.exception("a mail could not be opened", extra={"result": row.pk})
            case.outcome = bug
    return case


def _ask_for(case: Case, *, at: datetime) -> None:
    """Gather what the provider is told about the mail."""
    row = case.row
    if case.version is None:
        case.version, case.experiment = prompting.version_for(row.tenant, row.from_address)
    examples = learning.examples_for(
        row.tenant,
        subject=row.subject,
        body=row.body,
        from_address=row.from_address,
        mode=row.mode,
    )
    today = at.astimezone(row.tenant.zone).date()
    snippets = learning.snippets_for(row.tenant, subject=row.subject, body=row.body, on=today)
    case.used = {
        "used_examples": [found.use for found in examples],
        "used_snippets": [found.use for found in snippets],
    }
    case.question = Question(
        mail=mail_of(row),
        company=prompting.company_from(case.wants),
        system_prompt=case.version.system_prompt,
        criteria=case.version.criteria,
        examples=tuple(found.content for found in examples),
        snippets=tuple(found.content for found in snippets),
        tone=Tone(case.wants.tone),
    )
    case.cache_key = reuse.key_of(
        case.question, version=case.version, provider=registry.configured().name
    )


def mail_of(row: TriageResult) -> Mail:
    """Return the row's mail as a provider sees it."""
    return Mail(
        email_id=row.email_id,
        from_address=row.from_address,
        to_address=row.to_address,
        subject=row.subject,
        body=row.body,
        headers={name: _first(value) for name, value in row.headers.items()},
        received_at=row.received_at,
        thread_id=row.thread_id or None,
        thread_excerpt=_excerpt(row),
        attachments=tuple(row.attachments),
    )


def _first(value: object) -> str:
    values = value if isinstance(value, list) else [value]
    return str(values[0]) if values else ""


def _excerpt(row: TriageResult) -> str:
    """Return what a collected mail quotes; one handed in has it in its body, if at all."""
    if row.inbound is None or row.inbound.reply_text == row.inbound.text:
        return ""
    return row.inbound.text.replace(row.body, "", 1).strip()[:LONGEST_EXCERPT]


def _costs_money() -> bool:
    return registry.configured().name != RulesProvider.name


# Closing


def _complete(case: Case, *, at: datetime, **columns: object) -> bool:
    row = case.row
    asked = case.question is not None
    common: dict[str, object] = {
        "never_auto_reply": case.never,
        "processing_time_seconds": round(time.monotonic() - case.began, 3),
        "language": language_of(
            f"{row.subject}\n{own_words(row.body)}", from_address=row.from_address
        ),
        "prompt": case.version if asked else None,
        "experiment": case.experiment if asked else None,
        "cost": Decimal(0),
        "raw_answer": "",
        "needs_review": bool(columns.get("review_reason")),
    }
    return claims.complete(row, at=at, **(common | case.used | columns))


def _settled_columns(settled: Settled) -> dict[str, object]:
    verdict = Verdict(Decision.IGNORE, CERTAIN, settled.email_type, Urgency.LOW, settled.reason)
    return _verdict_columns(verdict) | {"provider": RulesProvider.name, "model_version": "gate"}


def _answer_columns(case: Case, answer: Answer) -> dict[str, object]:
    assert case.question is not None  # noqa: S101  only a question is answered
    review = suspicion.review_reason(case.question, answer.verdict, wants=case.wants)
    more = {"review_reason": review, "raw_answer": answer.raw, "cache_key": case.cache_key}
    return _verdict_columns(answer.verdict) | spent_on(answer) | more


_REUSED = (
    "decision",
    "confidence",
    "email_type",
    "urgency",
    "reason",
    "suggested_subject",
    "suggested_body",
    "suggested_tone",
    "review_reason",
    "provider",
    "model_version",
)


def _reused_columns(case: Case, earlier: TriageResult) -> dict[str, object]:
    return {name: getattr(earlier, name) for name in _REUSED} | {"cached_from": earlier}


def _blocked_columns(case: Case, blocked: Blocked) -> dict[str, object]:
    """A person decides, so an answer may be due; nothing of it is the model's."""
    verdict = Verdict(
        Decision.RESPOND,
        0.0,
        EmailType.OTHER,
        Urgency.MEDIUM,
        declined(blocked),
    )
    more = {"review_reason": ReviewReason.BLOCKED}
    return _verdict_columns(verdict) | spent_on(blocked) | more


_MODELS = {"gemini": lambda: settings.GEMINI_MODEL, "openai": lambda: settings.OPENAI_MODEL}


def _verdict_columns(verdict: Verdict) -> dict[str, object]:
    draft = verdict.suggested_response
    return {
        "decision": verdict.decision,
        "confidence": Decimal(str(round(verdict.confidence, 2))),
        "email_type": verdict.email_type,
        "urgency": verdict.urgency,
        "reason": verdict.reason,
        "suggested_subject": draft.subject if draft else "",
        "suggested_body": draft.body if draft else "",
        "suggested_tone": draft.tone if draft else "",
        "review_reason": "",
    }


def declined(blocked: Blocked) -> str:
    return _("The model declined to judge this mail (%(reason)s).") % {"reason": blocked.reason}


def spent_on(outcome: Answer | NoVerdict) -> Spent:
    """Return what was billed, also where no verdict came: by the model that was asked then."""
    if isinstance(outcome, Answer):
        provider, model = outcome.provider, outcome.model_version
    else:
        provider = registry.configured().name
        model = _MODELS.get(provider, lambda: "")()
    is_free = provider == RulesProvider.name
    return {
        "provider": provider,
        "model_version": model,
        "input_tokens": outcome.usage.input_tokens,
        "output_tokens": outcome.usage.output_tokens,
        "cost": Decimal(0) if is_free else prices.cost_of(model, outcome.usage),
    }


def _hold(case: Case, held: Held, *, at: datetime) -> bool:
    return claims.hold_for_cost(case.row, at=at, until=held.until, detail=spent_up(held.until))


def spent_up(until: datetime) -> str:
    """Return in words that the tenant may spend nothing more before ``until``."""
    text = _("The day's cost limit is reached; no model is asked until %(until)s.")
    return text % {"until": f"{until:%Y-%m-%d %H:%M}"}


def _close_failed(case: Case, failure: Outcome | None, *, at: datetime, may_wait: bool) -> bool:
    row = case.row
    if isinstance(failure, BadAnswer):
        more = {**spent_on(failure), **case.used}
        detail = str(failure)
        return claims.fail(
            row, at=at, code=failure.code, detail=detail, review=ReviewReason.BAD_ANSWER, **more
        )
    code = getattr(failure, "code", "internal_error")
    detail = str(failure) if isinstance(failure, NoVerdict) else _("An error of our own.")
    is_refused = isinstance(failure, ProviderRefused)
    if may_wait and (is_refused or row.tries < MOST_TRIES):
        until = at + _pause(failure, tries=row.tries)
        return claims.defer(
            row, at=at, until=until, code=code, detail=detail, counts=not is_refused
        )
    review = ReviewReason.UNAVAILABLE if may_wait else ""
    return claims.fail(row, at=at, code=code, detail=detail, review=review)


def _pause(failure: Outcome | None, *, tries: int) -> timedelta:
    """Return how long to wait before the next try: twice as long each time, never too soon."""
    if isinstance(failure, ProviderRefused):
        return REFUSED_PAUSE
    told = failure.retry_after if isinstance(failure, ProviderUnavailable) else None
    pause: timedelta = min(FIRST_PAUSE * 2 ** max(tries - 1, 0), LONGEST_PAUSE)
    return max(pause * random.uniform(1, 1.25), timedelta(seconds=told or 0))  # noqa: S311
