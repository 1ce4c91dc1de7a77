"""``manage.py erase_recipient``: a person's data exported, then erased."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

import logs.erasure
from common.addresses import normalized, parse_address
from common.clock import DatabaseClock
from common.erasing import Person
from common.errors import Refused
from sendcraft_project import erasure
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Cancel what waits for the address, export what is stored of it as JSON, then erase it. "
        "Suppressions stay, since they keep the person from being mailed again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        parser.add_argument("--export", help="a new file for the export; stdout when left out")
        parser.add_argument(
            "--with-suppressions", action="store_true", help="erase suppressions as well"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tenant, person = self.tenant(options["tenant"]), self.person(options["address"])
        at = DatabaseClock().now()
        cancelled = logs.erasure.cancel_queued(tenant, person, at=at)
        exported = erasure.export(tenant, person, at=at)
        text = json.dumps(exported, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        if options["export"]:
            write_new(Path(options["export"]), text)
        else:
            self.stdout.write(text)
        erased = erasure.erase(
            tenant, person, at=at, with_suppressions=options["with_suppressions"]
        )
        counts = ", ".join(f"{name} {number}" for name, number in erased.items())
        self.stderr.write(f"cancelled {cancelled}; erased: {counts}")
        if erased["busy"]:
            raise CommandError("Some messages are being sent at this moment; run this again.")

    def tenant(self, slug: str) -> Tenant:
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {slug}.")
        return tenant

    def person(self, address: str) -> Person:
        try:
            return Person(normalized(parse_address(address, attr="address")))
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal


def write_new(path: Path, text: str) -> None:
    """Write a file for its owner alone and to the disk; an earlier export is never replaced."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}.") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
