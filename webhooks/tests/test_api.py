"""``/webhooks`` as a client sees it."""

from __future__ import annotations

import json
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from standardwebhooks import Webhook

from conftest import client_of
from tests.servers.receiver import ERROR, Receiver
from webhooks import services
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.tests.telling import drain, endpoint_at, of, tell

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/v1/webhooks"
URL = "https://shop.example/hooks"
PAYLOAD_LESS = {
    "id", "event_id", "type", "tracking_id", "status", "attempts", "next_attempt_at",
    "response_status", "error", "created_at", "delivered_at",
}  # fmt: skip


def errors(response) -> dict[str, str]:
    return {error["attr"]: error["code"] for error in response.json()["errors"]}


def path_of(row: WebhookEndpoint | WebhookDelivery, *rest: str) -> str:
    if isinstance(row, WebhookDelivery):
        return "/".join([path_of(row.endpoint, "deliveries", str(row.public_id)), *rest])
    return "/".join([PATH, str(row.public_id), *rest])


def test_a_new_webhook_shows_its_secret_once(api):
    made = api.post(PATH, {"url": URL, "description": "The shop", "events": ["email.bounced"]})

    assert made.status_code == 201
    body = made.json()
    assert body["secret"].startswith("whsec_")
    assert (body["url"], body["events"], body["is_active"]) == (URL, ["email.bounced"], True)
    Webhook(body["secret"])
    read = api.get(f"{PATH}/{body['id']}").json()
    assert read == body | {"secret": None}
    (listed,) = api.get(PATH).json()["results"]
    assert listed == read
    row = WebhookEndpoint.objects.get()
    assert row.secret == body["secret"]
    assert body["secret"] not in row.secret_encrypted


def test_without_events_a_webhook_is_told_of_all(api):
    assert api.post(PATH, {"url": URL}).json()["events"] == ["*"]


@pytest.mark.parametrize(
    ("given", "attr", "code"),
    [
        ({}, "url", "required"),
        ({"url": "ftp://x.example"}, "url", "invalid"),
        ({"url": "https://a:b@x.example/"}, "url", "invalid"),
        ({"url": 5}, "url", "invalid"),
        ({"url": URL, "events": []}, "events", "invalid"),
        ({"url": URL, "events": ["email.sent", "nothing"]}, "events.1", "unknown_event"),
        ({"url": URL, "events": "email.sent"}, "events", "not_a_list"),
        ({"url": URL, "events": [None]}, "events.0", "null"),
        ({"url": URL, "description": "two\nlines"}, "description", "invalid"),
        ({"url": URL, "secret": "whsec_x"}, "secret", "read_only"),
        ({"url": URL, "tenant": 1}, "tenant", "unknown_field"),
        ({"url": URL, "is_active": "yes"}, "is_active", "invalid"),
    ],
)
def test_what_can_not_be_is_refused_by_name(api, given, attr, code):
    response = api.post(PATH, given)

    assert response.status_code == 422
    assert errors(response) == {attr: code}
    assert not WebhookEndpoint.objects.exists()


def test_in_production_a_private_host_is_refused(api, settings):
    settings.SENDCRAFT_ALLOW_PRIVATE_HOSTS = False

    for host in ("127.0.0.1:6379", "localhost", "169.254.169.254", "[::ffff:10.0.0.1]", "10.0.0.1"):
        response = api.post(PATH, {"url": f"http://{host}/"})
        assert errors(response) == {"url": "host_refused"}

    settings.SENDCRAFT_PRIVATE_HOSTS = ["10.0.0.0/8"]
    assert api.post(PATH, {"url": "http://10.0.0.1/"}).status_code == 201


def test_a_tenant_has_up_to_fifty(api, tenant, other_api):
    for _ in range(50):
        endpoint_at(URL, tenant=tenant)

    refused = api.post(PATH, {"url": URL})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "too_many"
    assert other_api.post(PATH, {"url": URL}).status_code == 201


def test_settings_are_changed_in_part_or_whole(api, tenant):
    endpoint = endpoint_at(URL, tenant=tenant, description="old")

    changed = api.patch(path_of(endpoint), {"events": ["email.sent"], "is_active": False})
    assert changed.status_code == 200
    assert (changed.json()["events"], changed.json()["is_active"]) == (["email.sent"], False)
    assert changed.json()["description"] == "old"

    replaced = api.put(path_of(endpoint), {"url": URL + "/new", "description": ""})
    assert replaced.json()["url"] == URL + "/new"
    assert replaced.json()["secret"] is None
    assert api.put(path_of(endpoint), {}).status_code == 422
    assert errors(api.patch(path_of(endpoint), {"url": "x"})) == {"url": "invalid"}
    assert errors(api.patch(path_of(endpoint), {"off_at": None})) == {"off_at": "read_only"}


def test_a_webhook_is_deleted_with_its_history(api, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    other = endpoint_at(URL, tenant=tenant)
    tell(tenant, 3)

    assert api.delete(path_of(endpoint)).status_code == 204
    assert api.get(path_of(endpoint)).status_code == 404
    assert set(WebhookDelivery.objects.values_list("endpoint", flat=True)) == {other.pk}


def test_a_rotated_secret_is_shown_once(api, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    old = endpoint.secret

    rotated = api.post(path_of(endpoint, "rotate-secret"))

    assert rotated.status_code == 200
    assert rotated.json()["secret"] not in (None, old)
    assert rotated.json()["previous_secret_until"] is not None
    row = WebhookEndpoint.objects.get()
    assert (row.secret, row.previous_secret) == (rotated.json()["secret"], old)
    assert api.get(path_of(endpoint)).json()["secret"] is None
    assert api.post(path_of(endpoint, "rotate-secret"), {"secret": "x"}).status_code == 422


def test_a_test_event_is_sent_at_once_and_what_came_is_told(api, tenant):
    with Receiver() as receiver:
        endpoint = endpoint_at(receiver.url, tenant=tenant, is_active=False)
        passed = api.post(path_of(endpoint, "test"))
        receiver.answers(ERROR)
        failed = api.post(path_of(endpoint, "test"))
        request, _ = receiver.requests

    assert passed.status_code == failed.status_code == 200
    assert passed.json() == {
        "ok": True,
        "status_code": 204,
        "error": None,
        "response_body": "",
        "latency_ms": passed.json()["latency_ms"],
    }
    event = Webhook(endpoint.secret).verify(request.body, request.headers)
    assert event["type"] == "webhook.test"
    assert event["data"]["webhook_id"] == str(endpoint.public_id)
    assert (failed.json()["ok"], failed.json()["status_code"]) == (False, 500)
    assert (failed.json()["error"], failed.json()["response_body"]) == ("HTTP 500", "try later")
    assert not WebhookDelivery.objects.exists()
    assert WebhookEndpoint.objects.get().failures == 0


def test_a_test_of_a_host_that_is_not_allowed_connects_to_nothing(api, tenant, settings):
    with Receiver() as receiver:
        endpoint = endpoint_at(receiver.url, tenant=tenant)
        settings.SENDCRAFT_ALLOW_PRIVATE_HOSTS = False

        refused = api.post(path_of(endpoint, "test")).json()

    assert (refused["ok"], refused["status_code"]) == (False, None)
    assert refused["error"] == "Connections to this host are not allowed."
    assert receiver.requests == []


def test_a_test_that_is_repeated_under_its_key_is_sent_once(api, tenant):
    with Receiver() as receiver:
        endpoint = endpoint_at(receiver.url, tenant=tenant)
        first, again = (
            api.post(path_of(endpoint, "test"), HTTP_IDEMPOTENCY_KEY="one") for _ in range(2)
        )

        assert len(receiver.requests) == 1
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"


def test_the_history_is_listed_newest_first_and_filtered(api, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    first, second = tell(tenant, 2)
    (bounced,) = tell(tenant, kind="email.bounced")
    WebhookDelivery.objects.filter(pk=first.pk).update(status="delivered", response_status=200)
    history = path_of(endpoint, "deliveries")

    def listed(query: str = "") -> list[str]:
        return [one["id"] for one in api.get(history + query).json()["results"]]

    assert listed() == [str(one.public_id) for one in (bounced, second, first)]
    assert listed("?status=delivered") == [str(first.public_id)]
    assert listed("?type=email.bounced") == [str(bounced.public_id)]
    assert listed(f"?event_id={second.event_id}") == [str(second.public_id)]
    assert listed(f"?tracking_id={uuid.uuid4()}") == []
    assert listed("?created_before=2020-01-01T00:00:00Z") == []
    assert len(listed("?page_size=1")) == 1
    assert api.get(history + "?status=lost").status_code == 400
    assert api.get(history + "?colour=red").status_code == 400
    row = api.get(history).json()["results"][-1]
    assert set(row) == PAYLOAD_LESS
    assert (row["status"], row["response_status"], row["attempts"]) == ("delivered", 200, 0)


def test_a_delivery_is_read_with_what_was_sent_and_answered(api, tenant):
    with Receiver() as receiver:
        receiver.answers(ERROR)
        endpoint_at(receiver.url, tenant=tenant)
        (delivery,) = tell(tenant, word="x")
        drain()

    read = api.get(path_of(of(delivery))).json()

    assert json.loads(read["payload"])["data"]["word"] == "x"
    assert (read["status"], read["attempts"], read["response_status"]) == ("pending", 1, 500)
    assert (read["response_body"], read["error"]) == ("try later", "HTTP 500")


def test_a_delivery_is_sent_again_under_the_same_id(api, tenant):
    with Receiver() as receiver:
        endpoint_at(receiver.url, tenant=tenant)
        (delivery,) = tell(tenant)
        drain()

        again = api.post(path_of(delivery, "redeliver"))
        assert again.status_code == 202
        assert (again.json()["status"], again.json()["id"]) == ("pending", str(delivery.public_id))
        drain()

        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        assert len(receiver.requests) == 2
    stored = of(delivery)
    assert (stored.status, stored.attempts) == ("delivered", 2)


def test_a_failed_delivery_gets_three_more_days(api, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    (delivery,) = tell(tenant)
    WebhookDelivery.objects.update(
        status="failed", tries=12, tried_since=timezone.now(), next_attempt_at=None
    )
    WebhookEndpoint.objects.update(held_until=timezone.now())

    assert api.post(path_of(delivery, "redeliver")).json()["status"] == "pending"
    stored = of(delivery)
    assert (stored.tries, stored.tried_since, stored.endpoint.held_until) == (0, None, None)

    services.update_endpoint(endpoint, changes={"is_active": False})
    refused = api.post(path_of(delivery, "redeliver"))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "inactive")


def test_another_tenants_webhook_is_not_there(api, other_api, tenant, other_tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    (delivery,) = tell(tenant)
    own = endpoint_at(URL, tenant=other_tenant)
    before = WebhookEndpoint.objects.filter(pk=endpoint.pk).values().get()
    unknown = other_api.get(f"{PATH}/{uuid.uuid4()}")
    crossed = f"{path_of(own, 'deliveries')}/{delivery.public_id}"

    answers = [
        other_api.get(path_of(endpoint)),
        other_api.put(path_of(endpoint), {"url": URL}),
        other_api.patch(path_of(endpoint), {"is_active": False}),
        other_api.delete(path_of(endpoint)),
        other_api.post(path_of(endpoint, "rotate-secret")),
        other_api.post(path_of(endpoint, "test")),
        other_api.get(path_of(endpoint, "deliveries")),
        other_api.get(path_of(delivery)),
        other_api.post(path_of(delivery, "redeliver")),
        other_api.get(crossed),
        other_api.post(crossed + "/redeliver"),
        other_api.get(f"{PATH}/1"),
        other_api.get(f"{PATH}/{endpoint.pk}"),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.content for answer in answers} == {unknown.content}
    assert WebhookEndpoint.objects.filter(pk=endpoint.pk).values().get() == before
    assert len(other_api.get(PATH).json()["results"]) == 1


def test_a_key_needs_the_scope_for_reading_too(tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    able = client_of(tenant, scopes=["webhooks:write"])
    unable = client_of(tenant, scopes=["emails:send"])

    assert able.get(PATH).status_code == 200
    assert able.patch(path_of(endpoint), {"description": "x"}).status_code == 200
    assert unable.get(PATH).status_code == 403
    assert unable.post(PATH, {"url": URL}).status_code == 403


@pytest.mark.parametrize("rest", [(), ("deliveries",)])
def test_a_longer_list_asks_no_more(api, tenant, rest):
    endpoint = endpoint_at(URL, tenant=tenant)
    path = path_of(endpoint, *rest) if rest else PATH

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api.get(path).status_code == 200
        return len(queries)

    tell(tenant)
    api.get(path)
    few = asked()
    for _ in range(5):
        endpoint_at(URL, tenant=tenant)
    tell(tenant, 10)

    assert asked() == few


def test_an_endpoint_that_was_switched_off_says_why_until_it_is_on_again(api, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    WebhookEndpoint.objects.update(is_active=False, off_reason="gone", off_at=timezone.now())

    api.patch(path_of(endpoint), {"url": URL + "/moved"})
    off = api.get(path_of(endpoint)).json()
    on = api.patch(path_of(endpoint), {"is_active": True}).json()

    assert (off["off_reason"], off["off_at"] is None) == ("gone", False)
    assert (on["is_active"], on["off_reason"], on["off_at"]) == (True, None, None)


def test_another_url_is_told_at_once_what_waits(api, tenant):
    endpoint = endpoint_at("http://127.0.0.1:1/", tenant=tenant)
    (delivery,) = tell(tenant)
    drain()
    assert of(delivery).status == "pending"
    with Receiver() as receiver:
        api.patch(path_of(endpoint), {"url": receiver.url})
        drain()

        assert len(receiver.requests) == 1
    assert of(delivery).status == "delivered"
