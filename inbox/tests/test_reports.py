"""Reports on earlier mail: by structure, and in the prose of mail servers."""

from __future__ import annotations

import pytest

from inbox import prose, reports
from inbox.kinds import BounceType, Kind
from inbox.reading import read
from inbox.tests.mails import a_bounce_of, a_complaint_of, a_mail, a_report

ID = "<1@shop.test>"


def report_of(raw: bytes) -> reports.Report | None:
    return prose.read_any(read(raw))


def group(action: str, status: str, diagnosis: str = "") -> dict[str, str]:
    fields = {"Final-Recipient": "rfc822;ana@example.com", "Action": action, "Status": status}
    return fields | ({"Diagnostic-Code": diagnosis} if diagnosis else {})


def judged(found: reports.Report) -> list[tuple]:
    return [(one.addresses, one.status_code, one.bounce_type, one.kind) for one in found.affected]


@pytest.mark.parametrize(
    ("action", "status", "diagnosis", "kind", "how", "code"),
    [
        ("failed", "5.1.1", "smtp; 550 5.1.1 User unknown", "bounce", "hard", "5.1.1"),
        ("Failed", "5.0.0", "smtp; 550-5.1.1 It does not exist", "bounce", "hard", "5.1.1"),
        ("failed", "5.0.0", "smtp; 550 No such user here", "bounce", "hard", "5.0.0"),
        ("failed", "5.1.10", "smtp;550 5.1.10 RecipientNotFound", "bounce", "hard", "5.1.10"),
        ("failed", "5.2.1", "smtp; 550 5.2.1 disabled", "bounce", "hard", "5.2.1"),
        ("failed", "5.2.2", "smtp; 552 5.2.2 Mailbox full", "bounce", "soft", "5.2.2"),
        ("failed", "5.1.1", "smtp; 552 mailbox is full", "bounce", "soft", "5.1.1"),
        ("failed", "5.7.1", "smtp; 550 5.7.1 blocked by policy", "bounce", "soft", "5.7.1"),
        ("failed", "5.0.0", "smtp; 554 spam refused at 5.1.1.10", "bounce", "soft", "5.0.0"),
        ("failed", "4.4.7", "smtp; 451 4.4.7 expired", "bounce", "soft", "4.4.7"),
        ("failed (to be deleted)", "5.1.1", "", "bounce", "hard", "5.1.1"),
        ("delayed", "4.4.1", "smtp; connection timed out", "delayed", None, "4.4.1"),
        ("delivered", "2.0.0", "smtp; 250 2.0.0 Ok", "delivered", None, "2.0.0"),
        ("relayed", "2.6.0", "", "delivered", None, "2.6.0"),
        ("", "4.2.2", "", "delayed", None, "4.2.2"),
    ],
)  # fmt: skip
def test_a_delivery_report_says_what_became_of_whom(action, status, diagnosis, kind, how, code):
    found = report_of(
        a_report(returned=f"Message-ID: {ID}", groups=[group(action, status, diagnosis)])
    )

    assert (found.kind, found.message_ids) == (kind, (ID,))
    assert judged(found) == [(("ana@example.com",), code, BounceType(how) if how else None, kind)]


def test_the_gravest_of_several_outcomes_counts():
    groups = [
        group("delivered", "2.0.0"),
        group("failed", "5.1.1") | {"Final-Recipient": "rfc822;rui@example.com"},
    ]

    found = report_of(a_report(returned=f"Message-ID: {ID}", groups=groups))

    assert found.kind == Kind.BOUNCE
    assert judged(found) == [
        (("rui@example.com",), "5.1.1", "hard", "bounce"),
        (("ana@example.com",), "2.0.0", None, "delivered"),
    ]


def test_an_original_recipient_comes_before_where_the_mail_was_forwarded_to():
    raw = a_bounce_of(
        ID, recipient="box@inner.example", Original_Recipient="rfc822;ana@example.com"
    )

    found = report_of(raw)

    assert found.affected[0].addresses == ("ana@example.com", "box@inner.example")


@pytest.mark.parametrize(
    ("feedback", "addresses"),
    [
        ("Feedback-Type: abuse\r\nOriginal-Rcpt-To: <ana@example.com>", ("ana@example.com",)),
        ("Feedback-Type: fraud\r\nUser-Agent: x", ("rui@example.com",)),
    ],
)
def test_a_complaint_names_the_message_and_mostly_who_complained(feedback, addresses):
    found = report_of(a_complaint_of(ID, feedback=feedback, to="rui@example.com"))

    assert (found.kind, found.message_ids) == (Kind.COMPLAINT, (ID,))
    assert judged(found) == [(addresses, "", None, Kind.COMPLAINT)]


@pytest.mark.parametrize("subject", ["complaint about message from 192.0.2.1", "A complaint"])
def test_outlooks_complaints_are_known_by_their_subject_and_recipient(subject):
    body = (
        "--r\r\nContent-Type: message/rfc822\r\n\r\nX-HmXmrOriginalRecipient: ana@example.com\r\n"
        f"To: x@y.test\r\nMessage-ID: {ID}\r\n\r\nHi\r\n--r--\r\n"
    )
    found = report_of(a_mail(body, Subject=subject, Content_Type="multipart/mixed; boundary=r"))

    if subject.startswith("complaint"):
        assert (found.kind, found.message_ids) == (Kind.COMPLAINT, (ID,))
        assert judged(found) == [(("ana@example.com",), "", None, Kind.COMPLAINT)]
    else:
        assert found is None


@pytest.mark.parametrize("kind", ["auth-failure", "not-spam"])
def test_feedback_that_is_no_complaint_is_none(kind):
    assert report_of(a_complaint_of(ID, feedback=f"Feedback-Type: {kind}")) is None


def test_a_report_that_a_person_forwards_is_not_a_report():
    inner = a_bounce_of(ID).decode()
    raw = a_mail(
        f"--f\r\n\r\nWhat is this?\r\n--f\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--f--",
        Content_Type="multipart/mixed; boundary=f",
    )

    assert report_of(raw) is None


QMAIL = """Hi. This is the qmail-send program at mx.example.com.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ana@example.com>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <orders@shop.test>
Message-ID: <1@shop.test>
To: rui@example.com
Subject: 550 5.7.1
"""
EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ana@example.com
    host mx.example.com [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<ana@example.com>:
    550 5.1.1 <ana@example.com>: Recipient address rejected: User unknown

------ This is a copy of the message, including all the headers. ------

Message-ID: <1@shop.test>
"""
EXIM_DELAYED = """This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mail.shop.test.

The address to which the message has not yet been delivered is:

  ana@example.com
    Delay reason: 451 4.7.1 Greylisted

No action is required on your part. Delivery attempts will continue for
some time.
"""
EXCHANGE = """Delivery has failed to these recipients or groups:

ana@example.com
The email address you entered couldn't be found. Please check the address.

Diagnostic information for administrators:
Generating server: mx.example.com
ana@example.com
#550 5.1.10 RESOLVER.ADR.RecipientNotFound ##rfc822;ana@example.com
Original message headers:
Message-ID: <1@shop.test>
"""
GMAIL = """Delivery to the following recipient failed permanently:

     ana@example.com

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the server:
552 5.2.2 The email account that you tried to reach is over quota.

----- Original message -----
Message-ID: <1@shop.test>
"""
POSTFIX = """This is the mail system at host mx.example.com.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<ana@example.com>: host mx.example.com[192.0.2.1] said: 550 No such user here
    (in reply to RCPT TO command)
"""
SENDMAIL = """   ----- The following addresses had permanent fatal errors -----
<ana@example.com>
    (reason: 550 5.1.2 Host unknown (Name server: example.com.: host not found))
"""


@pytest.mark.parametrize(
    ("text", "sender", "subject", "kind", "how", "code", "has_id"),
    [
        (QMAIL, "MAILER-DAEMON@mx.example.com", "failure notice", "bounce", "hard", "5.1.1", True),
        (EXIM, "Mailer-Daemon@mx.test", "Mail delivery failed", "bounce", "hard", "5.1.1", True),
        (EXIM_DELAYED, "Mailer-Daemon@mx.test", "Warning", "delayed", None, "4.7.1", False),
        (EXCHANGE, "postmaster@mx.test", "Undeliverable: Order", "bounce", "hard", "5.1.10", True),
        (GMAIL, "mailer-daemon@googlemail.com", "Delivery Status", "bounce", "soft", "5.2.2", True),
        (POSTFIX, "MAILER-DAEMON@mx.test", "Undelivered Mail", "bounce", "hard", "", False),
        (SENDMAIL, "MAILER-DAEMON@mx.test", "Returned mail", "bounce", "hard", "5.1.2", False),
    ],
)  # fmt: skip
def test_a_bounce_in_prose_is_understood(text, sender, subject, kind, how, code, has_id):
    found = report_of(a_mail(text, From=sender, Subject=subject, Return_Path="<>"))

    assert found.kind == kind
    assert found.message_ids == ((ID,) if has_id else ())
    assert judged(found) == [(("ana@example.com",), code, BounceType(how) if how else None, kind)]


def test_the_remote_servers_words_are_kept_on_one_line_and_short():
    diagnosis = "smtp; 550-5.1.1 No such user\r\n   550 5.1.1 <b>here</b>\x1b[2J " + "x" * 2000
    by_structure = report_of(
        a_report(returned=f"Message-ID: {ID}", groups=[group("failed", "5.1.1", diagnosis)])
    )
    in_prose = report_of(a_mail(QMAIL, From="MAILER-DAEMON@mx.example.com", Return_Path="<>"))

    (reason,) = [one.reason for one in by_structure.affected]
    assert reason.startswith("550-5.1.1 No such user 550 5.1.1 <b>here</b>")
    assert reason.isprintable()
    assert len(reason) == 500
    assert in_prose.affected[0].reason == "Sorry, no mailbox here by that name. (#5.1.1)"


def test_a_person_who_quotes_a_bounce_is_a_person():
    raw = a_mail("I got this:\n\n" + QMAIL, Subject="Undelivered mail?")

    assert report_of(raw) is None


def test_a_header_names_the_failed_recipients_before_the_text():
    raw = a_mail(POSTFIX, From="x@mx.test", X_Failed_Recipients="rui@example.com, bea@example.com")

    found = report_of(raw)

    assert [one.addresses[0] for one in found.affected] == ["rui@example.com", "bea@example.com"]
