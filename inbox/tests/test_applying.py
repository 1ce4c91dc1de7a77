"""What reports change, what proves them, and what proves nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.tokens import make_short_token
from delivery.models import Suppression
from delivery.return_paths import return_path_of
from inbox import jobs, services
from inbox.models import InboundEmail
from inbox.tests.mails import a_bounce_of, a_complaint_of, a_mail, a_report
from logs.models import EmailLog
from logs.tests.builders import NOON, an_email
from tests.factories import make_account, make_domain

pytestmark = pytest.mark.django_db
ANA, RUI = "ana@example.com", "rui@example.com"
ELSEWHERE = "<other@elsewhere.test>"


@pytest.fixture
def account(domain):
    return make_account(domain, "orders", bounce_address="bounces@shop.test")


@pytest.fixture
def email(tenant, account):
    """A message of ours that a server took, to Ana."""
    return taken(tenant, account)


def taken(tenant, account, **fields) -> EmailLog:
    values = {"status": "sent", "sent_at": NOON - timedelta(hours=1), **fields}
    return an_email(tenant, account=account, **values)


def received(raw: bytes, tenant, **given) -> InboundEmail:
    return services.receive(raw, tenant=tenant, at=NOON, **given)


def path_of(email: EmailLog) -> str:
    return return_path_of(email, account=email.account)


def state(email: EmailLog) -> tuple[str, list[str]]:
    """The message's status and who gets no more mail."""
    email.refresh_from_db()
    return email.status, sorted(Suppression.objects.values_list("address", flat=True))


def unchanged(email: EmailLog) -> bool:
    return state(email) == ("sent", []) and not email.events.exists()


def group(recipient: str, action: str = "failed", status: str = "5.1.1") -> dict[str, str]:
    return {"Final-Recipient": f"rfc822; {recipient}", "Action": action, "Status": status}


def test_a_hard_bounce_is_shown_and_keeps_further_mail_away(tenant, email):
    row = received(a_bounce_of(email.smtp_message_id), tenant)

    assert state(email) == ("bounced", [ANA])
    (event,) = email.events.all()
    assert (event.type, event.at) == ("bounced", NOON)
    assert event.data == {
        "recipient": ANA,
        "bounce_type": "hard",
        "enhanced_code": "5.1.1",
        "inbound_id": str(row.public_id),
        "reason": "550 5.1.1 User unknown",
    }
    assert (email.error_code, email.error_message) == ("bounced", "550 5.1.1 User unknown")
    assert Suppression.objects.get().reason == "hard_bounce"
    assert Suppression.objects.get().source == email
    row.refresh_from_db()
    assert (row.applied_at, row.apply_at) == (NOON, None)


@pytest.mark.parametrize(
    ("action", "status", "after", "event"),
    [
        ("failed", "5.2.2", "bounced", "bounced"),
        ("delayed", "4.4.1", "sent", "deferred"),
        ("delivered", "2.0.0", "delivered", "delivered"),
    ],
)
def test_other_reports_are_shown_and_suppress_nobody(tenant, email, action, status, after, event):
    returned = f"Message-ID: {email.smtp_message_id}"

    received(a_report(returned=returned, groups=[group(ANA, action, status)]), tenant)

    assert state(email) == (after, [])
    assert [one.type for one in email.events.all()] == [event]


def test_a_complaint_is_shown_and_keeps_further_mail_away(tenant, email):
    feedback = f"Feedback-Type: abuse\r\nOriginal-Rcpt-To: <{ANA}>"

    received(a_complaint_of(email.smtp_message_id, feedback=feedback), tenant)

    assert state(email) == ("spam", [ANA])
    assert Suppression.objects.get().reason == "complaint"


def test_every_recipient_of_a_report_is_acted_on(tenant, account):
    email = taken(tenant, account, cc_addresses=[RUI], bcc_addresses=["bea@example.com"])
    groups = [
        group("bea@example.com", "delivered", "2.0.0"),
        group(RUI),
        group("stranger@example.com"),
        group(ANA),
    ]

    received(a_report(returned=f"Message-ID: {email.smtp_message_id}", groups=groups), tenant)

    assert state(email) == ("bounced", [ANA, RUI])
    assert email.recipient_outcomes[RUI]["status"] == "bounced"
    assert email.recipient_outcomes["bea@example.com"]["status"] == "delivered"
    assert email.events.count() == 3


def test_the_same_report_again_changes_nothing_more(tenant, email):
    raw = a_bounce_of(email.smtp_message_id)
    received(raw, tenant)

    received(raw, tenant)
    received(raw.replace(b"<report1@", b"<report2@"), tenant)

    assert email.events.count() == Suppression.objects.count() == 1


# What proves a report


@pytest.mark.parametrize("change", [str, str.upper, str.lower])
@pytest.mark.parametrize("header", ["To", "Delivered-To", "X-Original-To", "Envelope-To"])
def test_a_signed_return_path_proves_a_report_that_names_no_message(tenant, email, header, change):
    raw = a_report(returned="Subject: Hi", groups=[group(ANA)], **{header: change(path_of(email))})

    row = received(raw, tenant)

    assert row.email == email
    assert state(email) == ("bounced", [ANA])


def test_a_report_that_names_nobody_is_about_the_signed_paths_only_recipient(tenant, email):
    raw = a_mail(
        "I'm afraid I wasn't able to deliver your message.\nThis is a permanent error; "
        "550 5.1.1 User unknown",
        From="MAILER-DAEMON@mx.example.com",
        To=path_of(email),
        Return_Path="<>",
    )

    received(raw, tenant)

    assert state(email) == ("bounced", [ANA])


def test_a_complaint_whose_names_are_cut_out_is_known_by_the_returned_path(tenant, email):
    feedback = f"Feedback-Type: abuse\r\nOriginal-Mail-From: <{path_of(email)}>"

    received(a_complaint_of(ELSEWHERE, feedback=feedback, to="undisclosed-recipients:;"), tenant)

    assert state(email) == ("spam", [ANA])


def test_an_automatic_reply_to_a_signed_path_belongs_to_its_message(tenant, email):
    row = received(a_mail(Auto_Submitted="auto-replied", To=path_of(email)), tenant)

    assert (row.kind, row.email) == ("auto_reply", email)
    assert unchanged(email)


def with_one_letter_changed(path: str) -> str:
    at = path.index("+") + 5
    return path[:at] + ("b" if path[at] == "a" else "a") + path[at + 1 :]


@pytest.mark.parametrize(
    "case", ["tampered", "signed for something else", "signed with another key", "cut"]
)
def test_a_token_that_is_not_ours_is_as_good_as_none(tenant, email, settings, case):
    path = path_of(email)
    if case == "tampered":
        path = with_one_letter_changed(path)
    elif case == "signed for something else":
        path = f"bounces+{make_short_token('other', email.tracking_id.bytes)}@shop.test"
    elif case == "signed with another key":
        settings.SECRET_KEY = "another"
    else:
        path = path.replace("@", "@")[:-30] + "@shop.test"
    EmailLog.objects.update(sent_at=None)

    row = received(a_report(returned="Subject: x", groups=[group(ANA)], To=path), tenant)

    assert row.email is None
    assert unchanged(email)


def test_a_foreign_tenants_token_is_as_good_as_none(tenant, other_tenant, email):
    raw = a_report(returned="Subject: x", groups=[group(ANA)], To=path_of(email))

    row = received(raw, other_tenant)

    assert row.email is None
    assert unchanged(email)


@pytest.mark.parametrize("by", ["token", "Message-ID"])
def test_a_test_keys_report_does_not_reach_live_mail(tenant, email, by):
    EmailLog.objects.update(sent_at=None)
    to = path_of(email) if by == "token" else "x@shop.test"
    returned = f"Message-ID: {email.smtp_message_id if by == 'Message-ID' else ELSEWHERE}"

    row = received(a_report(returned=returned, groups=[group(ANA)], To=to), tenant, mode="test")

    assert row.email is None
    assert unchanged(email)


def test_the_right_token_with_another_recipient_suppresses_nobody(tenant, email):
    raw = a_report(returned="Subject: x", groups=[group("victim@example.com")], To=path_of(email))

    row = received(raw, tenant)

    assert (row.email, row.recipient) == (email, "victim@example.com")
    assert unchanged(email)


def test_a_guessed_message_id_with_another_recipient_suppresses_nobody(tenant, email):
    received(a_bounce_of(email.smtp_message_id, recipient="victim@example.com"), tenant)

    assert unchanged(email)


@pytest.mark.parametrize(("hours", "is_found"), [(1, True), (119, True), (121, False)])
def test_a_report_without_proof_is_shown_beside_the_latest_message_and_changes_nothing(
    tenant, account, hours, is_found
):
    taken(tenant, account, sent_at=NOON - timedelta(days=30))
    email = taken(tenant, account, sent_at=NOON - timedelta(hours=hours))

    row = received(a_bounce_of(ELSEWHERE), tenant)

    assert row.email == (email if is_found else None)
    assert unchanged(email)


def test_a_report_without_proof_does_not_find_another_tenants_message(other_tenant, email):
    make_domain(other_tenant, "other.test")

    assert received(a_bounce_of(ELSEWHERE), other_tenant).email is None


# Later, where it could not be at once


def test_a_report_on_a_message_that_is_being_sent_waits_and_is_applied_then(tenant, email):
    EmailLog.objects.update(status="sending")

    row = received(a_bounce_of(email.smtp_message_id), tenant)

    assert (row.applied_at, row.apply_at) == (None, NOON + timedelta(seconds=30))
    EmailLog.objects.update(status="sent")
    assert jobs.apply_waiting(at=NOON + timedelta(seconds=29)) == 0
    assert jobs.apply_waiting(at=NOON + timedelta(seconds=31)) == 1
    assert jobs.apply_waiting(at=NOON + timedelta(hours=1)) == 0
    assert state(email) == ("bounced", [ANA])
    row.refresh_from_db()
    assert (row.applied_at, row.apply_at) == (NOON + timedelta(seconds=31), None)


def test_what_fails_in_a_report_keeps_the_mail_and_is_tried_again(tenant, email):
    from logs.signals import email_events

    def fail(**kwargs):
        raise RuntimeError("no room")

    email_events.connect(fail)
    try:
        row = received(a_bounce_of(email.smtp_message_id), tenant)
    finally:
        email_events.disconnect(fail)

    assert unchanged(email)
    assert row.applied_at is None
    jobs.apply_waiting(at=NOON + timedelta(minutes=1))
    assert state(email) == ("bounced", [ANA])


def test_a_report_on_a_message_that_stays_busy_is_given_up_after_days(tenant, email):
    EmailLog.objects.update(status="sending")
    row = received(a_bounce_of(email.smtp_message_id), tenant)

    jobs.apply_waiting(at=NOON + timedelta(days=6))

    row.refresh_from_db()
    assert (row.apply_at, row.applied_at) == (None, None)
