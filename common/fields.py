"""A secret on a model: kept encrypted in a text column, readable by attribute, never by query."""

from __future__ import annotations

from typing import Any

from django.db import models

from common import keyring

SECRETS: list[tuple[type[models.Model], str]] = []
"""Every (model, attribute) that holds a secret; ``rotate_encryption_keys`` walks it."""


class Secret:
    """Reads and writes the plain text of the encrypted column ``column``.

    The model needs ``public_id``, set before the first write: it binds the ciphertext to its row.
    An empty string is stored as an empty string. Reading raises ``keyring.SecretUnreadable``.
    """

    def __init__(self, column: str) -> None:
        self.column = column

    def __set_name__(self, owner: type[models.Model], name: str) -> None:
        self.name = name
        SECRETS.append((owner, name))

    def identity(self, row: models.Model) -> str:
        return f"{row._meta.label_lower}:{self.column}:{row.public_id}"  # type: ignore[attr-defined]

    def __get__(self, row: models.Model | None, owner: type[models.Model]) -> Any:
        if row is None:
            return self
        stored: str = getattr(row, self.column)
        return keyring.decrypt(stored, identity=self.identity(row)) if stored else ""

    def __set__(self, row: models.Model, plain: str) -> None:
        stored = keyring.encrypt(plain, identity=self.identity(row)) if plain else ""
        setattr(row, self.column, stored)
