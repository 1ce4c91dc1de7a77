"""What triage does when others, or it itself, announce something."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from ai_triage import auto_replies, claims, doorbell, prompting, services, waiting
from ai_triage.models import TriageResult, TriageSettings
from ai_triage.signals import provider_paused, provider_recovered, triage_completed
from common.clock import DatabaseClock
from inbox.kinds import Kind
from inbox.models import InboundEmail
from inbox.signals import inbound_received
from tenants.models import Mode, Tenant
from tenants.signals import tenant_created

TOLD_EVERY = 6 * 3600.0
TRIAGED = frozenset([Kind.HUMAN, Kind.AUTO_REPLY, Kind.CHALLENGE])
"""Reports and quarantined mail are not for people; what programs wrote costs nothing."""


@receiver(inbound_received)
def take_in(inbound: InboundEmail, **kwargs: object) -> None:
    if inbound.kind in TRIAGED:
        services.take_in_inbound(inbound)


@receiver(tenant_created)
def give_default_prompt(tenant: Tenant, **kwargs: object) -> None:
    prompting.ensure_default(tenant)


@receiver(triage_completed)
def time_processed(result: TriageResult, **kwargs: object) -> None:
    if result.mode == Mode.LIVE:
        transaction.on_commit(partial(waiting.observe_processed, result), robust=True)


@receiver(triage_completed)
def answer_by_rule(result: TriageResult, **kwargs: object) -> None:
    if auto_replies.is_allowed(result):
        at = DatabaseClock().now()
        TriageResult.objects.filter(pk=result.pk, responded_at=None).update(answer_due_at=at)
        doorbell.ring_on_commit(doorbell.ANSWERS)


@receiver(post_save, sender=TriageSettings)
def look_again(instance: TriageSettings, **kwargs: object) -> None:
    claims.look_again_at_held(instance.tenant, at=DatabaseClock().now())


@receiver(provider_paused)
def tell_of_refusal(provider: str, reason: str, **kwargs: object) -> None:
    doorbell.ring(doorbell.REFUSAL, args=[provider, reason], once_in=TOLD_EVERY)


@receiver(provider_recovered)
def go_on(provider: str, **kwargs: object) -> None:
    doorbell.ring(doorbell.RECOVERY)
