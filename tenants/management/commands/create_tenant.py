"""``manage.py create_tenant SLUG --name NAME``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import SendCraftError
from tenants import services


class Command(BaseCommand):
    help = "Create a tenant."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--name", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = services.create_tenant(options["slug"], name=options["name"])
        except SendCraftError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(tenant.slug)
