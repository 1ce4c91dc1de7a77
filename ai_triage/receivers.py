"""What triage does when others announce something."""

from __future__ import annotations

from django.db.models.signals import post_save
from django.dispatch import receiver

from ai_triage import claims, services
from ai_triage.models import TriageSettings
from common.clock import DatabaseClock
from inbox.kinds import Kind
from inbox.models import InboundEmail
from inbox.signals import inbound_received

TRIAGED = frozenset([Kind.HUMAN, Kind.AUTO_REPLY, Kind.CHALLENGE])
"""Reports and quarantined mail are not for people; what programs wrote costs nothing."""


@receiver(inbound_received)
def take_in(inbound: InboundEmail, **kwargs: object) -> None:
    if inbound.kind in TRIAGED:
        services.take_in_inbound(inbound)


@receiver(post_save, sender=TriageSettings)
def look_again(instance: TriageSettings, **kwargs: object) -> None:
    claims.look_again_at_held(instance.tenant, at=DatabaseClock().now())
