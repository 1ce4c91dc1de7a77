"""Mail handed in and read back over HTTP."""

from __future__ import annotations

import uuid
from base64 import b64encode

import pytest

from conftest import client_of
from inbox import services
from inbox.models import InboundEmail
from inbox.tests.mails import a_bounce_of, a_mail
from logs.tests.builders import NOON, an_email

pytestmark = pytest.mark.django_db
RAW = "/api/v1/inbound/raw"
LIST = "/api/v1/inbound"


def hand_in(client, raw: bytes, **headers):
    return client.generic("POST", RAW, raw, content_type="message/rfc822", **headers)


@pytest.fixture
def mail(tenant, domain) -> InboundEmail:
    return services.receive(a_mail(), tenant=tenant, at=NOON)


def test_a_bounce_is_told_at_once(api, tenant, account):
    email = an_email(tenant, account=account)

    response = hand_in(api, a_bounce_of(email.smtp_message_id))

    row = InboundEmail.objects.get()
    assert response.status_code == 202
    assert response.json() == {
        "id": str(row.public_id),
        "kind": "bounce",
        "recipient": "ana@example.com",
        "bounce_type": "hard",
        "status_code": "5.1.1",
        "tracking_id": str(email.tracking_id),
    }


def test_base64_in_json_is_the_same_mail(api):
    first = hand_in(api, a_mail()).json()

    response = api.post(RAW, {"raw": b64encode(a_mail()).decode()})

    assert (response.status_code, response.json()) == (202, first)
    assert first | {"id": None} == {
        "id": None,
        "kind": "human",
        "recipient": None,
        "bounce_type": None,
        "status_code": None,
        "tracking_id": None,
    }


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "message/rfc822", 422, "required"),
        (b"x" * (25 * 1024 * 1024 + 1), "message/rfc822", 422, "too_large"),
        (b"x" * (40 * 1024 * 1024 + 1), "message/rfc822", 413, "too_large"),
        (b"x", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "application/json", 422, "required"),
        (b'{"raw": 1}', "application/json", 422, "invalid"),
        (b'{"raw": "a*"}', "application/json", 422, "not_base64"),
        (b'{"raw": ""}', "application/json", 422, "blank"),
        (b'{"raw": "eA==", "x": 1}', "application/json", 422, "unknown_field"),
        (b"{", "application/json", 400, "parse_error"),
    ],
)
def test_what_is_no_mail_is_refused(api, body, content_type, status, code):
    response = api.generic("POST", RAW, body, content_type=content_type)

    assert (response.status_code, response.json()["errors"][0]["code"]) == (status, code)
    assert not InboundEmail.objects.exists()


def test_poison_is_taken_as_quarantined(api):
    response = hand_in(api, b"Content-Type: message/rfc822\r\n\r\n" * 5000)

    assert (response.status_code, response.json()["kind"]) == (202, "quarantined")
    shown = api.get(f"{LIST}/{response.json()['id']}").json()
    assert shown["quarantine_reason"] == "nested_too_deep"


def test_an_idempotency_key_gets_the_first_answer_again(api):
    first = hand_in(api, a_mail(), headers={"Idempotency-Key": "k"})
    again = hand_in(api, a_mail(), headers={"Idempotency-Key": "k"})
    other = hand_in(api, a_mail("other"), headers={"Idempotency-Key": "k"})

    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert other.status_code == 422


def test_a_mail_is_read_back_whole(api, mail):
    shown = api.get(f"{LIST}/{mail.public_id}").json()

    assert shown["from_address"] == "ana@example.com"
    assert shown["text"] == shown["reply_text"] == "Where is my order?"
    assert (shown["never_auto_reply"], shown["date"]) == (None, "2026-01-15T10:30:00Z")


def test_a_list_is_filtered_by_field(api, tenant, mail):
    bounce = services.receive(a_bounce_of("<x@y.test>"), tenant=tenant, at=NOON)
    queries = {
        "kind=bounce": [bounce],
        "kind=human,quarantined": [mail],
        "from_address=ANA@example.com": [mail],
        "recipient=ana@example.com": [bounce],
        "search=my+order": [mail],
        f"thread_id={mail.thread_key}": [mail],
        "received_after=2026-03-02T00:00:00Z": [],
        "received_before=2026-03-02T00:00:00Z": [bounce, mail],
        "bounce_type=hard": [bounce],
        "never_auto_reply=report": [bounce],
        "": [bounce, mail],
    }

    for query, rows in queries.items():
        found = api.get(f"{LIST}?{query}").json()["results"]
        assert [one["id"] for one in found] == [str(row.public_id) for row in rows], query
    assert "text" not in api.get(LIST).json()["results"][0]


@pytest.mark.parametrize("query", ["kind=x", "nothing=1", "received_after=x", "cursor=x"])
def test_a_bad_parameter_is_400(api, query):
    assert api.get(f"{LIST}?{query}").status_code == 400


def test_a_list_takes_the_same_number_of_queries_whatever_its_length(
    api, tenant, account, django_assert_num_queries
):
    def list_with(count: int) -> int:
        for _ in range(count):
            email = an_email(tenant, account=account)
            services.receive(a_bounce_of(email.smtp_message_id), tenant=tenant, at=NOON)
        api.get(LIST)  # the key notes at most once a minute when it was used
        with django_assert_num_queries(3):
            return len(api.get(LIST).json()["results"])

    assert list_with(1) == 1
    assert list_with(10) == 11


def test_another_tenant_sees_no_mail(other_api, mail):
    foreign = other_api.get(f"{LIST}/{mail.public_id}")
    unknown = other_api.get(f"{LIST}/{uuid.uuid4()}")

    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert other_api.get(f"{LIST}/nonsense").status_code == 404
    assert other_api.get(LIST).json()["results"] == []
    for query in (f"thread_id={mail.thread_key}", "search=order", "kind=human"):
        assert other_api.get(f"{LIST}?{query}").json()["results"] == []


def test_another_tenants_message_stays_unknown(other_api, tenant, account):
    email = an_email(tenant, account=account)

    assert hand_in(other_api, a_bounce_of(email.smtp_message_id)).json()["tracking_id"] is None


@pytest.mark.parametrize(("scope", "status"), [("inbound:write", 200), ("triage:read", 403)])
def test_the_scope_decides(tenant, mail, scope, status):
    client = client_of(tenant, scopes=[scope])

    assert client.get(LIST).status_code == status
    assert client.get(f"{LIST}/{mail.public_id}").status_code == status
    assert hand_in(client, a_mail("b")).status_code == (202 if status == 200 else 403)


def test_a_test_key_keeps_its_mail_apart(tenant, api):
    live = hand_in(api, a_mail()).json()["id"]
    test = hand_in(client_of(tenant, mode="test"), a_mail()).json()["id"]

    assert live != test
    assert api.get(f"{LIST}/{test}").json()["mode"] == "test"
