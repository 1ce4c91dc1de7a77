"""Staff work through the review queue in the admin."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from ai_triage import review
from ai_triage.models import Feedback, Snippet, TriageResult
from ai_triage.replies import Reply
from ai_triage.tests.waiting import DRAFT, a_mail_in, a_result, a_result_of
from delivery import services as delivery
from logs.models import EmailLog
from logs.tests.builders import NOON
from tests.factories import make_account, make_domain
from tests.staff import staff

pytestmark = pytest.mark.django_db
LIST = "/admin/ai_triage/triageresult/"
PAYLOADS = [
    "<script>alert(1)</script>",
    "</pre></textarea><svg/onload=alert(1)>",
    '" autofocus onfocus=alert(1) x="',
    "<div x-data x-init=alert(1)>",
]


@pytest.fixture
def editor(tenant):
    return staff(tenant, "editor")


@pytest.fixture(autouse=True)
def orders(tenant, account):
    account.default_for = tenant
    account.save()
    return account


def page(result):
    return f"{LIST}{result.pk}/change/"


def press(client, result, verb, **fields):
    """Open the page, change what ``fields`` says, and press a button."""
    response = client.get(page(result))
    return client.post(page(result), filled(response, verb, **fields), follow=True)


def filled(response, verb, **fields):
    context = response.context
    form = {name: value for name, value in context["form"].initial.items() if value is not None}
    own = {"verb": verb, "seen": context["seen"], "known": context["known"]}
    return form | own | fields


def shown(response):
    return response.content.decode()


# The list


def test_the_list_asks_for_no_tenants_of_its_rows_which_no_column_shows(editor, tenant):
    a_result(tenant)

    with CaptureQueriesContext(connection) as queries:
        assert len(editor.get(LIST).context["cl"].result_list) == 1

    prefetched = re.compile(r"tenants_tenant.\..id. (= \d+|IN \(\d+\))$")
    assert not [one["sql"] for one in queries if prefetched.search(one["sql"])]


def test_the_list_begins_with_what_waits_the_most_urgent_first(editor, tenant):
    a_result(tenant, subject="Second")
    a_result(tenant, subject="First", urgency="high", received_at=NOON + timedelta(hours=1))
    a_result(tenant, subject="Newsletter", decision="ignore")

    rows = editor.get(LIST).context["cl"].result_list

    assert [row.subject for row in rows] == ["First", "Second"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=answered", ["answered"]),
        ("state=reviewed", ["answered", "ignored"]),
        ("state=open", ["queued"]),
        ("state=failed", ["failed"]),
        ("state=all&decision=ignore", ["spam"]),
        ("state=all&language=pt-PT", ["spam"]),
        ("state=all&provider=gemini", ["spam"]),
        ("needs_review__exact=1", ["failed"]),
        ("needs_review__exact=0", ["waits"]),
        ("q=waits", ["waits"]),
    ],
)
def test_the_list_finds_the_others_too(editor, tenant, query, found):
    a_result(tenant, subject="waits")
    a_result(tenant, subject="spam", decision="ignore", language="pt-PT", provider="gemini")
    a_result(tenant, subject="queued", status="queued", decision="")
    a_result(tenant, subject="failed", status="failed", decision="", needs_review=True)
    review.answer(a_result(tenant, subject="answered"), Reply("Hi"), by="rita", at=NOON)
    review.ignore(a_result(tenant, subject="ignored"), by="rita", at=NOON)

    rows = editor.get(f"{LIST}?{query}").context["cl"].result_list

    assert sorted(row.subject for row in rows) == found


def test_the_navigation_counts_what_waits_for_the_users_own_tenants(editor, tenant, other_tenant):
    assert "Review queue" in shown(editor.get("/admin/"))
    for number in range(3):
        a_result(tenant, email_id=f"own {number}")
    a_result(other_tenant)

    groups = editor.get("/admin/").context["sidebar_navigation"]

    entries = {str(entry["title"]): entry for group in groups for entry in group["items"]}
    assert entries["Review queue"]["badge"] == "3"


def test_the_list_takes_the_same_number_of_queries_whatever_its_length(
    editor, tenant, django_assert_max_num_queries
):
    for _ in range(12):
        a_result(tenant)

    with django_assert_max_num_queries(12):
        editor.get(LIST)


# The page


def test_the_page_shows_the_mail_the_verdict_and_where_they_come_from(editor, tenant):
    mail = a_mail_in(tenant, body="Where is my order?\r\n\r\nAna")
    snippet = Snippet.objects.create(tenant=tenant, question="When do you ship?", answer="Daily")
    example = a_result(tenant, email_id="ex", subject="An earlier question")
    other = a_result(tenant, subject="Same conversation", thread_id=mail.thread_key)
    result = a_result_of(
        mail,
        used_examples=[{"id": "ex", "likeness": 0.5}, {"id": "gone", "likeness": 0.2}],
        used_snippets=[{"id": str(snippet.public_id), "likeness": 0.4}],
        needs_review=True,
        review_reason="low_confidence",
    )

    text = shown(editor.get(page(result)))

    for part in (
        "Ana &lt;ana@example.com&gt;",
        "Where is my order?",
        "A direct question",
        "97 %",
        "low confidence",
        "your order leaves tomorrow.",
        "An earlier question",
        "gone",
        "When do you ship?",
        "Same conversation",
        page(example),
        page(other),
        f"/admin/inbox/inboundemail/{mail.pk}/change/",
    ):
        assert part in text


def test_live_mail_shows_live_examples_and_test_mail_its_own_first(editor, tenant):
    use = [{"id": "ex", "likeness": 0.5}]
    live = a_result(tenant, email_id="ex", subject="Live one")
    only_live = page(a_result(tenant, email_id="t", mode="test", used_examples=use))
    assert page(live) in shown(editor.get(only_live))

    test = a_result(tenant, email_id="ex", subject="Test one", mode="test")
    of_live = page(a_result(tenant, email_id="l", used_examples=use))

    assert page(live) in shown(editor.get(of_live))
    assert page(test) not in shown(editor.get(of_live))
    assert page(test) in shown(editor.get(only_live))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_a_mail_or_a_model_is_markup_on_our_pages(editor, tenant, payload):
    texts = ("from_name", "subject", "body", "reason", "suggested_subject", "suggested_body")
    result = a_result(
        tenant, **dict.fromkeys(texts, payload), attachments=[payload], thread_id=payload
    )
    Feedback.objects.create(result=result, action="approved", comment=payload, by=payload)

    for text in (shown(editor.get(page(result))), shown(editor.get(LIST))):
        assert payload not in text
        assert escape(payload) in text


def test_the_draft_as_it_is_goes_out_and_the_next_mail_comes(editor, tenant):
    first = a_result(tenant, urgency="high")
    second = a_result(tenant, subject="The next one")

    response = press(editor, first, "send")

    assert response.redirect_chain == [(page(second), 302)]
    assert "The answer to ana@example.com goes out." in shown(response)
    email = EmailLog.objects.get()
    assert email.content.text.startswith(DRAFT)
    assert Feedback.objects.get().action == "approved"
    first.refresh_from_db()
    assert first.reviewed_by == "editor-shop"
    after = shown(editor.get(page(first)))
    assert f"/admin/logs/emaillog/{email.pk}/change/" in after
    assert 'name="verb"' not in after


def test_what_was_changed_goes_out_with_the_correction(editor, tenant):
    result = a_result(tenant)

    response = press(
        editor,
        result,
        "send",
        body="It left yesterday.",
        subject="Soon",
        email_type="request",
    )

    assert response.redirect_chain == [(LIST, 302)]
    email = EmailLog.objects.get()
    assert (email.subject, email.content.text[:18]) == ("Soon", "It left yesterday.")
    kept = Feedback.objects.get()
    assert (kept.action, kept.email_type) == ("edited", "request")


def test_a_mail_can_be_ignored_or_its_verdict_corrected_and_then_it_waits(editor, tenant):
    ignored, corrected = a_result(tenant), a_result(tenant)

    press(editor, ignored, "ignore")
    press(editor, corrected, "correct", email_type="complaint", urgency="high", comment="Angry")

    assert EmailLog.objects.count() == 0
    kept = Feedback.objects.order_by("pk").values_list("action", "email_type", "comment")
    assert list(kept) == [("ignored", "", ""), ("corrected", "complaint", "Angry")]
    waiting = editor.get(LIST)
    assert list(waiting.context["cl"].result_list) == [corrected]
    [rows] = re.findall(r"<tbody.*</tbody>", shown(waiting), re.DOTALL)
    assert "waiting" in rows
    assert "reviewed" not in rows


def test_a_corrected_mail_that_is_to_be_answered_stays_open_for_its_answer(editor, tenant):
    result, other = a_result(tenant), a_result(tenant)

    stays = press(editor, result, "correct", urgency="high", body="Typed at length")
    goes = press(editor, result, "correct", decision="ignore")
    sent = press(editor, result, "send")

    assert stays.context["result"] == result
    assert "The correction was saved." in shown(stays)
    assert "Typed at length" in shown(stays)
    assert goes.redirect_chain == [(page(other), 302)]
    assert "goes out" in shown(sent)


def test_after_an_action_the_next_in_the_queue_comes_and_at_its_end_the_first(editor, tenant):
    rows = [
        a_result(tenant, received_at=NOON + timedelta(hours=hour), urgency=urgency)
        for hour, urgency in enumerate(["high", "medium", "medium", "low", ""])
    ]

    following = [editor.get(page(row)).context["next"] for row in rows]

    assert following == [*rows[1:], rows[0]]


def test_a_text_is_needed_to_send(editor, tenant):
    response = press(editor, a_result(tenant), "send", body="  ")

    assert "There is no text to send." in shown(response)
    assert EmailLog.objects.count() == 0


def test_a_refusal_is_told_and_what_was_typed_is_kept(editor, tenant):
    delivery.suppress("ana@example.com", tenant=tenant)

    response = press(editor, a_result(tenant), "send", body="Typed at length")

    assert "This address is suppressed" in shown(response)
    assert "Typed at length" in shown(response)
    assert Feedback.objects.count() == 0


def test_two_people_with_the_same_page_open_send_one_answer(editor, tenant):
    result = a_result(tenant)
    stale = filled(editor.get(page(result)), "send")
    staff(tenant, "admin").post(page(result), stale)

    response = editor.post(page(result), stale | {"body": "Mine"}, follow=True)

    assert "Somebody else answered or reviewed this mail meanwhile" in shown(response)
    assert EmailLog.objects.count() == 1


def test_what_a_colleague_ignored_is_not_answered_from_an_old_page(editor, tenant):
    result = a_result(tenant)
    stale = filled(editor.get(page(result)), "send")
    press(staff(tenant, "admin"), result, "ignore")

    response = editor.post(page(result), stale, follow=True)

    assert "Somebody else answered or reviewed this mail meanwhile" in shown(response)
    assert EmailLog.objects.count() == 0


def test_an_answer_in_the_conversation_stops_the_button_until_it_was_seen(editor, tenant):
    result, other = (a_result(tenant, thread_id="t1") for _ in range(2))
    stale = filled(editor.get(page(result)), "send", body="Mine")
    email = review.answer(other, Reply("By a colleague"), by="rita", at=NOON + timedelta(hours=1))

    stopped = editor.post(page(result), stale)

    assert "nothing was sent" in shown(stopped)
    assert f"/admin/logs/emaillog/{email.pk}/change/" in shown(stopped)
    assert "Mine" in shown(stopped)
    assert EmailLog.objects.count() == 1

    editor.post(page(result), stale | {"known": stopped.context["known"]})
    assert EmailLog.objects.count() == 2


# Whose


def test_a_viewer_reads_the_draft_and_can_press_nothing(tenant):
    viewer = staff(tenant, "viewer")
    result = a_result(tenant)

    text = shown(viewer.get(page(result)))

    assert "your order leaves tomorrow." in text
    assert 'name="verb"' not in text
    for verb in ("send", "ignore", "correct"):
        assert viewer.post(page(result), {"verb": verb, "body": "Hi"}).status_code == 403
    assert (EmailLog.objects.count(), Feedback.objects.count()) == (0, 0)


def test_staff_of_another_tenant_find_nothing(other_tenant, tenant):
    stranger = staff(other_tenant, "owner")
    result = a_result(tenant, subject="Secret")

    assert "Secret" not in shown(stranger.get(f"{LIST}?state=all"))
    assert stranger.get(page(result)).status_code in (302, 404)
    assert stranger.post(page(result), {"verb": "ignore"}).status_code in (302, 404)
    assert Feedback.objects.count() == 0


def test_no_answer_leaves_by_another_tenants_account(editor, tenant, other_tenant):
    foreign = make_account(make_domain(other_tenant, "foreign.test"))

    response = press(editor, a_result(tenant), "send", account=foreign.pk)

    assert "Select a valid choice" in shown(response)
    assert EmailLog.objects.count() == 0


def test_nobody_adds_changes_or_deletes_results(tenant):
    owner = staff(tenant, "owner")
    result = a_result(tenant)

    assert owner.get(f"{LIST}add/").status_code == 403
    assert owner.post(f"{LIST}{result.pk}/delete/", {"post": "yes"}).status_code == 403
    assert owner.post(page(result), {"verb": "delete"}).status_code == 200
    assert TriageResult.objects.filter(pk=result.pk, reviewed_at=None).exists()
