"""``manage.py rebuild_delivery_figures``: counts the days of delivery anew from the messages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.clock import DatabaseClock
from logs import figures
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Count the days of delivery anew, from the first that still has messages."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="the tenant's slug; all tenants when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.all()
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant {options['tenant']}.")
        for tenant in tenants:
            days = figures.rebuild(tenant, at=DatabaseClock().now())
            self.stdout.write(f"{tenant.slug}: {days} days")
