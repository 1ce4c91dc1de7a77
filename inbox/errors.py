"""What this app refuses."""

from __future__ import annotations

from common.errors import Conflict, Refused, TransientError
from common.smtp import Stage


class TooLarge(Refused):
    """A mail over the limit."""

    code = "too_large"

    def __init__(self) -> None:
        super().__init__("The mail is larger than 25 MB.", attr="raw")


class MailboxUnreadable(TransientError):
    """A mailbox could not be read; ``stage`` says how far that got. The text is ours alone."""

    code = "mailbox_unreadable"

    def __init__(self, detail: str, *, stage: Stage) -> None:
        super().__init__(detail)
        self.stage = stage


class FetchRefused(MailboxUnreadable):
    """The server gives none of these mails."""

    code = "fetch_refused"

    def __init__(self) -> None:
        super().__init__("The server does not give the mails.", stage=Stage.READY)


class LeaseLost(Conflict):
    """Somebody else reads the mailbox now."""

    code = "lease_lost"

    def __init__(self) -> None:
        super().__init__("Somebody else reads this mailbox now.")
