"""``manage.py rebuild_analytics``: counts the days of triage anew from the results."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ai_triage import analytics
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Count the days of triage anew, from the first that still has results."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="the tenant's slug; all tenants when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.all()
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant {options['tenant']}.")
        for tenant in tenants:
            days = analytics.rebuild(tenant, at=timezone.now())
            self.stdout.write(f"{tenant.slug}: {days} days")
