"""What a server's reply means: for the recipient, for the message or for the account."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto

from common.errors import ProviderError
from common.smtp import Outcome, Phase

# Enhanced codes (RFC 3463) of a recipient's address that no mail will ever reach. 5.1.7 and
# 5.1.8 are about the sender, 5.1.0 about anything.
BAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
# What a server says when the account, not the message, is the trouble (RFC 4954).
SIGN_IN = frozenset({530, 534, 535, 538})
# What a refused MAIL says about the message rather than about its sender.
ABOUT_MESSAGE = re.compile(r"5\.(3\.4|6\.[0-9]+|5\.4)")
ABOUT_MESSAGE_CODES = frozenset({552, 555})
OVER_QUOTA = "5.4.5"  # Gmail's "daily user sending quota exceeded", with 550 (seen in 2024)
SLOWER = frozenset({421, 432, 450, 451, 452, 454})
ABOUT_RATE = re.compile(
    r"\brate\b|too (many|much) (mail|message|connection|request)|too (fast|quick)|throttl"
    r"|slow(er)? down|(sending|message|hourly|daily|thread|session|connection)s? (limit|quota)",
    re.IGNORECASE,
)
ABOUT_SENDER = re.compile(r"5\.(7\.[0-9]+|1\.[078])")
# Postgrey and its like; milter-gris and Mimecast (seen in 2024) say it in other words.
GREYLISTING = re.compile(
    r"gr[ae]y.?list|not yet authorized to deliver|mimecast\.com/\S*DOC-1369#451", re.IGNORECASE
)


class Verdict(Enum):
    """What to do after a reply."""

    TAKEN = auto()
    """The server has it."""
    LATER = auto()
    """Try this recipient again."""
    GREYLISTED = auto()
    """Try this recipient again soon."""
    BUSY = auto()
    """Try again, and leave the server alone for a while: it takes nothing from this account."""
    REFUSED = auto()
    """Again would be refused again: the recipient or the message."""
    ACCOUNT = auto()
    """Nothing of this account will pass until a person has changed something."""


def judge(outcome: Outcome) -> Verdict:
    """Return what the server's word on one recipient means."""
    if outcome.is_accepted:
        return Verdict.TAKEN
    if outcome.reply.is_permanent:
        return _judge_permanent(outcome)
    if outcome.reply.code != 421 and GREYLISTING.search(outcome.reply.text):
        return Verdict.GREYLISTED
    is_busy = outcome.phase is Phase.MAIL or _is_about_rate(outcome)
    return Verdict.BUSY if is_busy else Verdict.LATER


def _is_about_rate(outcome: Outcome) -> bool:
    """Tell whether the server found us too fast; 4.2.x is about the recipient's mailbox."""
    is_mailbox = (outcome.reply.enhanced_code or "").startswith("4.2.")
    return not is_mailbox and bool(ABOUT_RATE.search(outcome.reply.text))


def asks_for_less(error: ProviderError) -> bool:
    """Tell whether the server ended the session in a way that slower sending may avoid."""
    return error.smtp_code in SLOWER


def _judge_permanent(outcome: Outcome) -> Verdict:
    reply = outcome.reply
    if reply.code in SIGN_IN:
        return Verdict.ACCOUNT
    if reply.enhanced_code == OVER_QUOTA:
        return Verdict.BUSY
    if outcome.phase is not Phase.MAIL or reply.code in ABOUT_MESSAGE_CODES:
        return Verdict.REFUSED
    about_message = ABOUT_MESSAGE.fullmatch(reply.enhanced_code or "")
    return Verdict.REFUSED if about_message else Verdict.ACCOUNT


def objection(words: Sequence[Outcome], *, is_carried: bool) -> Outcome | None:
    """Return the word by which the server takes nothing from this sender, if one does.

    Over another account's login (``is_carried``) a refusal by policy is most likely about the
    sender: many servers let a login use its own address only, and Postfix says so at RCPT.
    """
    for word in words:
        if judge(word) is Verdict.ACCOUNT:
            return word
    if not is_carried or any(word.is_accepted for word in words):
        return None
    return next((word for word in words if _may_be_about_sender(word)), None)


def _may_be_about_sender(word: Outcome) -> bool:
    if not word.reply.is_permanent:
        return False
    enhanced = word.reply.enhanced_code
    return enhanced is None or bool(ABOUT_SENDER.fullmatch(enhanced))


def is_bad_address(outcome: Outcome) -> bool:
    """Tell whether the server says that this recipient does not exist."""
    return outcome.phase is Phase.RCPT and outcome.reply.enhanced_code in BAD_ADDRESS
