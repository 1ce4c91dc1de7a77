"""What this app refuses."""

from __future__ import annotations

from common.errors import Refused


class TooLarge(Refused):
    """A mail over the limit."""

    code = "too_large"

    def __init__(self) -> None:
        super().__init__("The mail is larger than 25 MB.", attr="raw")
