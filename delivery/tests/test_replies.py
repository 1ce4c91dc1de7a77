"""What servers say, and what we make of it."""

import pytest

from common.smtp import Outcome, Phase, Reply
from delivery.replies import Verdict, is_bad_address, judge


def said(line: str, phase: Phase) -> Outcome:
    return Outcome(Reply(int(line[:3]), (line[4:],)), phase)


@pytest.mark.parametrize(
    ("phase", "line", "verdict"),
    [
        (Phase.BODY, "250 2.0.0 queued", Verdict.TAKEN),
        (Phase.RCPT, "450 4.2.0 <a@b>: Recipient address rejected: Greylisted", Verdict.GREYLISTED),
        (Phase.RCPT, "451 4.7.1 Grey-listing in action, please come back", Verdict.GREYLISTED),
        (Phase.RCPT, "451 http://kb.mimecast.com/docs/DOC-1369#451", Verdict.GREYLISTED),
        (Phase.RCPT, "421 4.7.0 Greylisted, closing", Verdict.LATER),
        (Phase.RCPT, "451 4.7.1 try again later", Verdict.LATER),
        (Phase.BODY, "432 4.3.2 STOREDRV; sender thread limit exceeded", Verdict.BUSY),
        (Phase.BODY, "452 4.2.2 mailbox size limit exceeded", Verdict.LATER),
        (Phase.RCPT, "452 4.2.2 mailbox full", Verdict.LATER),
        (Phase.BODY, "451 4.3.0 try again", Verdict.LATER),
        (Phase.DATA, "300 what", Verdict.LATER),
        (Phase.MAIL, "452 4.3.1 insufficient storage", Verdict.BUSY),
        (Phase.BODY, "550 5.4.5 Daily user sending quota exceeded.", Verdict.BUSY),
        (Phase.RCPT, "550 5.1.1 no such user", Verdict.REFUSED),
        (Phase.RCPT, "550 no", Verdict.REFUSED),
        (Phase.DATA, "554 5.7.1 spam", Verdict.REFUSED),
        (Phase.BODY, "552 5.3.4 too big", Verdict.REFUSED),
        (Phase.MAIL, "552 message too big", Verdict.REFUSED),
        (Phase.MAIL, "550 5.6.7 no UTF-8 here", Verdict.REFUSED),
        (Phase.MAIL, "530 5.7.0 sign in first", Verdict.ACCOUNT),
        (Phase.RCPT, "530 5.7.0 sign in first", Verdict.ACCOUNT),
        (Phase.MAIL, "553 5.7.1 sender not owned by user", Verdict.ACCOUNT),
    ],
)
def test_each_reply_is_about_the_recipient_the_message_or_the_account(phase, line, verdict):
    assert judge(said(line, phase)) is verdict


@pytest.mark.parametrize(
    ("phase", "line", "bad"),
    [
        (Phase.RCPT, "550 5.1.1 no such user", True),
        (Phase.RCPT, "553 5.1.3 bad syntax", True),
        (Phase.RCPT, "550 5.1.8 sender's domain does not exist", False),
        (Phase.RCPT, "550 5.7.1 spam", False),
        (Phase.RCPT, "550 no", False),
        (Phase.BODY, "550 5.1.1 no such user", False),
    ],
)
def test_only_an_unknown_recipient_is_a_bad_address(phase, line, bad):
    assert is_bad_address(said(line, phase)) is bad
