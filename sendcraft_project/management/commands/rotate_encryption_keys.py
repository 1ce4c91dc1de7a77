"""``manage.py rotate_encryption_keys``: every secret under the newest key."""

from __future__ import annotations

from collections import Counter
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from common import keyring
from common.fields import SECRETS, Secret
from sendcraft_project.signin.adapters import SECOND_FACTOR

BATCH = 200
SHARED = ("secret", "seed")
"""Keys of an authenticator's data that are kept encrypted."""


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
        counts = self.rotate_second_factors()
        unreadable += counts["unreadable"]
        self.stdout.write(
            f"second factors: {counts['rotated']} encrypted again, {counts['current']} already "
            f"under the newest key, {counts['unreadable']} unreadable"
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

    def rotate_second_factors(self) -> Counter[str]:
        """Encrypt what authenticators share with us again; one in use meanwhile stays as it is."""
        counts: Counter[str] = Counter()
        for row in Authenticator.objects.order_by("pk").iterator(BATCH):
            stale = {
                name: stored
                for name in SHARED
                if keyring.needs_rotation(stored := row.data.get(name, ""))
            }
            try:
                fresh = {
                    name: keyring.encrypt(
                        keyring.decrypt(stored, identity=SECOND_FACTOR), identity=SECOND_FACTOR
                    )
                    for name, stored in stale.items()
                }
            except keyring.SecretUnreadable as error:
                self.stderr.write(f"second factor {row.pk}: {error}")
                counts["unreadable"] += 1
                continue
            row.data |= fresh
            row.save(update_fields=["data"])
            counts["rotated" if fresh else "current"] += 1
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
