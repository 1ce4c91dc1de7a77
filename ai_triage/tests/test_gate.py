"""What is settled without a model, and what may never be answered automatically."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import EmailAccount
from ai_triage import gate
from ai_triage.models import TriageResult
from ai_triage.tests.mails import PROCESS, QUESTION
from ai_triage.tests.rows import triaged
from inbox import services as inbox
from inbox.tests.mails import a_bounce_of, a_mail
from logs.tests.builders import NOON
from tests.factories import make_account, make_domain

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("changes", "email_type", "never"),
    [
        ({"headers": {"Auto-Submitted": "auto-replied"}}, "auto_reply", "auto_submitted"),
        ({"headers": {"auto-submitted": "auto-generated"}}, "auto_reply", "auto_submitted"),
        ({"headers": {"X-Autoreply": "yes"}}, "auto_reply", "auto_responder"),
        ({"headers": {"X-Auto-Response-Suppress": "All", "Return-Path": "<>"}}, "auto_reply", None),
        ({"subject": "Automatic reply: férias"}, "auto_reply", "auto_responder"),
        ({"subject": "Resposta automática: Pedido"}, "auto_reply", "auto_responder"),
        ({"headers": {"Return-Path": "<>"}}, "auto_reply", "null_return_path"),
        ({"headers": {"Content-Type": "multipart/report; boundary=x"}}, "auto_reply", "report"),
        ({"headers": {"List-Id": "<news.loja.example>"}}, "newsletter", "list"),
        ({"headers": {"List-Unsubscribe": "<https://x.example/u>"}}, "newsletter", "list"),
        ({"headers": {"Precedence": "bulk"}}, "newsletter", "precedence"),
        ({"from": "no-reply@loja.example"}, "other", "robot_sender"),
        ({"from": "Mailer-Daemon@mx.example"}, "other", "robot_sender"),
        (
            {"from": "no-reply@a.example", "headers": {"Reply-To": "noreply@b.example"}},
            "other",
            "robot_sender",
        ),
        ({"headers": {"Received": [f"from s{n}" for n in range(26)]}}, "other", "loop"),
        ({"headers": {"X-Spamarrest-Challenge": "1"}}, "other", "challenge"),
    ],
)
def test_what_headers_settle_is_ignored_without_a_call(api, google, changes, email_type, never):
    answer = api.post(PROCESS, QUESTION | changes).json()

    assert (answer["decision"], answer["email_type"]) == ("ignore", email_type)
    assert answer["never_auto_reply"] == (never or "auto_response_suppress")
    assert (answer["provider"], answer["model_version"]) == ("rules", "gate")
    assert answer["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert (answer["prompt"], answer["suggested_response"]) == (None, None)
    assert answer["reason"]
    assert google.requests == []


@pytest.mark.parametrize(
    ("changes", "never"),
    [
        ({}, None),
        ({"headers": {"Auto-Submitted": "no"}}, None),
        ({"headers": {"X-Auto-Response-Suppress": "DR, OOF"}}, "auto_response_suppress"),
        (
            {"from": "noreply@loja.example", "headers": {"Reply-To": "Ana <ana@example.com>"}},
            "robot_sender",
        ),
        ({"headers": {"Reply-To": "no-reply@loja.example"}}, "robot_sender"),
        # A shared mailbox that is a group at its provider: every customer's mail bears its marks.
        (
            {"headers": {"List-Id": "<support.biofraga.com>", "Precedence": "list"}},
            "precedence",
        ),
        (
            {
                "headers": {
                    "List-Post": "<mailto:support@biofraga.com>",
                    "List-Unsubscribe": "<mailto:unsubscribe@biofraga.com>",
                }
            },
            "list",
        ),
    ],
)
def test_what_may_be_a_persons_mail_is_judged(api, google, changes, never):
    answer = api.post(PROCESS, QUESTION | changes).json()

    assert (answer["provider"], answer["decision"]) == ("gemini", "respond")
    assert answer["never_auto_reply"] == never


def test_the_reason_is_in_the_tenants_language(api, tenant):
    tenant.language = "pt"
    tenant.save()

    answer = api.post(PROCESS, QUESTION | {"headers": {"List-Id": "<a.b>"}}).json()

    assert answer["reason"] != "The headers say that this went to a list."


@pytest.mark.parametrize("sender", ["orders@shop.test", "Orders+x@shop.test"])
def test_mail_of_an_own_account_is_settled(api, google, account, sender):
    answer = api.post(PROCESS, QUESTION | {"from": sender}).json()

    assert (answer["decision"], answer["never_auto_reply"]) == ("ignore", "own_address")
    assert google.requests == []


def test_a_contact_form_that_sends_as_an_own_account_is_judged(api, google, account):
    form = QUESTION | {"from": "orders@shop.test", "headers": {"Reply-To": "ana@example.com"}}

    answer = api.post(PROCESS, form).json()

    assert (answer["provider"], answer["never_auto_reply"]) == ("gemini", "own_address")


def test_mail_of_another_tenants_account_is_judged_but_never_answered_by_itself(
    api, google, other_tenant
):
    account: EmailAccount = make_account(make_domain(other_tenant, "other.test"), "ana")

    answer = api.post(PROCESS, QUESTION | {"from": account.email_address}).json()

    assert (answer["provider"], answer["never_auto_reply"]) == ("gemini", "own_address")


@pytest.mark.parametrize(
    ("earlier", "most"),
    [
        ({"from_address": QUESTION["from"]}, gate.MOST_OF_SENDER),
        ({"thread_id": QUESTION["thread_id"]}, gate.MOST_OF_THREAD),
    ],
)
def test_too_many_mails_of_a_sender_or_conversation_look_like_a_loop(
    api, tenant, other_tenant, earlier, most
):
    for number in range(most - 1):
        triaged(tenant, f"e{number}", **earlier)
        triaged(other_tenant, f"e{number}", **earlier)

    last = api.post(PROCESS, QUESTION).json()
    over = api.post(PROCESS, QUESTION | {"email_id": "over", "body": "Alô?"}).json()
    TriageResult.objects.exclude(email_id="over").update(
        created_at=timezone.now() - timedelta(minutes=61)
    )
    later = api.post(PROCESS, QUESTION | {"email_id": "later", "body": "Olá?"}).json()

    found = [one["never_auto_reply"] for one in (last, over, later)]
    assert found == [None, "too_frequent", None]
    assert over["decision"] == "respond"


def test_a_mail_whose_conversation_was_answered_since_is_settled(api, google, tenant):
    earlier = triaged(tenant, "m1", thread_id=QUESTION["thread_id"], responded_at=timezone.now())

    answer = api.post(PROCESS, QUESTION).json()
    newer = {"received_at": (timezone.now() + timedelta(minutes=1)).isoformat()}
    after = api.post(PROCESS, QUESTION | newer | {"email_id": "after"}).json()

    assert (answer["decision"], answer["provider"]) == ("ignore", "rules")
    assert (after["decision"], after["provider"]) == ("respond", "gemini")
    assert earlier.thread_id == QUESTION["thread_id"]


def test_another_tenants_answer_settles_nothing(tenant, other_tenant):
    now, earlier = timezone.now(), timezone.now() - timedelta(minutes=5)
    triaged(other_tenant, "answered", thread_id="t", responded_at=now)
    ours, theirs = (
        triaged(one, thread_id="t", received_at=earlier) for one in (tenant, other_tenant)
    )

    found = gate.look([ours, theirs], at=now)

    assert (found[ours.pk].settled, bool(found[theirs.pk].settled)) == (None, True)


def test_many_mails_are_looked_at_with_few_queries(tenant, django_assert_num_queries):
    rows = [triaged(tenant, f"m{n}", thread_id=f"t{n}") for n in range(20)]

    with django_assert_num_queries(4):
        gate.look(rows, at=timezone.now())


def test_an_own_address_is_known_among_very_many(tenant, account):
    rows = [
        triaged(
            tenant,
            f"m{n}",
            headers={"Reply-To": ", ".join(f"u{n}.{m}@x.example" for m in range(200))},
        )
        for n in range(20)
    ]
    own = triaged(tenant, "own", from_address=account.email_address)
    last = triaged(tenant, "last", headers={"Reply-To": "Zoe <z@zz.example>"})
    make_account(make_domain(tenant, "zz.example"), "z")

    found = gate.look([*rows, own, last], at=timezone.now())

    assert {pk for pk, one in found.items() if one.never == "own_address"} == {own.pk, last.pk}


def test_a_persons_mail_that_came_in_is_handed_to_triage(tenant, domain):
    inbound = inbox.receive(
        a_mail("Where is it?\r\n\r\n> We sent it."), tenant=tenant, at=NOON, mode="test"
    )

    row = TriageResult.objects.get()
    assert (row.email_id, row.inbound, row.mode) == (str(inbound.public_id), inbound, "test")
    assert (row.from_address, row.to_address) == ("ana@example.com", "orders@shop.test")
    assert (row.subject, row.body) == ("My order", "Where is it?")
    assert row.headers["Message-ID"] == ["<q1@example.com>"]
    assert (row.thread_id, row.received_at) == (inbound.thread_key, NOON)
    assert row.status == "queued"


def test_what_reading_the_whole_mail_has_ruled_out_stays_so(api, google, tenant):
    inbox.receive(a_mail(To="others@elsewhere.test"), tenant=tenant, at=NOON)

    answer = api.post(f"{PROCESS}?force=true", as_given(TriageResult.objects.get())).json()

    assert (answer["decision"], answer["never_auto_reply"]) == ("respond", "not_addressed")


def test_an_out_of_office_that_came_in_is_settled_by_its_header(api, google, tenant, domain):
    inbound = inbox.receive(
        a_mail("I am away.", Auto_Submitted="auto-replied"), tenant=tenant, at=NOON
    )

    answer = api.post(f"{PROCESS}?force=true", as_given(TriageResult.objects.get())).json()

    assert (answer["email_id"], answer["email_type"]) == (str(inbound.public_id), "auto_reply")
    assert google.requests == []


def as_given(row: TriageResult) -> dict[str, object]:
    return {
        "email_id": row.email_id,
        "from": row.from_address,
        "to": row.to_address,
        "subject": row.subject,
        "body": row.body,
        "headers": row.headers,
    }


@pytest.mark.parametrize("raw", [a_bounce_of("<x@y.test>"), b"Content-Type: message/partial\n\n"])
def test_reports_and_what_is_quarantined_are_not_handed_over(tenant, raw):
    inbox.receive(raw, tenant=tenant, at=NOON)

    assert not TriageResult.objects.exists()


def test_the_same_mail_again_is_handed_over_once(tenant):
    for _ in range(2):
        inbox.receive(a_mail(), tenant=tenant, at=NOON)

    assert TriageResult.objects.count() == 1
