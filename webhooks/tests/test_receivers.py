"""Which events become deliveries, in the transaction of the event and with few questions."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logs import afterwards, transitions
from logs.afterwards import Report
from logs.models import EmailEvent, EmailLog, EventType
from logs.tests.builders import NOON, an_email, claimed
from logs.transitions import Outcome, event_of
from tests.factories import make_template
from webhooks import jobs
from webhooks.events import COLUMNS, TYPES
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.tests.telling import endpoint_at

pytestmark = pytest.mark.django_db
URL = "http://127.0.0.1:1/hooks"
LATER = NOON + timedelta(minutes=1)


def sent(email: EmailLog, **fields) -> Outcome:
    return Outcome(email=email, kind=EventType.SENT, at=LATER, began_at=NOON, **fields)


def payloads() -> list[dict]:
    rows = WebhookDelivery.objects.order_by("pk").values_list("payload", flat=True)
    return [json.loads(payload) for payload in rows]


def test_a_message_that_was_sent_is_told_with_what_is_known_of_it_but_not_what_it_says(tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    template = make_template(tenant, "order")
    batch = uuid.uuid4()
    email = claimed(
        an_email(
            tenant,
            template=template,
            batch_id=batch,
            tags=["orders"],
            metadata={"order": "A-1"},
            content={"subject": "Your order", "text": "canary-body", "html": "canary-body"},
        )
    )
    data = {"smtp_code": 250, "transcript": ["canary-transcript"], "recipient": "ana@example.com"}

    transitions.record([sent(email, data=data, smtp_response="250 ok")])

    (delivery,) = WebhookDelivery.objects.all()
    assert delivery.endpoint == endpoint
    assert delivery.tracking_id == email.tracking_id
    assert "canary" not in delivery.payload
    assert json.loads(delivery.payload) == {
        "type": "email.sent",
        "timestamp": "2026-03-01T12:01:00Z",
        "data": {
            "tracking_id": str(email.tracking_id),
            "batch_id": str(batch),
            "template_id": "order",
            "from_address": email.from_address,
            "to_address": "ana@example.com",
            "subject": "Your order",
            "status": "sent",
            "error_code": None,
            "error_message": None,
            "tags": ["orders"],
            "metadata": {"order": "A-1"},
            "mode": "live",
            "smtp_code": 250,
            "recipient": "ana@example.com",
        },
    }


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (EventType.SENT, "email.sent"),
        (EventType.DELIVERED, "email.delivered"),
        (EventType.DEFERRED, "email.deferred"),
        (EventType.BOUNCED, "email.bounced"),
        (EventType.FAILED, "email.failed"),
        (EventType.COMPLAINED, "email.complained"),
        (EventType.OPENED, "email.opened"),
        (EventType.CLICKED, "email.clicked"),
        (EventType.UNSUBSCRIBED, "email.unsubscribed"),
    ],
)
def test_each_step_has_its_type(tenant, kind, told):
    endpoint_at(URL, tenant=tenant)
    details = {"url": "https://shop.test/a", "machine": True, "country": "PT", "topic": "news"}

    transitions.write([event_of(an_email(tenant), kind, at=NOON, data=details)])

    (payload,) = payloads()
    assert payload["type"] == told
    assert told in TYPES
    assert payload["data"].items() >= details.items()


def test_what_nobody_needs_to_know_is_not_told(tenant):
    endpoint_at(URL, tenant=tenant)
    email = an_email(tenant)

    transitions.write(
        [event_of(email, kind, at=NOON) for kind in (EventType.SENDING, EventType.CANCELLED)]
    )

    assert payloads() == []


def test_a_refusal_at_smtp_time_is_told_in_the_servers_words(tenant):
    endpoint_at(URL, tenant=tenant)
    refusal = Outcome(
        email=claimed(an_email(tenant)),
        kind=EventType.BOUNCED,
        at=LATER,
        error_code="refused_at_rcpt",
        error_message="550 5.1.1 no such user",
        data={"reason": "refused_at_rcpt", "smtp_code": 550},
    )

    transitions.record([refusal])

    (payload,) = payloads()
    assert payload["data"]["error_code"] == "refused_at_rcpt"
    assert payload["data"]["error_message"] == "550 5.1.1 no such user"


def test_a_bounce_report_is_told_with_its_reason_and_the_new_status(tenant):
    endpoint_at(URL, tenant=tenant)
    email = claimed(an_email(tenant))
    transitions.record([sent(email)])

    report = Report(
        EventType.BOUNCED,
        "ana@example.com",
        at=LATER,
        reason="550 no such user",
        data={"enhanced_code": "5.1.1", "bounce_type": "hard"},
    )
    assert afterwards.note(email, report)

    data = payloads()[-1]["data"]
    assert (data["status"], data["error_code"]) == ("bounced", "bounced")
    assert data["reason"] == "550 no such user"
    assert (data["enhanced_code"], data["bounce_type"]) == ("5.1.1", "hard")


def test_an_endpoint_is_told_of_the_types_it_wants_and_all_share_the_events_id(tenant):
    bounces = endpoint_at(URL, tenant=tenant, events=["email.bounced"])
    everything = endpoint_at(URL, tenant=tenant)
    email = an_email(tenant)

    transitions.write(
        [event_of(email, EventType.SENT, at=NOON), event_of(email, EventType.BOUNCED, at=LATER)]
    )

    assert [one.type for one in bounces.deliveries.all()] == ["email.bounced"]
    assert {one.type for one in everything.deliveries.all()} == {"email.sent", "email.bounced"}
    bounced = WebhookDelivery.objects.filter(type="email.bounced")
    assert len(set(bounced.values_list("event_id", flat=True))) == 1
    assert len(set(bounced.values_list("public_id", flat=True))) == 2


def test_nobody_is_told_of_another_tenants_events_and_no_endpoint_that_is_off(tenant, other_tenant):
    endpoint_at(URL, tenant=other_tenant)
    endpoint_at(URL, tenant=tenant, is_active=False)

    transitions.write([event_of(an_email(tenant), EventType.SENT, at=NOON)])

    assert payloads() == []


def test_test_mail_is_told_too_and_its_mode_says_so(tenant):
    endpoint_at(URL, tenant=tenant)

    transitions.write([event_of(an_email(tenant, mode="test"), EventType.SENT, at=NOON)])

    assert payloads()[0]["data"]["mode"] == "test"


def test_an_event_that_is_rolled_back_leaves_no_delivery(tenant):
    endpoint_at(URL, tenant=tenant)
    email = an_email(tenant)

    with transaction.atomic():
        transitions.write([event_of(email, EventType.SENT, at=NOON)])
        assert WebhookDelivery.objects.count() == 1
        transaction.set_rollback(True)

    assert WebhookDelivery.objects.count() == EmailEvent.objects.count() == 0


def test_a_webhook_that_is_deleted_at_that_moment_breaks_no_event(tenant):
    endpoint_at(URL, tenant=tenant)
    email = an_email(tenant)

    def delete_first(execute, sql, params, many, context):
        if sql.startswith("INSERT INTO") and "webhooks_webhookdelivery" in sql:
            WebhookEndpoint.objects.all().delete()
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(delete_first):
        transitions.write([event_of(email, EventType.SENT, at=NOON)])

    assert EmailEvent.objects.count() == 1
    assert not WebhookEndpoint.objects.exists()
    assert jobs.purge(at=timezone.now() + timedelta(days=91)) == 1


def test_half_a_character_in_metadata_breaks_nothing(tenant):
    endpoint_at(URL, tenant=tenant)
    email = an_email(tenant)
    email.metadata = {"x": "\ud800 é"}

    transitions.write([event_of(email, EventType.SENT, at=NOON)])

    assert payloads()[0]["data"]["metadata"] == {"x": "\ud800 é"}


def questions(events) -> list[str]:
    """The statements about webhooks and templates that a write of the events takes."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        transitions.write(events)
    words = ("webhooks_", "templates_app", 'FROM "logs_emaillog', "FROM `logs_emaillog")
    return [query["sql"] for query in queries if any(word in query["sql"] for word in words)]


def test_a_write_asks_one_question_where_nobody_listens(tenant, other_tenant):
    endpoint_at(URL, tenant=other_tenant)
    emails = [an_email(tenant, to_address=f"{number}@example.com") for number in range(20)]

    asked = questions([event_of(email, EventType.SENT, at=NOON) for email in emails])

    assert len(asked) == 1


def test_a_write_of_many_events_asks_no_more_than_one_of_few(tenant):
    endpoint_at(URL, tenant=tenant)
    template = make_template(tenant)
    emails = [
        an_email(tenant, template=template, to_address=f"{number}@example.com")
        for number in range(20)
    ]

    few = questions([event_of(emails[0], EventType.SENT, at=NOON)])
    many = questions([event_of(email, EventType.SENT, at=NOON) for email in emails])

    assert len(few) == len(many) == 3
    assert WebhookDelivery.objects.count() == 21


def test_messages_read_in_part_are_read_anew_all_at_once(tenant):
    endpoint_at(URL, tenant=tenant)
    for number in range(5):
        an_email(tenant, to_address=f"{number}@example.com")
    emails = list(EmailLog.objects.only("tracking_id", "tenant_id", "queued_at"))

    asked = questions([event_of(email, EventType.OPENED, at=NOON) for email in emails])

    assert len(asked) == 3
    assert {one["data"]["to_address"] for one in payloads()} == {
        f"{number}@example.com" for number in range(5)
    }
    assert {*COLUMNS} <= payloads()[0]["data"].keys()


def test_events_of_no_interest_ask_nothing(tenant):
    endpoint_at(URL, tenant=tenant)

    assert questions([event_of(an_email(tenant), EventType.SENDING, at=NOON)]) == []
