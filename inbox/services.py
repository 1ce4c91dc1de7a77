"""What the rest of the project may ask of the inbox."""

from __future__ import annotations

import time
from datetime import datetime

from common.network import default_policy
from inbox import reader
from inbox.intake import (
    Prepared,
    headers_of,
    is_addressed,
    is_own,
    prepare,
    read_or_quarantine,
    receive,
    why_never,
)
from inbox.models import Mailbox

__all__ = [
    "Prepared",
    "headers_of",
    "is_addressed",
    "is_own",
    "prepare",
    "read_now",
    "read_or_quarantine",
    "receive",
    "test_mailbox",
    "why_never",
]

TEST_SECONDS = 20.0


def test_mailbox(mailbox: Mailbox) -> None:  # a verb, no test
    """Connect, sign in, open the folder and leave; takes up to 20 seconds and stores nothing.

    Raises:
        MailboxUnreadable: with the stage that it failed in.
        SecretUnreadable: the password can't be decrypted.
    """
    reader.try_out(
        mailbox.account, policy=default_policy(), deadline=time.monotonic() + TEST_SECONDS
    )


def read_now(mailbox: Mailbox, *, at: datetime) -> None:
    """Let the next round read the mailbox, however long it was to wait."""
    Mailbox.objects.filter(pk=mailbox.pk).update(next_read_at=at)
