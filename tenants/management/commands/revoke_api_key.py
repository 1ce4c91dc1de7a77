"""``manage.py revoke_api_key PREFIX``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import SendCraftError
from tenants import services


class Command(BaseCommand):
    help = "Revoke an API key at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", help="the key's first 16 characters")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key = services.revoke_key(options["prefix"])
        except SendCraftError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Revoked {key.prefix}… ({key.name})")
