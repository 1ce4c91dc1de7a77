"""A person's answer goes out threaded, to the sender alone, once."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy

import pytest

from ai_triage import conversations, replies
from ai_triage.models import TriageResult, TriageSettings
from ai_triage.replies import Reply
from ai_triage.tests.waiting import DRAFT, a_mail_in, a_result, a_result_of
from common.addresses import Address
from common.errors import Conflict, Refused
from delivery import services as delivery
from delivery.building import build_message
from delivery.submission import Message, Options
from logs.models import EmailLog
from logs.tests.builders import NOON
from tests.factories import make_account

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=10)


@pytest.fixture(autouse=True)
def orders(tenant, account):
    account.default_for = tenant
    account.save()
    return account


def send(result, body=DRAFT, **fields):
    known = fields.pop("known", "")
    return replies.send(result, Reply(body, **fields), at=LATER, by="rita", known=known)


def as_sent(email):
    """The message as its recipient's program reads it."""
    return message_from_bytes(build_message(email, signers=[]), policy=policy.default)


def ours_to(tenant, address="ana@example.com", *, subject="Hello", headers=()):
    """A message that somebody sent by the API."""
    message = Message(
        to=Address(address), subject=subject, text="Hi", options=Options(headers=headers)
    )
    return delivery.submit(message, tenant=tenant, mode="live")


# What goes out


def test_an_answer_is_threaded_below_the_mail_and_quotes_it(tenant):
    mail = a_mail_in(tenant, References="<a@example.com> <b@example.com>")
    result = a_result_of(mail)

    email = send(result)

    seen = as_sent(email)
    assert (seen["To"], seen["Subject"]) == ("Ana <ana@example.com>", "Re: My order")
    assert seen["In-Reply-To"] == "<q1@example.com>"
    assert seen["References"] == "<a@example.com> <b@example.com> <q1@example.com>"
    assert seen["Auto-Submitted"] is None
    assert seen.get_content_type() == "text/plain"
    text = seen.get_content().replace("\r\n", "\n")
    assert text.startswith(DRAFT)
    assert "On 2026-03-01 12:00, Ana <ana@example.com> wrote:\n> Where is my order?" in text
    assert replies.sent_text(result) == DRAFT
    result.refresh_from_db()
    assert (result.response, result.responded_at) == (email, LATER)
    assert (result.reviewed_by, result.is_automatic) == ("rita", False)


def test_the_answer_to_an_answer_is_found_in_the_same_conversation(tenant):
    first = a_mail_in(tenant)
    email = send(a_result_of(first))

    second = a_mail_in(tenant, Message_ID="<q2@example.com>", In_Reply_To=email.smtp_message_id)

    assert (second.thread_key, second.email) == (first.thread_key, email)


def test_mail_handed_in_by_the_api_is_threaded_by_its_headers(tenant):
    headers = {"message-id": "<x@y.example>", "In-Reply-To": "<w@y.example>"}

    seen = as_sent(send(a_result(tenant, headers=headers)))

    assert seen["In-Reply-To"] == "<x@y.example>"
    assert seen["References"] == "<w@y.example> <x@y.example>"


def test_mail_without_a_message_id_is_answered_without_threading(tenant):
    seen = as_sent(send(a_result(tenant)))

    assert (seen["In-Reply-To"], seen["References"]) == (None, None)
    assert seen["Subject"] == "Re: My order"


@pytest.mark.parametrize(
    ("subject", "answered"),
    [
        ("My order", "Re: My order"),
        ("Re: My order", "Re: My order"),
        ("RE: re:Aw: RES: [2] x", "Re: [2] x"),
        ("Re[3]: My order", "Re: My order"),
        ("Reorder: 12", "Re: Reorder: 12"),
        ("", "Re:"),
        ("Olá — dúvida", "Re: Olá — dúvida"),
        ("Hi\r\nBcc: evil@example.com", "Re: Hi Bcc: evil@example.com"),
        ("Hi\u2028Bcc: evil@example.com\x00", "Re: Hi Bcc: evil@example.com"),
        (
            "=?utf-8?q?Hi=0D=0ABcc:_evil@example.com?=",
            "Re: =?utf-8?q?Hi=0D=0ABcc:_evil@example.com?=",
        ),
        ("\u202eyadot", "Re: yadot"),
        ("x" * 5000, "Re: " + "x" * 246),
    ],
)
def test_the_subject_says_re_once_and_stays_on_its_line(tenant, subject, answered):
    email = send(a_result(tenant, subject=subject, suggested_subject=""))

    raw = build_message(email, signers=[])
    assert b"\nBcc" not in raw
    assert email.subject == answered


def test_a_subject_of_the_persons_own_goes_as_it_is(tenant):
    assert send(a_result(tenant), subject="Your order leaves").subject == "Your order leaves"
    with pytest.raises(Refused):
        send(a_result(tenant, subject="Other"), subject="Hi\r\nBcc: evil@example.com")


@pytest.mark.parametrize(
    "name",
    [
        "Ana\r\nBcc: evil@example.com",
        '"Ana" <evil@example.com>, x',
        "evil@example.com, ",
        "=?utf-8?q?Ana=0D=0ABcc:_evil@example.com?=",
        "Ana\u2029\u202e",
        "x" * 255,
    ],
)
def test_a_hostile_display_name_reaches_nobody_else(tenant, name):
    email = send(a_result(tenant, from_name=name))

    seen = as_sent(email)
    assert [one.addr_spec for one in seen["To"].addresses] == ["ana@example.com"]
    assert (seen["Bcc"], seen["Cc"]) == (None, None)
    assert email.recipients == ["ana@example.com"]


@pytest.mark.parametrize(
    "address", ["", "ana", "a@b.test@evil.test", "ana@example.com, evil@example.com", "a\n@b.test"]
)
def test_a_sender_that_is_no_address_is_refused_and_leaves_the_mail_open(tenant, address):
    result = a_result(tenant, from_address=address)

    with pytest.raises(Refused):
        send(result)

    result.refresh_from_db()
    assert (result.response, result.responded_at, result.reviewed_at) == (None, None, None)
    assert EmailLog.objects.count() == 0


def test_reply_to_does_not_turn_the_answer_to_somebody_else(tenant):
    mail = a_mail_in(tenant, Reply_To="evil@example.net")

    email = send(a_result_of(mail))

    assert email.recipients == ["ana@example.com"]


@pytest.mark.parametrize("sender", ["no-reply@forms.example", "orders@shop.test"])
def test_a_contact_forms_mail_is_answered_to_who_filled_it_in(tenant, sender):
    headers = {"Reply-To": ["Rui <rui@example.com>, evil@example.net"]}

    email = send(a_result(tenant, from_address=sender, headers=headers))

    assert email.recipients == ["rui@example.com"]
    assert email.to_name == "Rui"


def test_references_are_cut_to_what_a_header_holds_and_to_real_ids(tenant):
    long = " ".join(f"<{number}@{'x' * 60}.example>" for number in range(90))
    garbage = "no-id <with space@x> <=?utf-8?q?x?=@x> <" + "y" * 900 + "@x>"
    mail = a_mail_in(tenant, References=f"{long} {garbage}")

    seen = as_sent(send(a_result_of(mail)))

    ids = seen["References"].split()
    assert len(seen["References"]) <= 1900
    assert ids[0] == mail.references[0]
    assert ids[-2:] == [f"<89@{'x' * 60}.example>", "<q1@example.com>"]
    assert "=?" not in seen["References"]


def test_a_very_long_mail_is_quoted_in_part(tenant):
    email = send(a_result(tenant, body="word " * 50_000))

    assert len(email.content.text) < 25_000
    assert email.content.text.endswith("[…]")


def test_the_quote_is_introduced_in_the_language_of_the_mail(tenant):
    assert " wrote:" in replies.quoted(a_result(tenant, language="en"))
    tenant.language = "en"
    assert " wrote:" in replies.quoted(a_result(tenant, language="xx"))


# Through which account


def test_the_answer_leaves_by_the_account_that_the_mail_was_written_to(tenant, domain):
    support = make_account(domain, "support")

    email = send(a_result(tenant, to_address="Support+web@shop.test"))

    assert email.account == support


def test_the_settings_name_the_account_of_all_replies(tenant, domain):
    replying = make_account(domain, "replies")
    TriageSettings.objects.create(tenant=tenant, reply_account=replying)

    assert send(a_result(tenant)).account == replying


def test_an_account_that_is_named_wins(tenant, domain):
    make_account(domain, "sales")

    assert send(a_result(tenant), account="sales@shop.test").from_address == "sales@shop.test"


def test_without_any_other_the_default_account_answers(tenant, orders):
    assert send(a_result(tenant, to_address="who@else.test")).account == orders


# Once


def test_a_mail_is_answered_once_even_by_two_who_saw_it_open(tenant):
    result = a_result(tenant)
    same = TriageResult.objects.get(pk=result.pk)
    send(result)

    with pytest.raises(Conflict):
        send(same)

    assert EmailLog.objects.count() == 1


def test_a_refusal_leaves_the_mail_open(tenant):
    result = a_result(tenant)
    delivery.suppress("ana@example.com", tenant=tenant)

    with pytest.raises(Refused) as refused:
        send(result)

    result.refresh_from_db()
    assert refused.value.refusals[0].code == "suppressed"
    assert (result.responded_at, result.reviewed_at) == (None, None)


def test_nothing_is_sent_where_another_mail_of_the_conversation_was_answered(tenant):
    first, second = (a_result(tenant, thread_id="t1") for _ in range(2))
    send(first)

    with pytest.raises(Conflict) as conflict:
        send(second)

    assert conflict.value.code == "already_answered"
    assert EmailLog.objects.count() == 1


def test_a_person_who_has_seen_that_answer_may_still_send(tenant):
    first, second = (a_result(tenant, thread_id="t1") for _ in range(2))
    email = send(first)

    send(second, known=str(email.tracking_id))

    assert EmailLog.objects.count() == 2


def test_a_message_sent_past_the_triage_counts_as_an_answer(tenant):
    mail = a_mail_in(tenant)
    ours_to(tenant, headers=(("In-Reply-To", "<q1@example.com>"),))

    with pytest.raises(Conflict):
        send(a_result_of(mail))


def test_a_message_with_the_same_subject_counts_too(tenant):
    ours_to(tenant, subject="RE: My order")

    with pytest.raises(Conflict):
        send(a_result(tenant))


def test_other_mail_to_the_sender_is_no_answer(tenant, other_tenant):
    ours_to(tenant, subject="Your invoice")
    ours_to(tenant, "rui@example.com", subject="Re: My order")
    cancelled = ours_to(tenant, subject="Re: My order")
    EmailLog.objects.filter(pk=cancelled.pk).update(status="cancelled")

    assert send(a_result(tenant))


def test_a_colleague_who_wrote_from_a_mail_program_has_answered(tenant):
    mail = a_mail_in(tenant)
    a_mail_in(
        tenant,
        From="rita@shop.test",
        Message_ID="<c1@shop.test>",
        In_Reply_To="<q1@example.com>",
    )

    answered = conversations.latest_answer(a_result_of(mail))

    assert answered is not None
    assert answered.key.startswith("inbound ")


def test_an_earlier_answer_does_not_keep_a_new_question_unanswered(tenant):
    first = a_result(tenant, thread_id="t1")
    send(first)
    second = a_result(tenant, thread_id="t1", received_at=LATER + timedelta(days=400))

    assert send(second)


def test_the_answer_of_test_mail_is_test_mail(tenant):
    assert send(a_result(tenant, mode="test")).mode == "test"


# What is told


def test_the_details_of_a_response_follow_its_message(tenant):
    result = a_result(tenant)
    assert replies.response_details(result) is None

    email = send(result)

    assert result.response_sent
    assert replies.response_details(result) == {
        "tracking_id": str(email.tracking_id),
        "status": "queued",
        "from_address": "orders@shop.test",
        "responded_at": LATER,
        "sent_at": None,
        "automatic": False,
        "error": None,
    }


def test_a_purged_message_leaves_the_mail_answered(tenant):
    result = a_result(tenant)
    send(result).delete()
    result.refresh_from_db()

    assert result.response_sent
    assert replies.response_details(result)["tracking_id"] is None
