"""``POST /emails/send-bulk``: one template, many recipients, nobody lost without a word."""

from __future__ import annotations

import pytest

from delivery.models import SendBatch
from delivery.services import suppress
from logs.models import EmailContent, EmailLog, EmailTag
from tests.factories import make_template

URL = "/api/v1/emails/send-bulk"
pytestmark = pytest.mark.django_db


@pytest.fixture
def newsletter(tenant):
    return make_template(
        tenant,
        "news",
        subject="News of {{ month }} for {{ name }}",
        html="<p>{{ name }}: {{ month }} <a href='{{ unsubscribe_url }}'>out</a></p>",
        template_type="newsletter",
    )


def batch(account, recipients, **changes) -> dict:
    return {
        "template_id": "news",
        "from_account": account.email_address,
        "recipient_list": recipients,
        "variables_global": {"month": "May", "name": "customer"},
    } | changes


def test_each_recipient_gets_a_message_of_his_own(api, account, newsletter):
    recipients = ["ana@example.com", {"to_address": "r@example.com", "variables": {"name": "Rui"}}]

    response = api.post(URL, batch(account, recipients, tags=["may"], priority="low"))

    answer = response.json()
    emails = EmailLog.objects.filter(batch_id=answer["batch_id"]).order_by("id")
    assert response.status_code == 202
    assert (answer["accepted"], answer["rejected"]) == (2, [])
    assert [email.subject for email in emails] == [
        "News of May for customer",
        "News of May for Rui",
    ]
    assert {email.topic for email in emails} == {"newsletter"}
    assert EmailTag.objects.filter(tag="may").count() == 2
    assert EmailContent.objects.count() == 1


def test_recipients_who_cannot_be_mailed_are_rejected_one_by_one(api, tenant, account, newsletter):
    suppress("gone@example.com", tenant=tenant, topic="newsletter")
    recipients = [
        "ana@example.com",
        "ANA@example.com",
        "bad@@example.com",
        "gone@example.com",
        {"to_address": "line@example.com", "variables": {"name": "a\nb"}},
    ]

    answer = api.post(URL, batch(account, recipients)).json()

    assert answer["accepted"] == 1
    assert [(row["index"], row["to_address"], row["code"]) for row in answer["rejected"]] == [
        (1, "ANA@example.com", "duplicate"),
        (2, "bad@@example.com", "invalid"),
        (3, "gone@example.com", "suppressed"),
        (4, "line@example.com", "invalid"),
    ]
    assert all(row["detail"] for row in answer["rejected"])


def test_a_variable_that_only_some_have_rejects_the_others(api, account, newsletter):
    recipients = ["a@example.com", {"to_address": "b@example.com", "variables": {"name": "B"}}]

    answer = api.post(URL, batch(account, recipients, variables_global={"month": "May"})).json()

    assert answer["accepted"] == 1
    assert [(row["index"], row["code"]) for row in answer["rejected"]] == [(0, "missing_variable")]
    assert "name" in answer["rejected"][0]["detail"]


def test_a_batch_of_nobody_is_still_accepted(api, account, newsletter):
    response = api.post(URL, batch(account, ["bad"]))

    assert response.status_code == 202
    assert response.json()["accepted"] == 0
    assert SendBatch.objects.get().accepted == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"recipient_list": []}, ("empty", "recipient_list")),
        ({"recipient_list": "ana@example.com"}, ("not_a_list", "recipient_list")),
        ({"recipient_list": [7]}, ("invalid", "recipient_list.0")),
        ({"recipient_list": ["a@b.test", {}]}, ("required", "recipient_list.1.to_address")),
        (
            {"recipient_list": [{"to_address": "a@b.test", "variables": []}]},
            ("not_a_dict", "recipient_list.0.variables"),
        ),
        (
            {"recipient_list": [{"to_address": "a@b.test", "cc": []}]},
            ("unknown_field", "recipient_list.0.cc"),
        ),
        ({"recipient_list": ["a@b.test"] * 10_001}, ("max_length", "recipient_list")),
        ({"template_id": "nothing"}, ("not_found", "template_id")),
        ({"subject": "x"}, ("unknown_field", "subject")),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_whole(
    api, account, newsletter, changes, expected
):
    response = api.post(URL, batch(account, ["a@example.com"], **changes))

    error = response.json()["errors"][0]
    assert response.status_code == 422
    assert (error["code"], error["attr"]) == expected
    assert not EmailLog.objects.exists()


def test_ten_thousand_recipients_are_stored_by_many_to_a_statement(
    api, account, newsletter, django_assert_max_num_queries
):
    recipients = [f"r{number}@example.com" for number in range(10_000)]

    with django_assert_max_num_queries(600):  # SQLite takes 999 parameters at once
        answer = api.post(URL, batch(account, recipients)).json()

    assert answer["accepted"] == 10_000
    assert EmailLog.objects.filter(batch_id=answer["batch_id"]).count() == 10_000


def test_the_same_key_makes_one_batch(api, account, newsletter):
    first = api.post(URL, batch(account, ["a@b.test"]), headers={"Idempotency-Key": "k"})
    again = api.post(URL, batch(account, ["a@b.test"]), headers={"Idempotency-Key": "k"})

    assert again.json() == first.json()
    assert SendBatch.objects.count() == 1


def test_another_tenants_template_does_not_exist(other_api, newsletter):
    response = other_api.post(
        URL, {"template_id": newsletter.pk, "recipient_list": ["a@example.com"]}
    )

    assert response.status_code == 422
    assert response.json()["errors"][0]["code"] == "not_found"
