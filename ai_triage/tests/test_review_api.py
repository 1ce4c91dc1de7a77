"""Feedback and replies over the API."""

from __future__ import annotations

import pytest

from ai_triage.judging import opinion
from ai_triage.models import Feedback, TriageResult
from ai_triage.tests.waiting import DRAFT, a_mail_in, a_result, a_result_of
from conftest import client_of
from delivery import services as delivery
from logs.models import EmailLog

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def orders(tenant, account):
    account.default_for = tenant
    account.save()
    return account


@pytest.fixture
def result(tenant):
    return a_result(tenant, email_id="box/msg 1")


def url(result, verb):
    return f"/api/v1/emails/{result.email_id}/{verb}"


def code(response):
    return response.json()["errors"][0]["code"]


# Feedback


def test_feedback_corrects_what_it_names_and_marks_the_mail_reviewed(api, result):
    body = {"email_type": "complaint", "urgency": "medium", "comment": "Furious"}

    answer = api.post(url(result, "feedback"), body)

    assert answer.status_code == 201
    kept = answer.json()
    assert kept | {"by": "", "created_at": ""} == {
        "email_id": "box/msg 1",
        "action": "corrected",
        "decision": None,
        "email_type": "complaint",
        "urgency": "medium",
        "comment": "Furious",
        "by": "",
        "created_at": "",
    }
    assert kept["by"].startswith("test (sk_live_")
    result.refresh_from_db()
    assert result.reviewed_at is not None
    assert result.email_type == "question"


def test_feedback_leaves_a_mail_waiting_for_its_answer_unless_it_needs_none(api, result):
    waiting = TriageResult.objects.waiting_for_person()

    api.post(url(result, "feedback"), {"urgency": "high"})
    assert waiting.get() == result
    api.post(url(result, "feedback"), {"decision": "ignore"})

    assert not waiting.exists()


@pytest.mark.parametrize(("urgency", "action"), [("low", "approved"), ("high", "corrected")])
def test_feedback_is_given_back_as_it_was_said(api, tenant, urgency, action):
    result = a_result(tenant, urgency="low")

    kept = api.post(url(result, "feedback"), {"urgency": urgency}).json()

    assert (kept["urgency"], kept["action"]) == (urgency, action)
    assert (kept["decision"], kept["email_type"], kept["comment"]) == (None, None, "")


def test_feedback_takes_earlier_feedback_back(api, result):
    for urgency in ("high", "medium"):
        api.post(url(result, "feedback"), {"urgency": urgency})

    assert opinion(result, *result.feedback.all()).urgency == "medium"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "maybe"},
        {"urgency": 1},
        {"comment": "x" * 2001},
        {"comment": None},
        {"confidence": 1},
        [],
    ],
)
def test_feedback_that_says_nothing_or_nonsense_is_refused(api, result, body):
    assert api.post(url(result, "feedback"), body).status_code == 422
    assert Feedback.objects.count() == 0


def test_feedback_before_the_verdict_comes_too_early(api, tenant):
    result = a_result(tenant, status="processing", decision="")

    answer = api.post(url(result, "feedback"), {"decision": "ignore"})

    assert (answer.status_code, code(answer)) == (409, "no_verdict")


# Reply


def test_the_suggestion_is_sent_and_the_status_tells_of_it(api, result):
    answer = api.post(url(result, "reply"), {"from_account": "orders@shop.test"})

    assert answer.status_code == 202
    sent = answer.json()
    assert set(sent) == {
        "tracking_id",
        "status",
        "from_address",
        "to_address",
        "template_id",
        "queued_at",
        "send_at",
    }
    assert (sent["status"], sent["to_address"]) == ("queued", "ana@example.com")
    status = api.get(url(result, "status")).json()
    assert status["response_sent"] is True
    assert status["response_details"]["tracking_id"] == sent["tracking_id"]
    assert status["response_details"]["status"] == "queued"
    content = api.get(f"/api/v1/logs/{sent['tracking_id']}/content").json()
    assert content["subject"] == "Re: My order"
    assert content["text_content"].startswith(DRAFT)


def test_an_edited_answer_goes_threaded_as_it_was_written(api, tenant):
    result = a_result_of(a_mail_in(tenant))
    body = {"subject": "Re: Your parcel", "body": "Tomorrow."}

    sent = api.post(url(result, "reply"), body).json()

    content = api.get(f"/api/v1/logs/{sent['tracking_id']}/content").json()
    assert content["subject"] == "Re: Your parcel"
    assert content["text_content"].startswith("Tomorrow.\n\nOn ")
    assert content["headers"]["In-Reply-To"] == "<q1@example.com>"
    assert Feedback.objects.get().action == "edited"


def test_a_second_reply_is_refused(api, result):
    assert api.post(url(result, "reply"), {}).status_code == 202

    again = api.post(url(result, "reply"), {"body": "Once more"})

    assert again.status_code == 409
    assert EmailLog.objects.count() == 1


def test_the_same_request_again_gets_the_first_answer(api, result):
    first, second = (
        api.post(url(result, "reply"), {"body": "Hi"}, headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    )

    assert second.json() == first.json()
    assert second["Idempotent-Replayed"] == "true"
    assert EmailLog.objects.count() == 1


def test_without_a_suggestion_a_body_is_needed(api, tenant):
    result = a_result(tenant, decision="ignore", suggested_body="")

    answer = api.post(url(result, "reply"), {})

    assert (answer.status_code, code(answer)) == (422, "required")
    assert answer.json()["errors"][0]["attr"] == "body"
    assert api.post(url(result, "reply"), {"body": "Hi"}).status_code == 202


@pytest.mark.parametrize("status", ["queued", "processing", "failed"])
def test_a_person_may_answer_in_own_words_before_there_is_a_verdict(api, tenant, status):
    result = a_result(tenant, status=status, decision="", suggested_body="")

    assert api.post(url(result, "reply"), {"body": "Hi"}).status_code == 202


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"from_account": "nobody@shop.test"}, "from_account"),
        ({"from_account": True}, "from_account"),
        ({"subject": "Hi\r\nBcc: evil@example.com"}, "subject"),
        ({"subject": "x" * 999}, "subject"),
        ({"body": ["Hi"]}, "body"),
        ({"body": "x" * 100_001}, "body"),
        ({"to_address": "evil@example.com"}, "to_address"),
        ({"cc": ["evil@example.com"]}, "cc"),
    ],
)
def test_a_reply_that_cannot_be_sent_names_its_field_and_changes_nothing(api, result, body, attr):
    answer = api.post(url(result, "reply"), body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["attr"] == attr
    result.refresh_from_db()
    assert (result.responded_at, result.reviewed_at, EmailLog.objects.count()) == (None, None, 0)


def test_a_suppressed_sender_gets_no_reply(api, tenant, result):
    delivery.suppress("ana@example.com", tenant=tenant)

    answer = api.post(url(result, "reply"), {})

    assert (answer.status_code, code(answer)) == (422, "suppressed")
    assert TriageResult.objects.get().responded_at is None


# Whose


@pytest.mark.parametrize("verb", ["feedback", "reply"])
def test_another_tenants_mail_is_not_found(other_api, result, verb):
    assert other_api.post(url(result, verb), {"body": "Hi"}).status_code == 404
    assert EmailLog.objects.count() == 0


def test_a_test_key_answers_test_mail_and_its_answer_is_captured(tenant, result):
    test_api = client_of(tenant, mode="test")
    own = a_result(tenant, mode="test")

    assert test_api.post(url(result, "reply"), {}).status_code == 404
    sent = test_api.post(url(own, "reply"), {})

    assert sent.status_code == 202
    assert EmailLog.objects.get().mode == "test"


@pytest.mark.parametrize(
    ("scopes", "feedback", "reply"),
    [
        (["triage:process"], 201, 403),
        (["triage:process", "emails:send"], 201, 202),
        (["emails:send"], 403, 403),
        (["triage:read"], 403, 403),
    ],
)
def test_to_reply_a_key_must_be_allowed_to_send_as_well(tenant, result, scopes, feedback, reply):
    client = client_of(tenant, scopes=scopes)

    assert client.post(url(result, "feedback"), {"urgency": "low"}).status_code == feedback
    assert client.post(url(result, "reply"), {}).status_code == reply
