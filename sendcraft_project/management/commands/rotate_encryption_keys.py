"""``manage.py rotate_encryption_keys``: every secret under the newest key."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from common import keyring
from common.fields import SECRETS, Secret

BATCH = 200


class Command(BaseCommand):
    help = "Encrypt all stored secrets again under the first of ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        unreadable = 0
        for model, name in SECRETS:
            counts = self.rotate(model, secret=vars(model)[name])
            unreadable += counts["unreadable"]
            self.stdout.write(
                f"{model._meta.label_lower}.{name}: {counts['rotated']} encrypted again, "
                f"{counts['current']} already under the newest key, "
                f"{counts['changed']} changed meanwhile, {counts['unreadable']} unreadable"
            )
        if unreadable:
            raise CommandError(f"{unreadable} secrets could not be read; all others are done.")

    def rotate(self, model: type[Model], *, secret: Secret) -> Counter[str]:
        """Encrypt one secret of all rows again; safe to repeat and beside a running system."""
        counts: Counter[str] = Counter()
        last = 0
        rows = model._default_manager.exclude(**{secret.column: ""}).order_by("pk")
        while batch := list(rows.filter(pk__gt=last).only("public_id", secret.column)[:BATCH]):
            counts.update(self.rotate_row(row, secret=secret) for row in batch)
            last = batch[-1].pk
        return counts

    def rotate_row(self, row: Model, *, secret: Secret) -> str:
        stored: str = getattr(row, secret.column)
        if not keyring.needs_rotation(stored):
            return "current"
        identity = secret.identity(row)
        try:
            plain = keyring.decrypt(stored, identity=identity)
        except keyring.SecretUnreadable as error:
            self.stderr.write(f"{row._meta.label_lower} {row.pk}: {error}")
            return "unreadable"
        same = type(row)._default_manager.filter(pk=row.pk, **{secret.column: stored})
        fresh = keyring.encrypt(plain, identity=identity)
        return "rotated" if same.update(**{secret.column: fresh}) else "changed"
