"""Why a message is not accepted."""

from __future__ import annotations

from common.errors import Refused


class Suppressed(Refused):
    """The recipient bounced, complained or unsubscribed, or staff entered the address."""

    code = "suppressed"

    def __init__(self, *, attr: str) -> None:
        super().__init__("This address is suppressed and gets no mail.", attr=attr)


class TooLarge(Refused):
    """The built message would be over the limit of 25 MB."""

    code = "too_large"

    def __init__(self, *, attr: str) -> None:
        super().__init__("The built message would be larger than 25 MB.", attr=attr)
