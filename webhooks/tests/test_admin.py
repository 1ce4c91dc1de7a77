"""Staff set webhooks up and follow them; what receivers say stays harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logs.tests.builders import an_email
from tenants import background
from tenants.models import BackgroundJob, Role
from tests.servers.receiver import ERROR, Receiver
from tests.servers.waiting import LOOPBACK, free_ports
from tests.staff import staff, worked_off
from webhooks import serving
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.tests.telling import DAY, drain, endpoint_at, of, tell

pytestmark = pytest.mark.django_db(transaction=True)
ENDPOINTS = "/admin/webhooks/webhookendpoint/"
DELIVERIES = "/admin/webhooks/webhookdelivery/"
URL = "https://shop.example/hooks"
BAD = '</pre><script>alert(1)</script><div x-data x-init="alert(1)">'


@pytest.fixture
def keeper(tenant) -> Client:
    return staff(tenant, Role.ADMIN)


@pytest.fixture
def editor(tenant) -> Client:
    return staff(tenant, Role.EDITOR)


@pytest.fixture
def stranger(other_tenant) -> Client:
    return staff(other_tenant, Role.OWNER)


def form(tenant, **fields) -> dict:
    return {
        "tenant": tenant.pk, "url": URL, "description": "", "events": ["*"], "is_active": "on",
        **fields,
    }  # fmt: skip


def page(row, *more: str) -> str:
    base = ENDPOINTS if isinstance(row, WebhookEndpoint) else DELIVERIES
    return f"{base}{row.pk}/{more[0]}" if more else f"{base}{row.pk}/change/"


def again(client: Client, *rows: WebhookDelivery, **more):
    data = {"action": "redeliver", "_selected_action": [row.pk for row in rows], "index": "0"}
    return client.post(DELIVERIES, data | more, follow=True)


def test_a_new_webhooks_secret_is_on_this_answer_alone(keeper, tenant):
    answer = keeper.post(ENDPOINTS + "add/", form(tenant, events=["email.sent", "email.bounced"]))

    row = WebhookEndpoint.objects.get()
    assert answer.status_code == 200
    assert row.secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert (row.tenant, row.url, row.events) == (tenant, URL, ["email.sent", "email.bounced"])
    for later in (ENDPOINTS, page(row)):
        text = keeper.get(later).content.decode()
        assert row.secret not in text
        assert row.secret_encrypted not in text


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://shop.example/"},
        {"url": "https://a:b@shop.example/"},
        {"events": []},
        {"events": ["email.lost"]},
        {"description": "a\nb"},
    ],
)
def test_the_form_asks_the_rules_of_the_api(keeper, tenant, fields):
    answer = keeper.post(ENDPOINTS + "add/", form(tenant, **fields))

    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors
    assert not WebhookEndpoint.objects.exists()


def test_a_full_tenant_gets_no_more(keeper, tenant, monkeypatch):
    monkeypatch.setattr("webhooks.services.MOST_ENDPOINTS", 1)
    endpoint_at(URL, tenant=tenant)

    assert keeper.post(ENDPOINTS + "add/", form(tenant)).context["adminform"].form.errors
    assert WebhookEndpoint.objects.count() == 1


def test_switched_on_again_what_waits_is_sent(keeper, tenant):
    with Receiver() as receiver:
        endpoint = endpoint_at(receiver.url, tenant=tenant)
        (delivery,) = tell(tenant)
        WebhookEndpoint.objects.update(is_active=False, off_reason="failing", off_at=timezone.now())
        assert "it failed for three days" in keeper.get(page(endpoint)).content.decode()

        keeper.post(page(endpoint), form(tenant, url=receiver.url))
        drain()

        assert len(receiver.requests) == 1
    row = WebhookEndpoint.objects.get()
    assert (row.is_active, row.off_reason) == (True, "")
    assert of(delivery).status == "delivered"


def test_a_test_event_and_a_new_secret_are_one_click_on_the_webhooks_page(keeper, tenant):
    with Receiver() as receiver:
        endpoint = endpoint_at(receiver.url, tenant=tenant)
        shown = keeper.get(page(endpoint)).content.decode()
        assert f'action="{page(endpoint, "test")}"' in shown
        assert f'action="{page(endpoint, "rotate")}"' in shown

        took = keeper.post(page(endpoint, "test"), follow=True).content.decode()
        receiver.answers(ERROR)
        failed = keeper.post(page(endpoint, "test"), follow=True).content.decode()
    rotated = keeper.post(page(endpoint, "rotate"))

    assert "127.0.0.1 took the test event" in took
    assert "127.0.0.1 did not take the test event: HTTP 500" in failed
    row = WebhookEndpoint.objects.get()
    assert row.secret != endpoint.secret
    assert row.secret in rotated.content.decode()


def test_nothing_is_done_by_a_link(keeper, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)

    for verb in ("test", "rotate"):
        assert keeper.get(page(endpoint, verb)).status_code == 405
    assert WebhookEndpoint.objects.get().secret == endpoint.secret


def test_a_webhook_is_deleted_with_its_history_which_is_not_listed(keeper, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    tell(tenant, 30)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert keeper.get(page(endpoint, "delete/")).status_code == 200
        return len(queries)

    few = asked()
    tell(tenant, 30)
    assert asked() == few

    keeper.post(page(endpoint, "delete/"), {"post": "yes"})
    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_an_editor_sees_webhooks_and_sends_again_but_sets_nothing_up(editor, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    (delivery,) = tell(tenant)
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)

    assert editor.get(page(endpoint)).status_code == 200
    assert editor.post(page(endpoint), form(tenant, url=URL + "/x")).status_code == 403
    assert editor.post(ENDPOINTS + "add/", form(tenant)).status_code == 403
    for verb in ("test", "rotate"):
        assert editor.post(page(endpoint, verb)).status_code == 403
    assert f'action="{page(delivery, "redeliver")}"' in editor.get(page(delivery)).content.decode()
    answer = editor.post(page(delivery, "redeliver"), follow=True)
    assert answer.redirect_chain[-1][0] == page(delivery)
    assert "The delivery goes out now." in answer.content.decode()
    assert of(delivery).status == "pending"
    assert WebhookEndpoint.objects.get().url == URL


def test_a_viewer_sends_nothing_again(tenant):
    viewer = staff(tenant, Role.VIEWER)
    endpoint_at(URL, tenant=tenant)
    (delivery,) = tell(tenant)
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)

    assert page(delivery, "redeliver") not in viewer.get(page(delivery)).content.decode()
    assert viewer.post(page(delivery, "redeliver")).status_code == 403
    again(viewer, delivery)
    background.work_off()

    assert of(delivery).status == "failed"


def test_others_see_and_do_nothing(stranger, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    (delivery,) = tell(tenant)
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)

    for address in (page(endpoint), page(delivery)):
        assert stranger.get(address).status_code == 302
    for address in (ENDPOINTS, DELIVERIES):
        assert "shop.example" not in stranger.get(address).content.decode()
    for verb in ("test", "rotate"):
        assert stranger.post(page(endpoint, verb)).status_code == 404
    assert stranger.post(page(delivery, "redeliver")).status_code == 404
    again(stranger, delivery)
    background.work_off()
    assert of(delivery).status == "failed"
    assert WebhookEndpoint.objects.get().secret == endpoint.secret


def test_a_delivery_for_a_webhook_that_is_off_is_left_alone_and_said(editor, tenant):
    endpoint_at(URL, tenant=tenant)
    (delivery,) = tell(tenant)
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)
    WebhookEndpoint.objects.update(is_active=False)

    told = editor.post(page(delivery, "redeliver"), follow=True).content.decode()
    job = worked_off(again(editor, delivery))

    assert "The delivery was left alone: its webhook is off." in told
    assert job.result == {"done": 0, "refused": 1}
    (problem,) = job.problems.all()
    assert (problem.value, problem.code) == (str(delivery.public_id), "inactive")
    assert of(delivery).status == "failed"


def test_many_deliveries_are_sent_again_as_a_job(editor, tenant):
    endpoint_at(URL, tenant=tenant)
    for _number in range(3):
        tell(tenant)
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)
    first, second, left = WebhookDelivery.objects.order_by("pk")

    job = worked_off(again(editor, first, second))

    assert job.result == {"done": 2, "refused": 0}
    assert [of(row).status for row in (first, second, left)] == ["pending", "pending", "failed"]


@contextmanager
def deleted_once_it_is_read(delivery: WebhookDelivery) -> Iterator[None]:
    """Somebody deletes the delivery after it was read to be sent again."""

    def execute(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and WebhookEndpoint._meta.db_table in sql:
            WebhookDelivery.objects.filter(pk=delivery.pk).delete()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield


def test_a_delivery_that_is_deleted_meanwhile_is_named_and_stops_no_other(editor, tenant):
    endpoint_at(URL, tenant=tenant)
    gone, left = tell(tenant)[0], tell(tenant)[0]
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)
    answer = again(editor, gone, left)

    with deleted_once_it_is_read(gone):
        job = worked_off(answer)

    assert (job.status, job.result) == ("done", {"done": 1, "refused": 1})
    shown = editor.get(f"/admin/tenants/backgroundjob/{job.pk}/change/").content.decode()
    assert str(gone.public_id) in shown
    assert "It was deleted meanwhile." in shown
    assert of(left).status == "pending"


def test_a_delivery_that_is_deleted_while_its_button_is_pressed_is_said_to_be_gone(editor, tenant):
    endpoint_at(URL, tenant=tenant)
    (delivery,) = tell(tenant)

    with deleted_once_it_is_read(delivery):
        answer = editor.post(page(delivery, "redeliver"), follow=True)

    assert answer.redirect_chain[-1][0] == DELIVERIES
    assert "It was deleted meanwhile." in answer.content.decode()


def test_sending_again_takes_the_endpoint_before_the_delivery_as_recording_a_result_does(
    editor, tenant
):
    endpoint_at(URL, tenant=tenant)
    (delivery,) = tell(tenant)

    with CaptureQueriesContext(connection) as queries:
        editor.post(page(delivery, "redeliver"))

    written = [one["sql"] for one in queries if one["sql"].startswith("UPDATE")]
    tables = [re.search(r"webhooks_\w+", sql)[0] for sql in written if "webhooks_" in sql]
    assert tables == [WebhookEndpoint._meta.db_table, WebhookDelivery._meta.db_table]


def test_all_that_a_webhook_failed_to_take_is_sent_again_from_its_page(editor, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    endpoint_at("https://other.example/hook", tenant=tenant)
    tell(tenant, 2)
    assert page(endpoint, "resend") not in editor.get(page(endpoint)).content.decode()
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)
    WebhookDelivery.objects.filter(endpoint=endpoint).latest("pk").delete()
    assert f'action="{page(endpoint, "resend")}"' in editor.get(page(endpoint)).content.decode()

    job = worked_off(editor.post(page(endpoint, "resend")))

    assert job.result == {"done": 1, "refused": 0}
    rows = WebhookDelivery.objects.order_by("pk").values_list("endpoint", "status")
    assert {pk: status for pk, status in rows if pk == endpoint.pk} == {endpoint.pk: "pending"}
    assert {status for pk, status in rows if pk != endpoint.pk} == {"failed"}


def sent_ids(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.requests]


def test_what_is_sent_again_goes_out_before_what_waits_anyway(editor, tenant):
    (port,) = free_ports(1)
    endpoint = endpoint_at(f"http://{LOOPBACK}:{port}/", tenant=tenant)
    tell(tenant, 80, at=timezone.now() - DAY)
    drain()
    first, second = WebhookDelivery.objects.filter(attempts=0).order_by("-pk")[:2]

    for delivery in (first, second):
        answer = editor.post(page(delivery, "redeliver"), follow=True)
        assert "The delivery goes out now." in answer.content.decode()
    drain()
    assert [of(row).attempts for row in (first, second)] == [0, 1]
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(held_until=None)
    drain()

    assert [of(row).attempts for row in (first, second)] == [1, 1]


def test_all_that_is_sent_again_goes_in_its_order_after_what_waits(editor, tenant, monkeypatch):
    monkeypatch.setattr(serving, "AT_ONCE", 1)
    with Receiver() as receiver:
        endpoint = endpoint_at(receiver.url, tenant=tenant)
        failed, waiting = tell(tenant, 3), tell(tenant, 3)
        rows = WebhookDelivery.objects.filter(pk__in=[row.pk for row in failed])
        rows.update(status="failed", next_attempt_at=None)

        worked_off(editor.post(page(endpoint, "resend")))
        drain()

        assert sent_ids(receiver) == [str(row.event_id) for row in [*waiting, *failed]]


def test_who_may_not_send_a_webhooks_failures_again_is_refused(tenant, stranger):
    endpoint = endpoint_at(URL, tenant=tenant)
    tell(tenant)
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)
    viewer = staff(tenant, Role.VIEWER)

    assert page(endpoint, "resend") not in viewer.get(page(endpoint)).content.decode()
    assert viewer.post(page(endpoint, "resend")).status_code == 403
    assert stranger.post(page(endpoint, "resend")).status_code == 404
    assert not BackgroundJob.objects.exists()


def test_chosen_webhooks_are_tested_as_a_job_that_tells_each_failure(keeper, tenant):
    with Receiver() as receiver:
        endpoint_at(receiver.url, tenant=tenant)
        endpoint_at("http://127.0.0.1:1/", tenant=tenant)
        keys = list(WebhookEndpoint.objects.values_list("pk", flat=True))
        job = worked_off(keeper.post(ENDPOINTS, {"action": "send_test", "_selected_action": keys}))

    assert job.result == {"done": 1, "refused": 1}
    (problem,) = job.problems.all()
    assert problem.value.startswith("127.0.0.1: ")


def test_payload_and_answer_are_shown_as_text(editor, tenant):
    endpoint_at(URL, tenant=tenant, description="<b>x</b>")
    (delivery,) = tell(tenant, subject=BAD)
    WebhookDelivery.objects.update(response_body=BAD, response_status=500, error="HTTP 500")

    shown = editor.get(page(delivery)).content.decode()
    listed = editor.get(DELIVERIES).content.decode()

    assert "<script>alert" not in shown + listed
    assert "<b>x</b>" not in shown + listed
    assert "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_a_delivery_leads_to_its_message_while_there_is_one(editor, tenant, other_tenant):
    endpoint_at(URL, tenant=tenant)
    own, foreign = an_email(tenant), an_email(other_tenant)
    (delivery,) = tell(tenant)

    def told_of(tracking_id) -> str:
        WebhookDelivery.objects.update(tracking_id=tracking_id)
        return editor.get(page(delivery)).content.decode()

    assert f'href="/admin/logs/emaillog/{own.pk}/change/"' in told_of(own.tracking_id)
    for unknown in (foreign.tracking_id, uuid4()):
        assert str(unknown) in told_of(unknown)
        assert "/admin/logs/emaillog/" not in main_of(told_of(unknown))
    assert "/admin/logs/emaillog/" not in main_of(told_of(None))


def main_of(shown: str) -> str:
    """A page without the navigation, which leads to the list of messages."""
    return shown[shown.index('id="webhookdelivery_form"') :]


def test_the_history_is_filtered(editor, tenant):
    endpoint = endpoint_at(URL, tenant=tenant)
    endpoint_at(URL, tenant=tenant, events=["email.opened"])
    tell(tenant)
    (failed,) = tell(tenant, kind="email.bounced")
    WebhookDelivery.objects.filter(pk=failed.pk).update(status="failed", next_attempt_at=None)

    def found(query: str) -> set[int]:
        return {row.pk for row in editor.get(DELIVERIES + query).context["cl"].result_list}

    assert found("?status__exact=failed") == {failed.pk}
    assert found("?type=email.bounced") == {failed.pk}
    assert found("?type=no.such") == found("")
    assert found(f"?endpoint__id__exact={endpoint.pk}&q={failed.public_id}") == {failed.pk}
    assert found(f"?q={str(failed.event_id).upper()}") == {failed.pk}
    assert found(f"?q={failed.event_id.hex}&type=email.sent") == set()
    assert found("?q=0198") == set()  # half an id would read the whole table


def test_an_event_is_found_for_all_webhooks_of_the_own_tenant(editor, stranger, tenant):
    endpoint_at(URL, tenant=tenant)
    endpoint_at(URL, tenant=tenant)
    first, second = tell(tenant)

    def found(client: Client) -> set[int]:
        page = client.get(f"{DELIVERIES}?q={first.event_id}")
        return {row.pk for row in page.context["cl"].result_list}

    assert found(editor) == {first.pk, second.pk}
    assert found(stranger) == set()


@pytest.mark.parametrize("address", [ENDPOINTS, DELIVERIES])
def test_a_longer_list_asks_no_more(editor, tenant, address):
    endpoint_at(URL, tenant=tenant)
    tell(tenant, 2)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert editor.get(address).status_code == 200
        return len(queries)

    asked()
    few = asked()
    endpoint_at(URL, tenant=tenant)
    endpoint_at(URL, tenant=tenant)
    tell(tenant, 5)

    assert asked() == few
