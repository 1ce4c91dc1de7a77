"""What triage does when others announce something."""

from __future__ import annotations

from django.dispatch import receiver

from ai_triage import prompting
from tenants.models import Tenant
from tenants.signals import tenant_created


@receiver(tenant_created)
def give_default_prompt(tenant: Tenant, **kwargs: object) -> None:
    prompting.ensure_default(tenant)
