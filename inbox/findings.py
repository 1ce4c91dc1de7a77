"""What a report proves about a recipient of ours, as it is kept until it is applied."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from inbox.kinds import BounceType, Kind


@dataclass(frozen=True)
class Finding:
    """One recipient, in the spelling of the message's envelope, and what became of it.

    ``bounce_type`` is empty unless ``kind`` is a bounce; ``reason`` are the remote server's words.
    """

    recipient: str
    kind: str
    bounce_type: str = ""
    enhanced_code: str = ""
    reason: str = ""

    @classmethod
    def stored(cls, value: dict[str, str]) -> Finding:
        return cls(**value)

    @property
    def is_hard(self) -> bool:
        return self.kind == Kind.BOUNCE and self.bounce_type == BounceType.HARD

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
