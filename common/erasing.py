"""A person whose data goes: finding an address in what is stored, and taking it out."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import Model

ERASED = "@erased.invalid"
"""How the address of somebody ends whose data was erased; no mail is accepted for it."""


def _pseudonym() -> str:
    return f"erased-{secrets.token_hex(8)}{ERASED}"


@dataclass(frozen=True)
class Person:
    """``key`` is the address as ``normalized`` makes it, ``pseudonym`` what takes its place."""

    key: str
    pseudonym: str = field(default_factory=_pseudonym)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The address, but not as a part of a longer one."""
        return re.compile(rf"(?<![\w.+-]){re.escape(self.key)}(?![\w-]|\.\w)", re.IGNORECASE)

    def is_at(self, address: str | None) -> bool:
        return address is not None and address.casefold() == self.key

    def is_in(self, value: Any) -> bool:
        """Tell whether a text, or anything that JSON can hold, names the address."""
        return bool(self._pattern.search(json.dumps(value, ensure_ascii=False)))

    def erased_from(self, value: Any) -> Any:
        """Return the value with the pseudonym in place of the address, in texts and as a key."""
        if isinstance(value, str):
            return self._pattern.sub(self.pseudonym, value)
        if isinstance(value, list):
            return [self.erased_from(one) for one in value]
        if isinstance(value, dict):
            return {self.erased_from(name): self.erased_from(one) for name, one in value.items()}
        return value


def told(row: Model, names: Iterable[str]) -> dict[str, Any]:
    """Return the row's columns of these names, for an export."""
    return {name: getattr(row, name) for name in names}
