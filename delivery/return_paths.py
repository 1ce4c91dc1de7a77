"""Envelope senders that tell by themselves which message a report is about (VERP)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from accounts.models import EmailAccount
from common.tokens import make_short_token, read_short_token
from logs.models import EmailLog

MAX_LOCAL_PART = 64  # RFC 5321 section 4.5.3.1.1
MAX_TOKENS = 50
_PURPOSE = "return-path"
_TOKEN = re.compile(r"\+([A-Za-z2-7]{42})@")


def return_path_of(email: EmailLog, *, account: EmailAccount) -> str:
    """Return the envelope sender of ``email``, which is a message of ``account``.

    Where the account has a bounce address, that with a signed token; without the token where it
    would be too long a local part; else the message's own sender.
    """
    if not account.bounce_address:
        return email.from_address
    local_part, _at, domain = account.bounce_address.rpartition("@")
    marked = f"{local_part}+{make_short_token(_PURPOSE, email.tracking_id.bytes)}"
    return f"{marked}@{domain}" if len(marked) <= MAX_LOCAL_PART else account.bounce_address


def named_in(texts: Iterable[str]) -> list[uuid.UUID]:
    """Return the tracking ids that genuine tokens in ``texts`` name; a forged one names none."""
    tokens = dict.fromkeys(token.lower() for text in texts for token in _TOKEN.findall(text))
    payloads = (read_short_token(_PURPOSE, token) for token in list(tokens)[:MAX_TOKENS])
    return [uuid.UUID(bytes=payload) for payload in payloads if payload and len(payload) == 16]
