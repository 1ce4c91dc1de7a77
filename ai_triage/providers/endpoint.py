"""Where a model is and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True)
class Endpoint:
    """A model behind a base URL; the key is never shown."""

    key: str = field(repr=False)
    model: str
    base_url: str

    @property
    def fingerprint(self) -> str:
        """A short word that is another one as soon as any part changes."""
        text = "\0".join((self.key, self.model, self.base_url))
        return sha256(text.encode()).hexdigest()[:16]
