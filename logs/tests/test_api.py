"""Messages read back by API, and the three things that can still be asked of them."""

import itertools
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from conftest import client_of
from logs import transitions
from logs.models import EmailEvent, EmailLog
from logs.tests.builders import NOON, an_account, an_email
from logs.transitions import Outcome
from templates_app.models import EmailTemplate, TemplateVersion

FIELDS = {
    "tracking_id", "status", "from_address", "to_address", "cc_addresses", "bcc_addresses",
    "subject", "template_id", "account_id", "batch_id", "smtp_message_id", "queued_at", "send_at",
    "sent_at", "delivered_at", "failed_at", "error_code", "error_message", "retry_count",
    "next_attempt_at", "smtp_response", "opens_count", "clicks_count",
    "machine_opens_count", "machine_clicks_count", "first_opened_at",
    "last_opened_at", "user_agent", "ip_address", "country", "tags", "metadata", "mode",
    "created_at", "updated_at",
}  # fmt: skip
VERSION_IDS = itertools.count(1_000_000)  # the renderer keeps versions by their id
BAD_INSTANTS = ["yesterday", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "12:00"]


@pytest.fixture
def email(tenant):
    return an_email(tenant)


def url(email, *more):
    return "/".join(["/api/v1/logs", str(getattr(email, "tracking_id", email)), *more])


def found(api, query):
    response = api.get(f"/api/v1/logs?{query}")
    assert response.status_code == 200, response.content
    return {row["tracking_id"] for row in response.json()["results"]}


def ids(*emails):
    return {str(email.tracking_id) for email in emails}


def a_version(tenant, slug="welcome", **fields):
    template = EmailTemplate.objects.create(
        tenant=tenant, slug=slug, name=slug, subject="Hello {{ name }}", version=1
    )
    return TemplateVersion.objects.create(
        pk=next(VERSION_IDS),
        template=template,
        number=1,
        author_name="test",
        **{
            "subject": "Hello {{ name }}",
            "compiled_subject": "Hello {{ name }}",
            "compiled_html": "<p>{{ name }}, {{ shop }}</p>",
            "compiled_text": "{{ name }} {{ unsubscribe_url }}",
            "variables": ["name", "shop", "unsubscribe_url"],
            "needs": ["name", "shop"],
            "source_format": "html",
            **fields,
        },
    )


# One message


def test_a_message_shows_every_field_of_the_contract(api, tenant):
    template = a_version(tenant).template
    email = an_email(tenant, template=template, tags=["a"], metadata={"order": 1})

    data = api.get(url(email)).json()

    assert set(data) == FIELDS
    assert data["template_id"] == "welcome"
    assert data["account_id"] == email.account_id
    assert (data["queued_at"], data["status"]) == ("2026-03-01T12:00:00Z", "queued")
    assert (data["tags"], data["metadata"], data["cc_addresses"]) == (["a"], {"order": 1}, [])
    empty = ["error_code", "error_message", "smtp_response", "user_agent", "country"]
    assert [data[name] for name in empty] == [None] * 5
    assert (data["ip_address"], data["batch_id"], data["send_at"]) == (None, None, None)


def test_a_message_without_a_template_says_null(api, email):
    assert api.get(url(email)).json()["template_id"] is None


@pytest.mark.parametrize("path", [(), ("events",), ("content",)])
def test_reading_another_tenants_message_is_404(api, other_api, email, path):
    foreign = other_api.get(url(email, *path))
    unknown = other_api.get(url(uuid.uuid4(), *path))

    assert foreign.status_code == 404
    assert foreign.json() == unknown.json()
    assert api.get(url(email, *path)).status_code == 200


@pytest.mark.parametrize(
    ("verb", "body"),
    [("cancel", {}), ("retry", {}), ("reschedule", {"send_at": "2030-01-01T00:00:00Z"})],
)
def test_nothing_can_be_asked_of_another_tenants_message(other_api, email, verb, body):
    before = EmailLog.objects.filter(pk=email.pk).values().get()

    response = other_api.post(url(email, verb), body)

    assert response.status_code == 404
    assert EmailLog.objects.filter(pk=email.pk).values().get() == before


@pytest.mark.parametrize("path", ["nonsense", "1", "%00", "../domains", "a" * 300])
def test_what_is_no_tracking_id_is_404(api, path):
    assert api.get(f"/api/v1/logs/{path}").status_code == 404


def test_a_key_reads_with_either_scope_and_changes_only_with_the_sending_one(tenant, email):
    reader = client_of(tenant, scopes=["emails:read"])
    sender = client_of(tenant, scopes=["emails:send"])
    stranger = client_of(tenant, scopes=["domains:write"])

    assert reader.get(url(email)).status_code == 200
    assert sender.get(url(email)).status_code == 200
    assert stranger.get(url(email)).status_code == 403
    assert reader.post(url(email, "cancel")).status_code == 403
    assert sender.post(url(email, "cancel")).status_code == 200


# Lists


def test_the_list_is_newest_first_and_walks_in_pages_both_ways(api, tenant):
    emails = [an_email(tenant) for _ in range(5)]
    newest_first = [str(email.tracking_id) for email in reversed(emails)]

    first = api.get("/api/v1/logs?page_size=2").json()
    second = api.get(first["next"]).json()

    shown = [row["tracking_id"] for row in first["results"] + second["results"]]
    assert shown == newest_first[:4]
    assert api.get(second["previous"]).json()["results"] == first["results"]


def test_pages_ordered_by_time_are_whole_although_a_batch_shares_one_time(api, tenant):
    model = an_email(tenant)
    rows = []
    for _ in range(1200):
        row = EmailLog.objects.model(**{
            name: getattr(model, name)
            for name in ("tenant", "account", "content", "mode", "to_address", "queued_at")
        })  # fmt: skip
        rows.append(row)
    EmailLog.objects.bulk_create(rows, batch_size=200)

    seen, link = [], "/api/v1/logs?ordering=queued_at&page_size=200"
    while link and len(seen) < 3000:
        page = api.get(link).json()
        seen += [row["tracking_id"] for row in page["results"]]
        link = page["next"]

    assert len(seen) == len(set(seen)) == 1201


def test_the_list_can_be_turned_round_and_nothing_else(api, tenant):
    old = an_email(tenant)
    new = an_email(tenant, queued_at=NOON + timedelta(hours=1))

    rows = api.get("/api/v1/logs?ordering=queued_at").json()["results"]

    assert [row["tracking_id"] for row in rows] == [str(old.tracking_id), str(new.tracking_id)]
    assert api.get("/api/v1/logs?ordering=subject").status_code == 400


def test_a_list_never_shows_another_tenants_messages(other_api, email):
    assert found(other_api, "") == set()
    assert found(other_api, f"account_id={email.account_id}") == set()
    assert found(other_api, f"search={email.to_address}") == set()


def test_the_list_filters_by_every_field(api, tenant):
    version = a_version(tenant)
    account = an_account(tenant, "news@shop.test")
    batch = uuid.uuid4()
    wanted = an_email(
        tenant,
        account=account,
        template=version.template,
        batch_id=batch,
        status="failed",
        to_address="Bea@example.com",
        mode="test",
        topic="news",
        tags=["blue"],
        error_code="expired",
        queued_at=NOON + timedelta(hours=2),
    )
    other = an_email(tenant, tags=["red"])

    for query in [
        "status=failed",
        "status=failed,sent",
        "from_address=NEWS@shop.test",
        "to_address=bea@EXAMPLE.com",
        f"account={account.pk}",
        f"account_id={account.pk}",
        "account=news@shop.test",
        "template=welcome",
        "template_id=welcome",
        f"template_id={version.template_id}",
        f"batch_id={batch}",
        "tag=blue",
        "mode=test",
        "topic=news",
        "error_code=expired",
        "queued_after=2026-03-01T14:00:00Z",
        f"smtp_message_id={wanted.smtp_message_id.replace('<', '%3C').replace('>', '%3E')}",
        f"search={wanted.tracking_id}",
        "search=BEA",
        f"search={str(wanted.tracking_id)[-12:]}",
    ]:
        assert found(api, query) == ids(wanted), query
    assert found(api, "queued_before=2026-03-01T14:00:00Z") == ids(other)
    assert found(api, "queued_after=2026-03-01T12:00:00Z") == ids(other, wanted)
    assert found(api, "status=queued,failed") == ids(other, wanted)
    assert found(api, f"template_id={10**17}") == set()


@pytest.mark.parametrize(
    "query",
    [
        "status=lost",
        "status=queued,lost",
        "mode=both",
        "batch_id=1",
        "to_address=nobody",
        "to_address=a@example.com,b@example.com",
        "unknown=1",
        "cursor=nonsense",
        "search=%00",
        *(f"queued_after={text}" for text in BAD_INSTANTS),
    ],
)
def test_a_filter_that_makes_no_sense_is_400(api, email, query):
    response = api.get(f"/api/v1/logs?{query}")

    assert response.status_code == 400
    assert response.json()["errors"]


def test_a_subject_with_markup_is_plain_json(api, tenant):
    email = an_email(tenant, subject="<script>alert(1)</script>")

    response = api.get(url(email))

    assert response.json()["subject"] == "<script>alert(1)</script>"
    assert response["Content-Type"] == "application/json"


def test_fifty_messages_cost_as_many_queries_as_one(api, tenant, django_assert_num_queries):
    template = a_version(tenant).template
    an_email(tenant, template=template)
    api.get("/api/v1/logs")

    with django_assert_num_queries(2) as few:
        api.get("/api/v1/logs")
    for _ in range(49):
        an_email(tenant, template=template)
    with django_assert_num_queries(2) as many:
        assert len(api.get("/api/v1/logs").json()["results"]) == 50

    assert len(few) == len(many)
    assert not any(
        heavy in query["sql"]
        for query in many.captured_queries
        for heavy in ("own_variables", "html_content", "logs_emailcontent")
    )


# History


def test_the_history_is_told_from_the_beginning(api, email):
    held = EmailLog.objects.get(pk=email.pk)
    EmailLog.objects.filter(pk=email.pk).update(status="sending")
    transitions.record(
        [
            Outcome(
                email=held,
                kind="sent",
                began_at=NOON + timedelta(seconds=1),
                at=NOON + timedelta(seconds=2),
                data={"smtp_code": 250},
            )
        ]
    )

    data = api.get(url(email, "events")).json()

    assert [event["type"] for event in data["results"]] == ["queued", "sending", "sent"]
    assert data["results"][0] == {"type": "queued", "at": "2026-03-01T12:00:00Z", "data": {}}
    assert data["results"][2]["data"] == {"smtp_code": 250}
    assert (data["next"], data["previous"]) == (None, None)


def test_a_long_history_is_paged_and_begins_only_once(api, tenant, email):
    EmailEvent.objects.bulk_create(
        EmailEvent(
            tenant=tenant, email=email, type="opened", at=NOON + timedelta(seconds=i), data={}
        )
        for i in range(1, 6)
    )

    first = api.get(url(email, "events") + "?page_size=2").json()
    second = api.get(first["next"]).json()
    again = api.get(second["previous"]).json()

    assert [event["type"] for event in first["results"]] == ["queued", "opened", "opened"]
    assert [event["type"] for event in second["results"]] == ["opened", "opened"]
    assert again["results"] == first["results"]
    assert api.get(url(email, "events") + "?type=opened").status_code == 400


def test_fifty_events_cost_as_many_queries_as_none(api, tenant, email, django_assert_num_queries):
    api.get(url(email, "events"))
    with django_assert_num_queries(3):
        api.get(url(email, "events"))
    EmailEvent.objects.bulk_create(
        EmailEvent(tenant=tenant, email=email, type="opened", at=NOON, data={}) for _ in range(50)
    )

    with django_assert_num_queries(3):
        assert len(api.get(url(email, "events")).json()["results"]) == 51


# Content


def test_the_content_of_a_literal_message_is_what_was_given(api, tenant):
    email = an_email(
        tenant,
        from_name="Shop",
        cc_addresses=["c@example.com"],
        cc_names={"c@example.com": "Carla"},
        bcc_addresses=["secret@example.com"],
        content={
            "subject": "{{ not a template }}",
            "html": "<p>Hi</p>",
            "text": "",
            "headers": [["X-Order", "A-1"]],
            "reply_to": [{"address": "help@shop.test", "name": ""}],
        },
    )

    response = api.get(url(email, "content"))

    assert response.json() == {
        "subject": "{{ not a template }}",
        "html_content": "<p>Hi</p>",
        "text_content": "",
        "headers": {
            "From": "Shop <orders@shop.test>",
            "To": "ana@example.com",
            "Cc": "Carla <c@example.com>",
            "Reply-To": "help@shop.test",
            "Message-ID": email.smtp_message_id,
            "X-Order": "A-1",
        },
    }


def test_the_content_of_a_bulk_message_is_rendered_for_its_recipient(api, tenant):
    email = an_email(
        tenant,
        own_variables={"name": "<Bea>"},
        content={
            "template_version": a_version(tenant),
            "variables": {"name": "everybody", "shop": "Shop & Co"},
            "is_bulk": True,
        },
    )

    data = api.get(url(email, "content")).json()

    assert data["subject"] == "Hello <Bea>"
    assert data["html_content"] == "<p>&lt;Bea&gt;, Shop &amp; Co</p>"
    link = data["headers"]["List-Unsubscribe"].strip("<>")
    assert "/u/" in link
    assert data["text_content"] == f"<Bea> {link}"
    assert data["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_content_stays_that_of_the_version_it_was_accepted_with(api, tenant):
    version = a_version(tenant, compiled_text="old", needs=[], variables=[], subject="Old")
    email = an_email(tenant, content={"template_version": version})
    TemplateVersion.objects.create(
        template=version.template, number=2, subject="New", source_format="html", author_name="x"
    )

    assert api.get(url(email, "content")).json()["text_content"] == "old"


# Cancel, reschedule, retry


def test_a_queued_message_is_cancelled_once(api, email):
    first = api.post(url(email, "cancel"))
    second = api.post(url(email, "cancel"))

    assert first.status_code == 200
    assert (first.json()["status"], first.json()["next_attempt_at"]) == ("cancelled", None)
    assert set(first.json()) == FIELDS
    assert second.status_code == 409
    assert [e["type"] for e in api.get(url(email, "events")).json()["results"]] == [
        "queued",
        "cancelled",
    ]


def test_the_same_idempotency_key_gets_the_first_answer_again(api, email):
    first = api.post(url(email, "cancel"), headers={"Idempotency-Key": "k1"})
    second = api.post(url(email, "cancel"), headers={"Idempotency-Key": "k1"})

    assert (first.status_code, second.status_code) == (200, 200)
    assert second["Idempotent-Replayed"] == "true"
    assert second.json() == first.json()


def test_a_queued_message_is_moved_to_another_time(api, email):
    tomorrow = (timezone.now() + timedelta(days=1)).replace(microsecond=0)

    response = api.post(url(email, "reschedule"), {"send_at": tomorrow.isoformat()})

    assert response.status_code == 200
    email.refresh_from_db()
    assert email.next_attempt_at == tomorrow
    assert response.json()["send_at"] == tomorrow.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"send_at": None},
        {"send_at": "tomorrow"},
        {"send_at": 1},
        {"send_at": "2020-01-01T00:00:00Z"},
        {"send_at": "2199-01-01T00:00:00Z"},
        {"send_at": "0001-01-01T00:00:00+14:00"},
        {"send_at": "9999-12-31T23:59:59-14:00"},
        {"send_at": "2030-01-01T00:00:00Z", "status": "sent"},
        [],
    ],
)
def test_a_time_that_makes_no_sense_is_refused_by_name(api, email, body):
    response = api.post(url(email, "reschedule"), body)

    assert response.status_code == 422
    email.refresh_from_db()
    assert (email.next_attempt_at, email.send_at) == (NOON, None)


def test_a_failed_message_goes_again(api, tenant):
    email = an_email(tenant, status="failed", failed_at=NOON, error_code="expired")

    response = api.post(url(email, "retry"))

    data = response.json()
    assert response.status_code == 200
    assert (data["status"], data["error_code"], data["failed_at"]) == ("queued", None, None)
    assert data["smtp_message_id"] == email.smtp_message_id


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_sent_message_can_neither_be_cancelled_nor_tried_again(api, tenant, verb):
    email = an_email(tenant, status="sent")

    response = api.post(url(email, verb))

    assert response.status_code == 409
    assert "sent" in response.json()["errors"][0]["detail"]


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_field_in_a_body_that_takes_none_is_refused(api, email, verb):
    response = api.post(url(email, verb), {"status": "sent"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["attr"] == "status"


@pytest.mark.parametrize("path", [(), ("events",), ("content",)])
def test_what_is_only_read_can_not_be_written(api, email, path):
    for verb in (api.post, api.put, api.patch, api.delete):
        assert verb(url(email, *path), {}).status_code == 405
