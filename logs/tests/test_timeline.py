"""A message's history says in words what happened, and why."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django.utils.html import strip_tags

from logs import timeline
from logs.models import EmailEvent, EventType
from logs.tests.builders import NOON, an_email
from logs.tests.test_admin import an_attachment, page
from logs.timeline import steps
from tests.staff import staff


@pytest.fixture
def viewer(tenant):
    return staff(tenant, "viewer")


def step_of(email, kind: str, **data) -> timeline.Step:
    event = EmailEvent.objects.create(
        tenant=email.tenant, email=email, type=kind, at=NOON, data=data
    )
    return steps(email, [event])[-1]


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (
            "failed",
            {
                "reason": "suppressed",
                "suppression_reason": "complaint",
                "topic": None,
                "since": "2026-02-01T10:00:00+00:00",
            },
            "the recipient reported mail as spam. Since 1 Feb 2026, 10:00:00.",
        ),
        ("failed", {"reason": "expired"}, "It was tried for five days without success."),
        ("failed", {"reason": "refused_at_rcpt", "smtp_code": 550}, "refused the recipient."),
        ("deferred", {"reason": "outcome_unknown", "attempt": 2}, "nobody knows whether"),
        ("deferred", {"reason": "Connection refused"}, "Connection refused"),
        ("deferred", {"recipient": "ana@example.com", "reason": "busy"}, "still tries"),
        ("bounced", {"recipient": "ana@example.com", "bounce_type": "soft"}, "Soft bounce"),
        ("sent", {"reason": "test_mode"}, "it was kept here and went nowhere"),
        ("opened", {"machine": True, "machine_reason": "gmail_proxy"}, "Gmail's image proxy"),
        ("failed", {"reason": "brand_new_code"}, "brand_new_code"),
        (
            "sent",
            {"left_out": {"rui@example.com": {"suppression_reason": "manual"}}},
            "rui@example.com: Mail is kept from the recipient: somebody entered the address",
        ),
    ],
)
def test_a_step_says_why(tenant, kind, data, words):
    assert words in " ".join(step_of(an_email(tenant), kind, **data).why)


def test_a_step_quotes_what_the_server_said(tenant):
    email = an_email(tenant, status="sent", smtp_response="250 2.0.0 queued as 42")

    sent = step_of(email, "sent", smtp_code=250, enhanced_code="2.0.0")
    deferred = step_of(email, "deferred", smtp_code=450, reason="450 4.2.0 greylisted")
    several = step_of(email, "sent", smtp_code=250, recipients={"rui@example.com": "250 ok"})

    assert sent.replies == ((None, "250 2.0.0 queued as 42"),)
    assert ("SMTP code", 250) in sent.facts
    assert deferred.replies == ((None, "450 4.2.0 greylisted"),)
    assert several.replies == (("rui@example.com", "250 ok"),)


@pytest.mark.parametrize(
    ("reason", "smtp_code"),
    [
        ("The server could not be reached.", None),
        ("The server closed the connection. The server did not answer in time.", None),
        ("The server is closing the connection; it may work later.", 421),
    ],
)
def test_why_a_try_failed_is_told_in_the_readers_language(tenant, reason, smtp_code):
    email = an_email(tenant)

    with translation.override("pt"):
        step = step_of(email, "deferred", reason=reason, smtp_code=smtp_code)

    said = [*step.why, *(reply for _to, reply in step.replies)]
    assert len(said) == 1
    assert "The server" not in said[0]


def test_the_last_reply_is_not_put_into_the_mouth_of_an_earlier_attempt(tenant):
    email = an_email(tenant, status="sent", smtp_response="250 ok")
    for minute, kind in enumerate(["failed", "sent"]):
        EmailEvent.objects.create(
            tenant=tenant,
            email=email,
            type=kind,
            at=NOON + timedelta(minutes=minute),
            data={"smtp_code": 250, "reason": "refused_at_rcpt" if kind == "failed" else ""},
        )

    _accepted, failed, sent = steps(email, list(email.events.order_by("at")))

    assert failed.replies == ()
    assert sent.replies == ((None, "250 ok"),)


def test_people_and_machines_are_told_apart(tenant):
    email = an_email(tenant)

    assert step_of(email, "clicked", machine=False, url="https://x.test/").who == "by a person"
    assert step_of(email, "clicked", machine=True).who == "by a machine"
    assert step_of(email, "sent").who == ""


def test_every_kind_of_event_has_its_words(tenant):
    assert set(timeline.TITLES) == set(EventType)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "It goes out on 1 Mar 2026, 12:00:00"),
        ({"retry_count": 1}, "It is tried again on 1 Mar 2026, 12:00:00."),
        ({"status": "sending"}, "It is being sent at this moment."),
        ({"status": "sent"}, ""),
    ],
)
def test_the_page_says_what_comes_next(tenant, fields, words):
    assert words in timeline.coming(an_email(tenant, **fields))
    assert bool(words) is bool(timeline.coming(an_email(tenant, **fields)))


# On the page


def test_times_are_those_of_the_tenant(tenant):
    tenant.timezone = "America/Sao_Paulo"
    tenant.save()

    shown = staff(tenant, "viewer").get(page(an_email(tenant))).content.decode()

    assert "Times are those of America/Sao_Paulo." in shown
    assert "1 Mar 2026, 09:00:00" in shown
    assert "12:00:00" not in shown
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("", 'src="/admin/logs/emaillog/'),
        ("text", "Thank you in words"),
        ("headers", "<dt>Message-ID:</dt>"),
        ("source", "/source/"),
        ("nonsense", 'src="/admin/logs/emaillog/'),
    ],
)
def test_the_content_has_its_views(viewer, tenant, view, words):
    email = an_email(tenant, content={"html": "<p>Thanks</p>", "text": "Thank you in words"})

    shown = viewer.get(page(email), {"view": view}).content.decode()

    assert words in shown
    assert shown.count('aria-current="true"') == 1


def test_a_removed_content_says_so_and_offers_nothing(tenant):
    email = an_email(tenant, status="failed")
    email.content.removed_at = timezone.now()
    email.content.save()

    shown = staff(tenant, "editor").get(page(email)).content.decode()

    assert "What this message said was removed." in shown
    assert "/raw/" not in shown
    assert 'name="_selected_action"' not in shown


def test_other_messages_to_the_address_stand_beside_it(viewer, tenant, other_tenant):
    email = an_email(tenant, subject="This one")
    earlier = an_email(tenant, subject="Earlier")
    an_email(tenant, subject="To Rui", to_address="rui@example.com")
    an_email(other_tenant, subject="Theirs")

    shown = viewer.get(page(email)).content.decode()

    others = shown[shown.index("Other messages to this address") :]
    assert page(earlier) in others
    assert page(email) not in others
    assert "To Rui" not in others
    assert "Theirs" not in others


def test_much_history_costs_as_many_queries_as_little(viewer, tenant):
    email = an_email(tenant)
    viewer.get(page(email))
    with CaptureQueriesContext(connection) as few:
        viewer.get(page(email))
    for number in range(30):
        step_of(email, "opened", machine=bool(number % 2))
        an_email(tenant)
        an_attachment(email) if number < 1 else None

    with CaptureQueriesContext(connection) as many:
        viewer.get(page(email))

    assert len(many) == len(few)


def test_every_link_of_a_viewers_page_answers_and_nothing_can_be_pressed(viewer, tenant):
    email = an_email(tenant, content={"html": "<p>Hi</p>"})
    an_attachment(email)
    an_email(tenant)
    shown = viewer.get(page(email)).content.decode()
    part = shown[shown.index('<div class="message">') : shown.index('id="emaillog_form"')]

    links = set(re.findall(r'(?:href|src|hx-get)="(/admin/[^"]+)"', part))

    assert len(links) > 5
    for link in links:
        assert viewer.get(link.replace("&amp;", "&")).status_code == 200, link
    assert 'name="_selected_action"' not in shown


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("queued", ["retry", "cancel"]),
        ("failed", ["retry"]),
        ("sending", []),
        ("sent", []),
        ("bounced", []),
        ("cancelled", []),
    ],
)
def test_an_editor_is_offered_what_the_state_allows_and_all_of_it_works(tenant, status, offered):
    editor = staff(tenant, "editor")
    for name in offered or [""]:
        email = an_email(tenant, status=status)
        shown = editor.get(page(email)).content.decode()
        assert re.findall(r'action="[^"]*/(retry|cancel)/"', shown) == offered
        if name:
            answer = editor.post(page(email, name), follow=True).content.decode()
            assert "left alone" not in answer


def told(response) -> list[str]:
    """The steps of a message's page, each as one line."""
    entries = re.findall(r'<li class="is-.*?</li>', response.content.decode(), re.DOTALL)
    return [" ".join(strip_tags(entry).split()) for entry in entries]


def test_a_message_that_is_sent_now_was_scheduled_all_the_same_and_tells_by_whom(tenant):
    later = timezone.now() + timedelta(days=3)
    email = an_email(tenant, send_at=later, next_attempt_at=later)
    editor = staff(tenant, "editor")
    scheduled = f"To be sent on {timeline.instant(later)}."
    assert scheduled in told(editor.get(page(email)))[0]

    accepted, now = told(editor.post(page(email, "retry"), follow=True))

    assert scheduled in accepted
    assert "Told to go out now by editor-shop" in now
    assert scheduled not in now


def test_a_message_that_is_cancelled_by_hand_tells_by_whom(tenant):
    email = an_email(tenant)
    editor = staff(tenant, "editor")

    assert "Cancelled by editor-shop" in told(editor.post(page(email, "cancel"), follow=True))[1]


@pytest.mark.parametrize("language", ["pt", "pt-br"])
def test_the_words_are_made_when_they_are_read(tenant, language):
    with translation.override(language):
        step = step_of(an_email(tenant), "failed", reason="expired")

        assert step.why == (str(timeline.REASONS["expired"]),)
