"""From what a session said to what is recorded of a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common import smtp
from common.errors import OutcomeUnknown, PermanentError, ProviderError, TransientError
from delivery import retry
from delivery.models import Suppression
from delivery.replies import Verdict, is_bad_address, judge
from delivery.stated import longest_wait, wait_in_transcript
from logs.models import EmailLog, EventType
from logs.transitions import Outcome

CAPTURED = "captured (test mode)"
EXPIRED = "expired"
_KINDS = {
    "sent": EventType.SENT,
    "bounced": EventType.BOUNCED,
    "failed": EventType.FAILED,
    "suppressed": EventType.FAILED,
}


@dataclass(frozen=True)
class Attempt:
    """One attempt at a message, over at ``at``; ``transcript`` as the session keeps it.

    ``via`` is the address of the account that it went over, where that is another.
    ``is_masked``: of the server's words the codes alone may be shown.
    """

    email: EmailLog
    began_at: datetime
    at: datetime
    transcript: tuple[tuple[str, str], ...] = ()
    via: str = ""
    is_masked: bool = False

    def data(self, **more: Any) -> dict[str, Any]:
        """Return an event's data, without what is not known."""
        shown = smtp.codes_alone(self.transcript) if self.is_masked else self.transcript
        lines = smtp.as_text(shown)
        known = {name: value for name, value in {**more, "via": self.via}.items() if value}
        return {**known, **({"transcript": lines} if lines else {})}


def of_receipt(attempt: Attempt, receipt: smtp.Receipt) -> Outcome:
    """Return the message's outcome: its recipient's, once every copy has one too.

    A recipient who has the message, or never will, is left out of later attempts.
    """
    email = attempt.email
    settled = {**email.recipient_outcomes, **_settled(receipt)}
    waiting = {to: word for to, word in receipt.outcomes.items() if to not in settled}
    if not waiting:
        return _final(attempt, settled, receipt)
    word = waiting.get(email.to_address) or next(iter(waiting.values()))
    later = Deferral(
        code=f"refused_at_{word.phase}",
        message=str(word.reply),
        reply=word.reply,
        greylisted=all(judge(each) is Verdict.GREYLISTED for each in waiting.values()),
        stated=longest_wait(each.reply.text for each in waiting.values()),
        settled=settled,
        recipients=_replies(email, receipt),
    )
    return _deferred(attempt, later)


def of_error(attempt: Attempt, error: ProviderError) -> Outcome:
    """Return the outcome of an attempt that ended without a word on the recipients."""
    email = attempt.email
    if isinstance(error, PermanentError):
        return failed(email, code=error.code, message=str(error), at=attempt.at, attempt=attempt)
    if isinstance(error, OutcomeUnknown) and email.tenant.never_twice:
        return failed(email, code=error.code, message=str(error), at=attempt.at, attempt=attempt)
    reply = smtp.Reply(error.smtp_code, (error.detail,)) if error.smtp_code else None
    stated = wait_in_transcript(attempt.transcript)
    return _deferred(attempt, Deferral(error.code, str(error), reply=reply, stated=stated))


def of_fault(attempt: Attempt) -> Outcome:
    """Return the outcome of an attempt that a fault of ours ended; it never bounces mail."""
    message = "SendCraft could not handle the message; its log says why."
    if attempt.email.in_data:
        return of_error(attempt, OutcomeUnknown(message))
    return of_error(attempt, TransientError(message, code="internal_error"))


def captured(email: EmailLog, *, at: datetime) -> Outcome:
    """Return the outcome of a test message: all but the wire."""
    return Outcome(
        email=email, kind=EventType.SENT, at=at, began_at=at, smtp_response=CAPTURED,
        data={"reason": "test_mode"},
    )  # fmt: skip


def settled_before(email: EmailLog, *, at: datetime) -> Outcome:
    """Return the outcome of a message whose recipients are all settled already."""
    now = Attempt(email, began_at=at, at=at)
    return _final(now, email.recipient_outcomes, smtp.Receipt(outcomes={}))


def failed(
    email: EmailLog, *, code: str, message: str, at: datetime, attempt: Attempt | None = None
) -> Outcome:
    """Return the end of a message that was not taken; no ``attempt``: nothing was tried."""
    return Outcome(
        email=email,
        kind=EventType.FAILED,
        at=at,
        began_at=attempt.began_at if attempt else None,
        error_code=code,
        error_message=message,
        data=attempt.data(reason=code) if attempt else {"reason": code},
    )


def suppressed(email: EmailLog, entry: Suppression, *, at: datetime) -> Outcome:
    """Return the end of a message whose recipient may not be mailed any more, and why."""
    since = f"{entry.created_at:%Y-%m-%d %H:%M} UTC"
    scope = f"on the topic {entry.topic}" if entry.topic else "with any mail"
    return Outcome(
        email=email,
        kind=EventType.FAILED,
        at=at,
        error_code="suppressed",
        error_message=f"The recipient may not be mailed {scope} since {since}: {entry.reason}.",
        data={"reason": "suppressed", **entry.trace},
    )


def bad_addresses(receipt: smtp.Receipt) -> list[str]:
    """Return the recipients that the server says do not exist."""
    return [to for to, word in receipt.outcomes.items() if is_bad_address(word)]


@dataclass(frozen=True)
class Deferral:
    """Why a message has to wait."""

    code: str
    message: str
    reply: smtp.Reply | None = None
    greylisted: bool = False
    stated: timedelta | None = None
    settled: Mapping[str, Any] | None = None
    recipients: Mapping[str, str] | None = None


def _settled(receipt: smtp.Receipt) -> dict[str, dict[str, str]]:
    return {
        to: {"status": status, "reply": str(word.reply), "code": f"refused_at_{word.phase}"}
        for to, word in receipt.outcomes.items()
        if (status := _status(word))
    }


def _status(word: smtp.Outcome) -> str:
    """Return a recipient's last status, empty while there is none."""
    match judge(word):
        case Verdict.TAKEN:
            return "sent"
        case Verdict.REFUSED:
            return "failed" if word.phase is smtp.Phase.MAIL else "bounced"
        case _:
            return ""


def _final(attempt: Attempt, settled: Mapping[str, Any], receipt: smtp.Receipt) -> Outcome:
    email = attempt.email
    own = settled[email.to_address]
    kind = _KINDS[own["status"]]
    word = receipt.outcomes.get(email.to_address)
    is_refused = kind != EventType.SENT
    return Outcome(
        email=email,
        kind=kind,
        at=attempt.at,
        began_at=attempt.began_at,
        error_code=own["code"] if is_refused else "",
        error_message=own["reply"] if is_refused else "",
        smtp_response=own["reply"],
        recipient_outcomes=settled if _has_copies(email) else None,
        data=attempt.data(
            smtp_code=word.reply.code if word else None,
            enhanced_code=word.reply.enhanced_code if word else None,
            reason=own["code"] if is_refused else "",
            bounce_type=_bounce_type(word) if word and kind == EventType.BOUNCED else "",
            recipients=_replies(email, receipt),
            left_out=_left_out(settled),
        ),
    )


def _bounce_type(word: smtp.Outcome) -> str:
    """Return whether the address is at fault for good, in the words of later reports."""
    return "hard" if is_bad_address(word) else "soft"


def _left_out(settled: Mapping[str, Any]) -> dict[str, Any]:
    """Return why each suppressed copy got nothing."""
    return {
        to: {name: value for name, value in word.items() if name != "status"}
        for to, word in settled.items()
        if word["status"] == "suppressed"
    }


def _deferred(attempt: Attempt, why: Deferral) -> Outcome:
    email = attempt.email
    until = retry.next_attempt(email, at=attempt.at, greylisted=why.greylisted, stated=why.stated)
    if until is None:
        return _given_up(attempt, why)
    return Outcome(
        email=email,
        kind=EventType.DEFERRED,
        at=attempt.at,
        began_at=attempt.began_at,
        until=until,
        error_code=why.code,
        error_message=why.message,
        smtp_response=str(why.reply) if why.reply else "",
        recipient_outcomes=why.settled if _has_copies(email) else None,
        data=attempt.data(
            smtp_code=why.reply.code if why.reply else None,
            enhanced_code=why.reply.enhanced_code if why.reply else None,
            reason=why.message,
            recipients=why.recipients,
        ),
    )


def _given_up(attempt: Attempt, why: Deferral) -> Outcome:
    """End it as its recipient's outcome says; only copies, or nobody, had to wait for long."""
    email = attempt.email
    settled = why.settled if why.settled is not None else email.recipient_outcomes
    if email.to_address in settled:
        return _final(attempt, settled, smtp.Receipt(outcomes={}))
    return failed(email, code=EXPIRED, message=why.message, at=attempt.at, attempt=attempt)


def _replies(email: EmailLog, receipt: smtp.Receipt) -> dict[str, str]:
    """Return every recipient's reply where there are several."""
    if not _has_copies(email):
        return {}
    return {to: str(word.reply) for to, word in receipt.outcomes.items()}


def _has_copies(email: EmailLog) -> bool:
    return bool(email.cc_addresses or email.bcc_addresses)
