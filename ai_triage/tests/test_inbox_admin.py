"""Staff clear the triage inbox: one mail after the other, with what helps to decide."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from ai_triage import review
from ai_triage.models import Draft, Feedback, TriageResult
from ai_triage.replies import Reply
from ai_triage.tests.waiting import DRAFT, a_mail_in, a_result, a_result_of
from delivery import services as delivery
from logs.models import EmailLog
from logs.tests.builders import NOON, claimed
from tenants.models import Membership
from tests.factories import make_account, make_domain
from tests.staff import staff

pytestmark = pytest.mark.django_db
INBOX = "/admin/ai_triage/triageresult/inbox/"
HTMX = {"HTTP_HX_REQUEST": "true"}
PAYLOADS = [
    "<script>alert(1)</script>",
    "</pre></textarea></title><svg/onload=alert(1)>",
    '" autofocus onfocus=alert(1) hx-get="/x" hx-trigger="load" x="',
    "<div x-data x-init=alert(1)>",
]


@pytest.fixture
def editor(tenant):
    return staff(tenant, "editor")


@pytest.fixture
def colleague(tenant):
    return staff(tenant, "admin", first_name="Ana")


@pytest.fixture(autouse=True)
def orders(tenant, account):
    account.default_for = tenant
    account.save()
    return account


def page(result):
    return f"{INBOX}{result.pk}/"


def shown(response):
    return response.content.decode()


def filled(response, verb, **fields):
    """What the browser would send when the button is pressed."""
    context = response.context
    form = {name: value for name, value in context["form"].initial.items() if value is not None}
    own = {"verb": verb} | {name: context[name] for name in ("seen", "known", "draft")}
    return form | own | fields


def press(client, result, verb, *, htmx=False, query="", **fields):
    response = client.get(page(result) + query)
    extra = HTMX if htmx else {}
    return client.post(page(result) + query, filled(response, verb, **fields), follow=True, **extra)


def undo(client, result, **extra):
    said = result.feedback.order_by("pk").last()
    return client.post(f"{page(result)}undo/", {"act": said.pk}, follow=True, **extra)


def subjects(response):
    return [row.subject for row, _looker in response.context["rows"]]


# The list


def test_the_navigation_leads_to_the_inbox_and_marks_it_on_each_of_its_pages(editor, tenant):
    result = a_result(tenant)

    for path in ("/admin/", page(result), "/admin/ai_triage/triageresult/"):
        groups = editor.get(path).context["sidebar_navigation"]
        [entry] = [one for group in groups for one in group["items"] if one["link"] == INBOX]
        assert entry["active"] is (path != "/admin/")


def test_the_queue_is_shown_by_urgency_then_age_with_its_first_mail(editor, tenant):
    a_result(tenant, subject="Low", urgency="low")
    a_result(tenant, subject="Newer", urgency="high", received_at=NOON + timedelta(hours=1))
    a_result(tenant, subject="Older", urgency="high")
    a_result(tenant, subject="Not judged", urgency="", decision="", needs_review=True)
    a_result(tenant, subject="Newsletter", decision="ignore")

    response = editor.get(INBOX)

    assert subjects(response) == ["Older", "Newer", "Low", "Not judged"]
    assert response.context["result"].subject == "Older"
    counted = {str(one["title"]): one["count"] for one in response.context["urgencies"]}
    assert counted == {"all": "4", "high": "2", "medium": "0", "low": "1", "not judged": "1"}


def test_an_empty_queue_says_so(editor):
    assert "Nothing waits" in shown(editor.get(INBOX))


def test_the_queue_is_narrowed_by_urgency_and_tenant(editor, tenant, other_tenant):
    Membership.objects.create(tenant=other_tenant, user=User.objects.get(), role="editor")
    a_result(tenant, subject="Mine", urgency="high")
    a_result(other_tenant, subject="Theirs", urgency="low")

    by_urgency = editor.get(f"{INBOX}?urgency=low")
    by_tenant = editor.get(f"{INBOX}?tenant={tenant.pk}")
    nonsense = editor.get(f"{INBOX}?tenant=x&urgency=<b>")

    assert subjects(by_urgency) == ["Theirs"]
    assert subjects(by_tenant) == ["Mine"]
    assert len(subjects(nonsense)) == 2


def test_more_of_a_long_queue_follows_by_its_last_mail(editor, tenant):
    for number in range(90):
        a_result(tenant, subject=f"{number:02}", received_at=NOON + timedelta(minutes=number // 7))

    first = editor.get(INBOX)
    second = editor.get(INBOX + first.context["more"], **HTMX)
    third = editor.get(INBOX + second.context["more"], **HTMX)

    found = [*subjects(first), *subjects(second), *subjects(third)]
    assert found == [f"{number:02}" for number in range(90)]
    assert third.context["more"] == ""
    assert 'id="inbox-filters"' not in shown(second)
    assert "<html" not in shown(second)


def queries(client, path):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def test_the_pages_take_the_same_number_of_queries_whatever_waits(editor, tenant):
    result = a_result(tenant, thread_id="t1")
    paths = (INBOX, page(result))
    before = [queries(editor, path) for path in paths]
    for number in range(12):
        other = a_result(tenant, urgency="low", from_address=f"p{number}@example.com")
        if number < 6:
            review.answer(other, Reply("Hi"), by="rita", at=NOON - timedelta(days=1))
    TriageResult.objects.update(thread_id="t1")

    after = [queries(editor, path) for path in paths]

    assert after == before
    assert max(after) <= 30


# One mail


def test_a_mail_shows_what_helps_to_decide(editor, tenant):
    body = "Where is it?\r\n\r\nOn Monday, Shop wrote:\r\n> Your order 4711"
    mail = a_mail_in(tenant, body=body)
    earlier = a_result(tenant, thread_id=mail.thread_key, body="An earlier mail", subject="First")
    review.answer(earlier, Reply("An earlier answer"), by="rita", at=NOON - timedelta(days=1))
    result = a_result_of(
        mail,
        confidence="0.62",
        needs_review=True,
        review_reason="low_confidence",
        never_auto_reply="no_reply_address",
    )

    text = shown(editor.get(page(result)))

    for part in (
        "Ana &lt;ana@example.com&gt;",
        "A direct question",
        "unsure (62 %)",
        "low confidence",
        str(result.get_never_auto_reply_display()),
        "An earlier mail",
        "An earlier answer",
        "your order leaves tomorrow.",
        f"/admin/inbox/inboundemail/{mail.pk}/change/",
    ):
        assert part in text
    own, quoted = text.split("Quoted text")[:2]
    assert "Where is it?" in own
    assert "Your order 4711" in quoted


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        ("1.00", "almost certain"),
        ("0.80", "fairly sure"),
        ("0.79", "unsure"),
        ("0.00", "little more than a guess"),
    ],
)
def test_a_confidence_is_said_in_words(editor, tenant, confidence, words):
    result = a_result(tenant, confidence=confidence)

    assert words in shown(editor.get(page(result)))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_a_mail_or_a_model_is_markup(editor, colleague, tenant, payload):
    texts = ("from_name", "subject", "body", "reason", "suggested_subject", "suggested_body")
    given = dict.fromkeys(texts, payload) | {"thread_id": "t", "attachments": [payload]}
    result, _other = a_result(tenant, **given), a_result(tenant, **given)
    review.keep_draft(result, Reply(payload, payload), by=payload, at=NOON)
    User.objects.filter(first_name="Ana").update(first_name=payload)
    colleague.get(page(result))

    for response in (
        editor.get(INBOX),
        editor.get(page(result)),
        editor.get(page(result), **HTMX),
        editor.post(f"{page(result)}look/", {"seen": ""}),
        press(editor, result, "ignore", htmx=True),
    ):
        assert payload not in shown(response)
        assert response.status_code == 200
    assert escape(payload) in shown(editor.get(page(result)))


def test_htmx_gets_the_part_and_everybody_else_the_page(editor, tenant):
    result = a_result(tenant)

    part = editor.get(page(result), **HTMX)
    whole = editor.get(page(result), **HTMX, HTTP_HX_HISTORY_RESTORE_REQUEST="true")

    assert "<html" not in shown(part)
    assert part["X-Inbox"] == "1"
    assert "<html" in shown(whole)


# Acts


def test_an_approved_draft_goes_in_ten_seconds_and_the_next_mail_comes(editor, tenant):
    first, second = a_result(tenant, urgency="high"), a_result(tenant, subject="The next one")
    before = timezone.now()

    response = press(editor, first, "send")

    email = EmailLog.objects.get()
    assert email.content.text.startswith(DRAFT)
    assert before + timedelta(seconds=10) <= email.send_at <= timezone.now() + timedelta(seconds=10)
    assert response.redirect_chain[0][0].startswith(page(second))
    assert "The answer to ana@example.com goes out in 10 seconds." in shown(response)
    assert f'action="{page(first)}undo/"' in shown(response)
    assert Feedback.objects.get().action == "approved"


def test_with_htmx_the_next_mail_the_list_and_the_word_on_it_come_at_once(editor, tenant):
    first, second = a_result(tenant, urgency="high"), a_result(tenant, subject="The next one")

    response = press(editor, first, "ignore", htmx=True)

    assert response["HX-Replace-Url"] == page(second)
    assert response["X-Settled"] == str(first.pk)
    assert response.context["result"] == second
    assert subjects(response) == ["The next one"]
    assert "The mail is left unanswered." in shown(response)
    assert f'action="{page(first)}undo/"' in shown(response)


def test_the_last_mail_leaves_an_empty_inbox(editor, tenant):
    response = press(editor, a_result(tenant), "ignore", htmx=True)

    assert response["HX-Replace-Url"] == INBOX
    assert "Nothing waits" in shown(response)


def test_what_is_chosen_stays_chosen(editor, tenant):
    first, _low = a_result(tenant, urgency="high"), a_result(tenant, urgency="low")
    second = a_result(tenant, urgency="high")

    response = press(editor, first, "ignore", htmx=True, query="?urgency=high")

    assert response["HX-Replace-Url"] == f"{page(second)}?urgency=high"
    assert response.context["rows"] == [(second, None)]


def test_a_draft_is_saved_for_later_and_shown_to_all(editor, colleague, tenant):
    result, other = a_result(tenant), a_result(tenant)

    response = press(editor, result, "keep", body="So far", subject="Soon")

    assert response.redirect_chain == [(page(other), 302)]
    assert "The draft was saved" in shown(response)
    text = shown(colleague.get(page(result)))
    assert "So far" in text
    assert "Draft by editor-shop." in text
    assert TriageResult.objects.waiting_for_person().count() == 2


def test_two_drafts_do_not_write_over_each_other_unseen(editor, colleague, tenant):
    result = a_result(tenant)
    stale = filled(editor.get(page(result)), "keep", body="Mine")
    press(colleague, result, "keep", body="Hers")

    stopped = editor.post(page(result), stale, **HTMX)

    assert "admin-shop saved another draft meanwhile" in shown(stopped)
    assert "Mine" in shown(stopped)
    assert "X-Settled" not in stopped
    assert Draft.objects.get().body == "Hers"
    editor.post(page(result), stale | {"draft": stopped.context["draft"]})
    assert Draft.objects.get().body == "Mine"


def test_a_corrected_mail_stays_open_for_its_answer_unless_it_needs_none(editor, tenant):
    result, other = a_result(tenant), a_result(tenant)

    stays = press(editor, result, "correct", urgency="high", htmx=True)
    goes = press(editor, result, "correct", decision="ignore", htmx=True)

    assert stays.context["result"] == result
    assert stays.context["pinned"] is None
    assert [row for row, _looker in stays.context["rows"]] == [result, other]
    assert "still needs its answer" in shown(stays)
    assert goes.context["result"] == other
    assert "still needs its answer" not in shown(goes)
    assert [said.action for said in Feedback.objects.all()] == ["corrected", "corrected"]


@pytest.mark.parametrize("htmx", [True, False])
def test_a_correction_leaves_the_answer_that_is_being_typed(editor, tenant, htmx):
    result = a_result(tenant)

    stays = press(
        editor, result, "correct", urgency="high", body="Typed at length", subject="Soon", htmx=htmx
    )
    sent = editor.post(page(result), filled(stays, "send"), follow=True)

    assert "Typed at length" in shown(stays)
    assert "X-Settled" not in stays
    assert f'action="{page(result)}undo/"' in shown(stays)
    assert "goes out in 10 seconds" in shown(sent)
    email = EmailLog.objects.get()
    assert (email.subject, email.content.text[:15]) == ("Soon", "Typed at length")


def test_a_corrected_mail_is_counted_with_what_waits_and_comes_again(editor, tenant):
    result = a_result(tenant)
    press(editor, result, "correct", email_type="complaint", htmx=True)

    later = editor.get(INBOX)

    assert later.context["result"] == result
    groups = later.context["sidebar_navigation"]
    [entry] = [one for group in groups for one in group["items"] if one["link"] == INBOX]
    assert entry["badge"] == "1"
    assert {str(one["title"]): one["count"] for one in later.context["urgencies"]}["all"] == "1"


def test_a_refusal_is_told_and_what_was_typed_is_kept(editor, tenant):
    delivery.suppress("ana@example.com", tenant=tenant)

    response = press(editor, a_result(tenant), "send", body="Typed at length", htmx=True)

    assert "This address is suppressed" in shown(response)
    assert "Typed at length" in shown(response)
    assert "X-Settled" not in response
    assert Feedback.objects.count() == 0


def test_a_text_is_needed_to_send(editor, tenant):
    response = press(editor, a_result(tenant), "send", body="  ")

    assert "There is no text to send." in shown(response)
    assert EmailLog.objects.count() == 0


# Two people


def test_a_colleague_who_has_the_mail_open_is_named(editor, colleague, tenant):
    result, other = a_result(tenant, urgency="high"), a_result(tenant)
    colleague.get(page(result))

    there = editor.get(page(result))
    renewed = editor.post(f"{page(result)}look/", {"seen": ""})

    assert "Ana is looking at this mail since" in shown(there)
    assert "Ana is looking at this mail since" in shown(renewed)
    assert "Ana is looking" in shown(editor.get(INBOX))
    assert editor.get(INBOX).context["result"] == other
    colleague.get(page(other))
    assert "is looking at this mail" not in shown(editor.get(page(result)))


def test_the_next_mail_is_rather_one_that_nobody_looks_at(editor, colleague, tenant):
    first, held, free = (a_result(tenant) for _ in range(3))
    colleague.get(page(held))

    response = press(editor, first, "ignore", htmx=True)

    assert response.context["result"] == free


def test_the_second_of_two_who_answer_is_told_who_was_first(editor, colleague, tenant):
    result = a_result(tenant)
    stale = filled(editor.get(page(result)), "send", body="Mine")
    press(colleague, result, "send")

    response = editor.post(page(result), stale, **HTMX)

    assert "admin-shop answered this mail at" in shown(response)
    assert "nothing of yours was sent" in shown(response)
    assert "Mine" in shown(response)
    assert EmailLog.objects.count() == 1


def test_an_open_page_learns_that_a_colleague_was_faster(editor, colleague, tenant):
    result = a_result(tenant)
    editor.get(page(result))
    press(colleague, result, "ignore")

    response = editor.post(f"{page(result)}look/", {"seen": ""})

    assert "admin-shop reviewed this mail at" in shown(response)


def test_an_answer_in_the_conversation_stops_the_button_until_it_was_seen(editor, tenant):
    result, other = (a_result(tenant, thread_id="t1") for _ in range(2))
    stale = filled(editor.get(page(result)), "send", body="Mine")
    review.answer(other, Reply("By a colleague"), by="rita", at=NOON + timedelta(hours=1))

    stopped = editor.post(page(result), stale)

    assert "nothing was sent" in shown(stopped)
    assert "Mine" in shown(stopped)
    assert EmailLog.objects.count() == 1
    editor.post(page(result), stale | {"known": stopped.context["known"]})
    assert EmailLog.objects.count() == 2


# Undo


@pytest.mark.parametrize("extra", [{}, HTMX])
def test_an_answer_is_taken_back_with_what_was_written(editor, tenant, extra):
    result = a_result(tenant)
    press(editor, result, "send", body="Written at length")

    response = undo(editor, result, **extra)

    assert EmailLog.objects.get().status == "cancelled"
    assert "Taken back." in shown(response)
    assert response.context["form"].initial["body"] == "Written at length"
    assert TriageResult.objects.waiting_for_person().get() == result
    assert "goes out" in shown(press(editor, result, "send"))


def test_it_is_said_when_it_is_too_late(editor, tenant):
    result = a_result(tenant)
    press(editor, result, "send")
    claimed(EmailLog.objects.get(), at=timezone.now() + timedelta(seconds=11))

    response = undo(editor, result, **HTMX)

    assert "Too late: the answer has gone out." in shown(response)
    assert EmailLog.objects.get().status == "sending"


def test_after_ten_seconds_nothing_offers_to_undo(editor, tenant):
    result = a_result(tenant)
    press(editor, result, "ignore")
    Feedback.objects.update(created_at=timezone.now() - timedelta(seconds=11))
    said = Feedback.objects.get()

    assert "undo/" not in shown(editor.get(f"{INBOX}?done={said.pk}"))


def test_nobody_undoes_a_colleagues_act(editor, colleague, tenant):
    result = a_result(tenant)
    press(colleague, result, "ignore")

    assert undo(editor, result).status_code == 404
    assert Feedback.objects.count() == 1
    said = Feedback.objects.get()
    assert "undo/" not in shown(editor.get(f"{INBOX}?done={said.pk}"))


# Whose


def test_a_viewer_reads_everything_and_finds_no_button(tenant):
    viewer = staff(tenant, "viewer")
    result = a_result(tenant)
    review.keep_draft(result, Reply("Saved by ana"), by="ana", at=NOON)
    said = review.ignore(a_result(tenant), by="viewer-shop", at=timezone.now())

    text = shown(viewer.get(page(result)))

    assert "Saved by ana" in text
    assert 'name="verb"' not in text
    assert "/look/" not in text
    for verb in ("send", "ignore", "correct", "keep"):
        assert viewer.post(page(result), {"verb": verb, "body": "Hi"}).status_code == 403
    assert viewer.post(f"{page(result)}look/").status_code == 403
    assert viewer.post(f"{page(said.result)}undo/", {"act": said.pk}).status_code == 403
    assert (EmailLog.objects.count(), Feedback.objects.count()) == (0, 1)


def test_a_viewer_keeps_no_mail_from_those_who_answer(editor, tenant):
    result = a_result(tenant)
    staff(tenant, "viewer").get(page(result))

    assert "is looking" not in shown(editor.get(page(result)))


@pytest.mark.parametrize(
    ("method", "tail"), [("get", ""), ("post", ""), ("post", "look/"), ("post", "undo/")]
)
def test_staff_of_another_tenant_get_what_a_random_number_gets(other_tenant, tenant, method, tail):
    stranger = staff(other_tenant, "owner")
    result = a_result(tenant, subject="Secret")
    said = review.ignore(a_result(tenant), by="owner-other", at=NOON)
    body = {"verb": "ignore", "act": said.pk}

    answers = [
        getattr(stranger, method)(f"{INBOX}{pk}/{tail}", body) for pk in (result.pk, 99_999_999)
    ]

    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert Feedback.objects.count() == 1


def test_staff_of_another_tenant_see_nothing_in_the_list(other_tenant, tenant):
    stranger = staff(other_tenant, "owner")
    result = a_result(tenant, subject="Secret")
    said = review.ignore(a_result(tenant), by="owner-other", at=timezone.now())

    for query in ("", f"?tenant={tenant.pk}", f"?after={result.pk}", f"?done={said.pk}"):
        for extra in ({}, HTMX):
            text = shown(stranger.get(INBOX + query, **extra))
            assert "Secret" not in text
            assert "ana@example.com" not in text
            assert "undo/" not in text


def test_no_answer_leaves_by_another_tenants_account(editor, tenant, other_tenant):
    foreign = make_account(make_domain(other_tenant, "foreign.test"))

    response = press(editor, a_result(tenant), "send", account=foreign.pk)

    assert "Select a valid choice" in shown(response)
    assert EmailLog.objects.count() == 0


def test_acts_are_posted_with_a_token(tenant):
    result = a_result(tenant)
    User.objects.create_superuser("root")
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="root"))

    for tail in ("", "look/", "undo/"):
        assert client.post(page(result) + tail, {"verb": "ignore"}).status_code == 403
    for tail in ("look/", "undo/"):
        assert client.get(page(result) + tail).status_code == 405
