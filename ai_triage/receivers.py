"""What triage does when others announce something."""

from __future__ import annotations

from django.dispatch import receiver

from ai_triage import prompting, services
from inbox.kinds import Kind
from inbox.models import InboundEmail
from inbox.signals import inbound_received
from tenants.models import Tenant
from tenants.signals import tenant_created

TRIAGED = frozenset([Kind.HUMAN, Kind.AUTO_REPLY, Kind.CHALLENGE])
"""Reports and quarantined mail are not for people; what programs wrote costs nothing."""


@receiver(inbound_received)
def take_in(inbound: InboundEmail, **kwargs: object) -> None:
    if inbound.kind in TRIAGED:
        services.take_in_inbound(inbound)


@receiver(tenant_created)
def give_default_prompt(tenant: Tenant, **kwargs: object) -> None:
    prompting.ensure_default(tenant)
