"""``manage.py create_api_key``: prints the new key alone on stdout, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import SendCraftError
from tenants import services
from tenants.models import Mode, Tenant
from tenants.scopes import ALL_SCOPES, SCOPES


class Command(BaseCommand):
    help = "Create an API key and print it; it can't be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        parser.add_argument("--name", required=True)
        parser.add_argument("--mode", required=True, choices=Mode.values)
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            choices=[ALL_SCOPES, *SCOPES],
            help="may be repeated; all scopes when left out",
        )
        parser.add_argument("--rate", default="", help="for example 600/min; 0: no limit")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']}.")
        try:
            _, key = services.issue_key(
                tenant=tenant,
                name=options["name"],
                mode=options["mode"],
                scopes=options["scope"],
                rate=options["rate"],
            )
        except SendCraftError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(key)
