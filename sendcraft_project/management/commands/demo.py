"""``manage.py demo``: make what is missing of the demo data; needs the mail catcher."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from common.errors import SendCraftError
from sendcraft_project import demo


class Command(BaseCommand):
    help = "Create the demo tenant, its accounts, templates, keys and administrator."

    def handle(self, *args: Any, **options: Any) -> None:
        file = settings.DATA_DIR / "credentials.json"
        try:
            demo.create(catcher_port=settings.CATCHER_PORT, credentials_file=file)
        except SendCraftError as error:
            raise CommandError(f"The demo data could not be made: {error}") from error
        self.stdout.write(f"The demo is there; its password and keys are in {file}")
