"""Trials of one prompt version against another, judged by what people said of the results."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db import IntegrityError, transaction

from ai_triage import prompting
from ai_triage.comparison import Arm, Comparison, compare
from ai_triage.judging import judged
from ai_triage.models import Experiment, PromptVersion, Status, TriageResult
from common.errors import Conflict, Refused
from tenants.models import Mode, Tenant


def start(
    tenant: Tenant, *, name: str, a: PromptVersion, b: PromptVersion, share_b: int, author: str
) -> Experiment:
    """Let A and B judge the tenant's mail from now on, B that of ``share_b`` percent of senders.

    Raises:
        Refused: the versions are the same or another tenant's, or the share is not 1 to 99.
        Conflict: a trial runs already.
    """
    check(tenant, a=a, b=b, share_b=share_b)
    try:
        with transaction.atomic():
            return Experiment.objects.create(
                tenant=tenant,
                running_for=tenant,
                name=name,
                a=a,
                b=b,
                share_b=share_b,
                created_by=author,
            )
    except IntegrityError as error:
        raise Conflict("A trial runs already; stop it first.") from error


def check(tenant: Tenant, *, a: PromptVersion, b: PromptVersion, share_b: int) -> None:
    """Refuse what makes no trial.

    Raises:
        Refused: as :func:`start`.
    """
    for name, version in (("a", a), ("b", b)):
        if version.prompt.tenant_id != tenant.pk:
            raise Refused("There is no such version.", code="not_found", attr=name)
    if a.pk == b.pk:
        raise Refused("B must be another version than A.", attr="b")
    if not 1 <= share_b <= 99:
        raise Refused("The share is 1 to 99 percent.", attr="share_b")


def stop(experiment: Experiment, *, at: datetime) -> bool:
    """End the trial and tell whether it still ran; the active prompt judges again."""
    running = Experiment.objects.filter(pk=experiment.pk).exclude(running_for=None)
    return bool(running.update(running_for=None, ended_at=at))


@transaction.atomic
def adopt(
    experiment: Experiment, version: PromptVersion, *, author: str, at: datetime
) -> PromptVersion:
    """End the trial and let this one of its versions judge all mail.

    Where its prompt has gone on to a later version, its content becomes a new one.

    Raises:
        Refused: the trial is not about this version.
        Conflict: it has ended already, or the prompt was deleted.
    """
    if version.pk not in (experiment.a_id, experiment.b_id):
        raise Refused("This version is not in the trial.", attr="version")
    if not stop(experiment, at=at):
        raise Conflict("This trial has ended already.")
    prompt = version.prompt
    if prompt.in_use.pk != version.pk:
        version = prompting.restore(version, author=author)
    prompting.activate(prompt)
    return version


def comparison(experiment: Experiment) -> Comparison:
    """Return how A and B did on the mail that people have reviewed.

    Test mail and decisions taken over from an equal mail don't count.
    """
    reviewed, right = Counter[int | None](), Counter[int | None]()
    for result in _reviewed(experiment):
        reviewed[result.prompt_id] += 1
        right[result.prompt_id] += judged(result, *result.feedback.all())
    a, b = experiment.a_id, experiment.b_id
    return compare(Arm(right[a], reviewed[a]), Arm(right[b], reviewed[b]))


def _reviewed(experiment: Experiment) -> list[TriageResult]:
    rows = TriageResult.objects.for_tenant(experiment.tenant).filter(
        experiment=experiment,
        mode=Mode.LIVE,
        status=Status.COMPLETED,
        cached_from=None,
        reviewed_at__isnull=False,
        feedback__isnull=False,
    )
    columns = ("prompt_id", "decision", "email_type", "urgency")
    return list(rows.distinct().only(*columns).prefetch_related("feedback"))
