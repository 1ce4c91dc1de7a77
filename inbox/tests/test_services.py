"""Mail is kept once, belongs to the right message, and never stops the box."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from common.errors import Refused
from inbox import services
from inbox.kinds import BounceType, Kind, NeverReply, QuarantineReason
from inbox.models import InboundEmail, raw_storage
from inbox.signals import inbound_received
from inbox.tests.mails import a_bounce_of, a_complaint_of, a_mail, a_report
from logs.tests.builders import NOON, an_email
from tests.factories import make_account, make_domain

pytestmark = pytest.mark.django_db


def received(raw: bytes, tenant, **given) -> InboundEmail:
    return services.receive(raw, tenant=tenant, at=NOON, **given)


@pytest.fixture
def email(tenant, account):
    """A message of ours to Ana."""
    return an_email(tenant, account=account)


def test_a_persons_mail_is_kept_with_what_it_says(tenant, domain):
    raw = a_mail("Where is it?\r\n\r\nOn Thu, Shop wrote:\r\n> Hi", In_Reply_To="<x@y.test>")

    row = received(raw, tenant)

    row.refresh_from_db()
    assert (row.kind, row.never_auto_reply) == (Kind.HUMAN, "")
    assert (row.from_address, row.from_name) == ("ana@example.com", "Ana")
    assert (row.to_addresses, row.subject) == (["orders@shop.test"], "My order")
    assert (row.message_id, row.in_reply_to) == ("<q1@example.com>", "<x@y.test>")
    assert row.reply_text == "Where is it?"
    assert row.text.endswith("> Hi")
    assert row.date.isoformat() == "2026-01-15T10:30:00+00:00"
    assert row.read_raw() == raw


def test_the_same_mail_again_is_the_same_row(tenant):
    raw = a_mail()
    copies = [
        raw,
        raw,
        raw.replace(b"\r\n", b"\n"),
        b"Return-Path: <ana@example.com>\r\nReceived: from b\r\n" + raw,
    ]

    ids = {received(copy, tenant).pk for copy in copies}

    assert len(ids) == InboundEmail.objects.count() == 1


def test_two_mails_are_two_rows(tenant):
    one = a_mail("first")
    other_body = a_mail("second")
    no_ids = [a_mail(Message_ID=None), a_mail(Message_ID=None, Subject="Another")]

    ids = {received(raw, tenant).pk for raw in [one, other_body, *no_ids]}

    assert len(ids) == 4


def test_one_mail_to_two_tenants_is_a_row_of_each(tenant, other_tenant):
    rows = [received(a_mail(), one) for one in (tenant, other_tenant)]

    assert [row.tenant_id for row in rows] == [tenant.pk, other_tenant.pk]
    assert rows[0].raw_path != rows[1].raw_path


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_make_one_row_and_one_announcement(tenant):
    heard = []

    def listen(sender, inbound, **kwargs):
        heard.append(inbound.public_id)

    inbound_received.connect(listen)

    def hand_in(_number) -> int:
        try:
            return received(a_mail(), tenant).pk
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(8) as threads:
            ids = set(threads.map(hand_in, range(8)))
    finally:
        inbound_received.disconnect(listen)

    assert len(ids) == InboundEmail.objects.count() == 1
    assert heard == [InboundEmail.objects.get().public_id]


def test_a_receiver_that_fails_takes_the_row_back(tenant):
    def fail(sender, inbound, **kwargs):
        raise RuntimeError("no room")

    inbound_received.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            received(a_mail(), tenant)
    finally:
        inbound_received.disconnect(fail)

    assert not InboundEmail.objects.exists()


def test_poison_is_quarantined_with_its_bytes_and_what_follows_is_read(tenant):
    poison = b"Content-Type: message/rfc822\r\n\r\n" * 5000

    rows = [received(poison, tenant), received(a_mail(), tenant)]

    assert rows[0].kind == Kind.QUARANTINED
    assert rows[0].quarantine_reason == QuarantineReason.NESTED_TOO_DEEP
    assert rows[0].never_auto_reply == NeverReply.QUARANTINED
    assert rows[0].read_raw() == poison
    assert rows[1].kind == Kind.HUMAN


@pytest.mark.parametrize(("size", "code"), [(0, "required"), (25 * 1024 * 1024 + 1, "too_large")])
def test_nothing_and_too_much_are_refused_and_not_kept(tenant, size, code):
    with pytest.raises(Refused) as refusal:
        received(b"x" * size, tenant)

    assert (refusal.value.code, refusal.value.attr) == (code, "raw")
    assert not InboundEmail.objects.exists()


def test_a_file_left_half_written_is_not_taken_for_the_mail(tenant):
    raw = a_mail(Message_ID=None)
    path = services.prepare(raw, tenant=tenant, at=NOON).raw_path
    whole = raw_storage().path(path)
    with open(whole, "wb") as file:  # noqa: PTH123
        file.write(raw[:10])

    assert received(raw, tenant).read_raw() == raw


# Which message a mail belongs to


def test_a_bounce_belongs_to_our_message_and_names_its_recipient(tenant, email):
    row = received(a_bounce_of(email.smtp_message_id, recipient="Ana@Example.com"), tenant)

    assert (row.kind, row.email) == (Kind.BOUNCE, email)
    assert (row.recipient, row.status_code) == ("ana@example.com", "5.1.1")
    assert row.bounce_type == BounceType.HARD
    assert row.never_auto_reply == NeverReply.REPORT


def test_a_bounce_of_a_copy_names_the_copy(tenant, account):
    email = an_email(tenant, account=account, cc_addresses=["rui@example.com"])
    groups = [
        {"Final-Recipient": f"rfc822; {who}", "Action": "failed", "Status": "5.2.2"}
        for who in ("stranger@example.com", "rui@example.com")
    ]

    row = received(a_report(returned=f"Message-ID: {email.smtp_message_id}", groups=groups), tenant)

    assert (row.email, row.recipient, row.bounce_type) == (email, "rui@example.com", "soft")


@pytest.mark.parametrize("case", ["other id", "other domain", "other recipient", "other tenant"])
def test_a_forged_report_belongs_to_no_message(case, tenant, other_tenant, email):
    message_id, recipient, to = email.smtp_message_id, "ana@example.com", tenant
    if case == "other id":
        message_id = "<0199f3c2-9a41-7c55-b1de-5f2f6f0f8a11@shop.test>"
    elif case == "other domain":
        message_id = message_id.replace("@shop.test", "@evil.test")
    elif case == "other recipient":
        recipient = "victim@example.com"
    else:
        to = other_tenant

    row = received(a_bounce_of(message_id, recipient=recipient), to)

    assert (row.kind, row.email) == (Kind.BOUNCE, None)
    assert row.recipient == recipient


@pytest.mark.parametrize("copies", [[], ["rui@example.com"]])
def test_a_complaint_without_a_recipient_is_about_the_only_one(tenant, account, copies):
    email = an_email(tenant, account=account, cc_addresses=copies)
    raw = a_complaint_of(email.smtp_message_id, feedback="Feedback-Type: abuse", to="")

    row = received(raw, tenant)

    assert row.kind == Kind.COMPLAINT
    assert (row.email, row.recipient) == ((None, "") if copies else (email, "ana@example.com"))


@pytest.mark.parametrize("header", ["In-Reply-To", "References"])
def test_a_reply_belongs_to_the_message_it_answers(tenant, email, header):
    raw = a_mail(**{header: f"<z@z.test> {email.smtp_message_id}"})
    if header == "In-Reply-To":
        raw = a_mail(**{header: email.smtp_message_id})

    assert received(raw, tenant).email == email


def test_a_reply_to_another_tenants_message_belongs_to_none(other_tenant, email):
    assert received(a_mail(In_Reply_To=email.smtp_message_id), other_tenant).email is None


# Whether it may be answered


@pytest.mark.parametrize(
    "headers",
    [
        {"From": "orders@shop.test"},
        {"From": "Orders@Shop.test"},
        {"From": "orders+x@shop.test"},
        {"From": "sales@other.test"},
        {"Reply-To": "sales@other.test"},
        {"Return-Path": "<sales@other.test>"},
    ],
)
def test_an_own_address_of_any_tenant_is_never_answered(tenant, other_tenant, account, headers):
    make_account(make_domain(other_tenant, "other.test"), "sales")

    row = received(a_mail(**headers), tenant)

    assert row.never_auto_reply == NeverReply.OWN_ADDRESS


@pytest.mark.parametrize("to", ["undisclosed-recipients:;", "rui@example.com", "a@other.test"])
def test_a_mail_that_names_none_of_our_addresses_is_never_answered(
    tenant, other_tenant, domain, to
):
    make_domain(other_tenant, "other.test")

    assert received(a_mail(To=to), tenant).never_auto_reply == NeverReply.NOT_ADDRESSED
    in_copy = a_mail(To=to, Cc="help@shop.test", Message_ID="<q2@example.com>")
    assert received(in_copy, tenant).never_auto_reply == ""


def test_a_subject_with_encoded_line_ends_is_one_line(tenant, domain):
    raw = a_mail(
        Subject="=?utf-8?q?Hi=0D=0ABcc:_evil@x.test?=", From="=?utf-8?b?YQ0KYg==?= <a@b.test>"
    )

    row = received(raw, tenant)

    assert (row.subject, row.from_name) == ("Hi Bcc: evil@x.test", "a b")


# Conversations


def test_mails_of_a_conversation_share_its_key(tenant, account, domain):
    first = received(a_mail(), tenant)
    ours = an_email(
        tenant, account=account, content={"headers": [["In-Reply-To", "<q1@example.com>"]]}
    )
    rows = [
        received(a_mail(**{"Message-ID": f"<{n}@example.com>", **headers}), tenant)
        for n, headers in enumerate(
            [
                {"References": f"<q1@example.com> {ours.smtp_message_id}"},
                {"In-Reply-To": ours.smtp_message_id},
                {"In-Reply-To": "<1@example.com>"},
            ]
        )
    ]
    stranger = received(a_mail(**{"Message-ID": "<s@example.com>"}), tenant)

    assert {row.thread_key for row in rows} == {first.thread_key}
    assert stranger.thread_key != first.thread_key


def test_two_answers_to_one_message_are_one_conversation(tenant, email):
    rows = [
        received(
            a_mail(**{"Message-ID": f"<{n}@x.test>", "In-Reply-To": email.smtp_message_id}), tenant
        )
        for n in range(2)
    ]

    assert rows[0].thread_key == rows[1].thread_key
