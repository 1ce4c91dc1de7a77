"""From a due delivery to the receiver's answer, and what an answer makes of it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from common import loop
from delivery import stopping
from tests.servers.receiver import ERROR, HANG, OK, Receiver, Reply
from tests.servers.waiting import LOOPBACK, free_ports, until
from webhooks import claims, doorbell, jobs, services, serving
from webhooks.jobs import Drain
from webhooks.models import DeliveryStatus, Off, WebhookDelivery, WebhookEndpoint
from webhooks.tests.telling import DAY, drain, endpoint_at, of, tell, verified

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _goes_on():
    yield
    stopping.forget()


def statuses() -> list[str]:
    return list(WebhookDelivery.objects.order_by("pk").values_list("status", flat=True))


def ids(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.requests]


def test_a_due_delivery_arrives_once_and_both_families_of_verifiers_accept_it(
    endpoint, receiver, tenant
):
    (delivery,) = tell(tenant, subject="Olá ✉")

    drain()
    drain()

    (request,) = receiver.requests
    event = verified(request, endpoint)
    assert event["type"] == "email.sent"
    assert event["data"] == {"number": 0, "subject": "Olá ✉"}
    assert event["timestamp"].endswith("Z")
    assert request.body.decode() == delivery.payload
    assert request.headers["webhook-id"] == str(delivery.event_id)
    assert request.headers["svix-id"] == request.headers["webhook-id"]
    assert request.headers["content-type"] == "application/json"
    stored = of(delivery)
    assert (stored.status, stored.attempts, stored.response_status) == ("delivered", 1, 204)
    assert stored.delivered_at is not None
    assert stored.next_attempt_at is None


def test_a_changed_body_or_another_secret_is_not_accepted(endpoint, receiver, tenant):
    tell(tenant)
    drain()
    (request,) = receiver.requests

    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(request.body + b" ", request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(request.body, request.headers)


def test_for_a_day_after_a_rotation_both_secrets_verify(endpoint, receiver, tenant):
    old = endpoint.secret
    rotated = services.rotate_secret(endpoint, at=timezone.now())
    tell(tenant)
    drain()

    (request,) = receiver.requests
    assert rotated.secret != old
    for secret in (old, rotated.secret):
        Webhook(secret).verify(request.body, request.headers)

    WebhookEndpoint.objects.update(previous_secret_until=timezone.now())
    tell(tenant)
    drain()
    last = receiver.requests[-1]
    Webhook(rotated.secret).verify(last.body, last.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(last.body, last.headers)


def test_a_receiver_that_was_down_for_a_day_gets_everything_once_it_is_up(
    endpoint, receiver, tenant
):
    receiver.answers(ERROR)
    start = timezone.now() - DAY
    told = tell(tenant, 12, at=start)
    for hours in range(24):
        tell(tenant, at=start + timedelta(hours=hours))
        drain(at=start + timedelta(hours=hours))
    down = len(receiver.requests)
    assert down >= 24
    assert set(statuses()) == {"pending"}

    receiver.answers(OK)
    drain(at=timezone.now())

    up = receiver.requests[down:]
    assert set(statuses()) == {"delivered"}
    assert len(up) == len({request.headers["webhook-id"] for request in up}) == 12 + 24
    assert {str(each.event_id) for each in told} <= set(ids(receiver)[:down])
    assert all(verified(request, endpoint) for request in up)
    assert WebhookEndpoint.objects.get().failing_since is None


def test_a_receiver_that_two_webhooks_lead_to_knows_the_event_again(endpoint, receiver, tenant):
    endpoint_at(receiver.url, tenant=tenant)
    first, second = tell(tenant)

    drain()

    assert first.public_id != second.public_id
    assert ids(receiver) == [str(first.event_id)] * 2 == [str(second.event_id)] * 2


def test_each_try_keeps_the_id_and_has_a_fresh_timestamp(endpoint, receiver, tenant):
    receiver.answers(ERROR, OK)
    start = timezone.now() - timedelta(seconds=100)
    (delivery,) = tell(tenant, at=start)
    drain(at=start)
    drain(at=start + timedelta(seconds=60))

    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    stamps = [int(request.headers["webhook-timestamp"]) for request in (first, second)]
    assert stamps[1] - stamps[0] == 60
    verified(second, endpoint)
    assert of(delivery).attempts == 2


def test_a_failure_waits_as_the_schedule_says(endpoint, receiver, tenant):
    receiver.answers(ERROR)
    (delivery,) = tell(tenant, at=NOW)
    waits, at = [], NOW
    while (row := of(delivery)).status == DeliveryStatus.PENDING:
        drain(at=row.next_attempt_at)
        waits.append(row.next_attempt_at - at)
        at = row.next_attempt_at

    planned = [0, 5, 300, 1800, 7200, 18000, 36000, *[43200] * 4]
    assert len(waits) == len(planned) + 1
    for waited, seconds in zip(waits, planned, strict=False):
        assert seconds <= waited.total_seconds() <= seconds * 1.1 + 0.001
    assert at - NOW == timedelta(days=3)
    last = of(delivery)
    assert (last.status, last.attempts, last.error) == ("failed", len(waits), "HTTP 500")
    assert last.response_body == "try later"


def test_an_endpoint_that_failed_for_three_days_is_switched_off_and_what_waits_waits(
    endpoint, receiver, tenant
):
    receiver.answers(ERROR)
    tell(tenant, at=NOW)
    drain(at=NOW)
    (later,) = tell(tenant, at=NOW + 3 * DAY)

    drain(at=NOW + 3 * DAY)
    drain(at=NOW + 4 * DAY)

    row = WebhookEndpoint.objects.get()
    assert (row.is_active, row.off_reason, row.off_at) == (False, Off.FAILING, NOW + 3 * DAY)
    assert statuses() == ["failed", "pending"]
    assert tell(tenant) == []

    receiver.answers(OK)
    services.update_endpoint(row, changes={"is_active": True})
    drain()
    assert of(later).status == "delivered"
    assert WebhookEndpoint.objects.get().off_reason == ""


def test_an_endpoint_with_a_success_now_and_then_stays_on(endpoint, receiver, tenant):
    receiver.answers(ERROR)
    tell(tenant, at=NOW)
    drain(at=NOW)
    receiver.answers(OK, ERROR)
    tell(tenant, at=NOW + 2 * DAY)
    drain(at=NOW + 2 * DAY)
    receiver.answers(ERROR)
    tell(tenant, at=NOW + 4 * DAY)
    drain(at=NOW + 4 * DAY)

    assert WebhookEndpoint.objects.get().is_active


def test_gone_switches_the_endpoint_off_at_once(endpoint, receiver, tenant):
    receiver.answers(Reply(410))
    tell(tenant, 1)
    drain()
    drain()

    row = WebhookEndpoint.objects.get()
    assert (row.is_active, row.off_reason) == (False, Off.GONE)
    assert len(receiver.requests) == 1
    assert statuses() == ["failed"]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_respected_for_all_that_waits(endpoint, receiver, tenant, status):
    receiver.answers(Reply(status, headers={"Retry-After": "1200"}), OK)
    (first,) = tell(tenant, at=NOW)
    drain(at=NOW)
    tell(tenant, at=NOW + MINUTE)

    drain(at=NOW + timedelta(seconds=1199))
    assert len(receiver.requests) == 1
    assert of(first).next_attempt_at >= NOW + timedelta(seconds=1200)

    drain(at=NOW + timedelta(seconds=1200))
    assert statuses() == ["delivered", "delivered"]


def test_retry_after_of_a_year_holds_nobody_for_longer_than_half_a_day(endpoint, receiver, tenant):
    receiver.answers(Reply(429, headers={"Retry-After": "31536000"}), OK)
    (delivery,) = tell(tenant, at=NOW)
    drain(at=NOW)

    assert of(delivery).next_attempt_at <= NOW + timedelta(hours=13, minutes=12)


def test_retry_after_may_be_a_date(endpoint, receiver, tenant):
    until_then = timezone.now() + timedelta(hours=2)
    date = until_then.strftime("%a, %d %b %Y %H:%M:%S GMT")
    receiver.answers(Reply(503, headers={"Retry-After": date}))
    (delivery,) = tell(tenant)
    drain()

    assert of(delivery).next_attempt_at >= until_then - timedelta(seconds=2)


def test_a_redirect_is_a_failure_and_is_not_followed(endpoint, receiver, tenant):
    with Receiver() as inside:
        receiver.answers(Reply(302, headers={"Location": inside.url}))
        (delivery,) = tell(tenant)
        drain()

        assert inside.requests == []
    assert (of(delivery).status, of(delivery).response_status) == ("pending", 302)


def test_an_endpoint_that_hangs_takes_time_from_no_other(receiver, endpoint, tenant):
    with Receiver() as hanging:
        hanging.answers(HANG)
        endpoint_at(hanging.url, tenant=tenant)
        tell(tenant, 40)
        run = threading.Thread(target=lambda: loop.run(Drain(seconds=3).run()))
        run.start()

        until(lambda: len(receiver.requests) == 40, timeout=10, what="the healthy one's events")
        assert run.is_alive()
        assert 1 <= hanging.most_at_once <= 4
    run.join()
    healthy = WebhookDelivery.objects.filter(endpoint=endpoint)
    assert set(healthy.values_list("status", flat=True)) == {"delivered"}


def test_many_failing_endpoints_leave_room_for_others(receiver, endpoint, tenant, monkeypatch):
    monkeypatch.setattr(jobs, "ENDPOINTS", 4)
    monkeypatch.setattr(jobs, "FAILING_ENDPOINTS", 2)
    with Receiver() as hanging:
        hanging.answers(HANG)
        for _ in range(5):
            endpoint_at(hanging.url, tenant=tenant)
        failing = WebhookEndpoint.objects.exclude(pk=endpoint.pk)
        failing.update(failures=9, failing_since=timezone.now())
        tell(tenant)
        run = threading.Thread(target=lambda: loop.run(Drain(seconds=10).run()))
        run.start()
        until(lambda: receiver.requests, timeout=10, what="the healthy one's event")
        until(lambda: len(hanging.requests) >= 2, timeout=10, what="tries at failing ones")
        tell(tenant)

        until(lambda: len(receiver.requests) == 2, timeout=10, what="its next event")
        assert run.is_alive()
        assert hanging.most_at_once == 2
        stopping.ask()
    run.join()


def test_a_dead_endpoint_is_not_hammered_however_much_waits(tenant):
    (port,) = free_ports(1)
    endpoint_at(f"http://{LOOPBACK}:{port}/", tenant=tenant)
    tell(tenant, 30, at=NOW)

    drain(at=NOW)

    row = WebhookEndpoint.objects.get()
    tried = WebhookDelivery.objects.filter(attempts__gt=0).count()
    assert row.failures == tried <= 8
    assert row.held_until == NOW + claims.PAUSE
    drain(at=NOW + claims.PAUSE)
    assert WebhookDelivery.objects.filter(attempts__gt=0).count() == tried + 1


def test_a_worker_that_was_killed_while_sending_costs_a_repetition_under_the_same_id(
    endpoint, receiver, tenant
):
    (delivery,) = tell(tenant, at=NOW)
    (held,) = claims.claim(at=NOW, most=9, failing=False)
    assert claims.due(held, at=NOW, most=9, without=[]) == [delivery]

    drain(at=NOW + claims.LEASE - timedelta(seconds=1))
    assert receiver.requests == []

    drain(at=NOW + claims.LEASE)
    assert ids(receiver) == [str(delivery.event_id)]
    assert of(delivery).status == "delivered"
    late = [claims.Attempt(delivery, claims.Answer(error="late"))]
    assert claims.record(held, late, at=NOW + claims.LEASE) is None
    assert of(delivery).status == "delivered"


def test_two_workers_never_hold_the_same_endpoint(tenant, receiver):
    for _ in range(3):
        endpoint_at(receiver.url, tenant=tenant)
    tell(tenant, at=NOW)

    first = claims.claim(at=NOW, most=2, failing=False)
    second = claims.claim(at=NOW, most=9, failing=False)

    assert (len(first), len(second)) == (2, 1)
    assert not {one.pk for one in first} & {one.pk for one in second}


def test_after_a_long_trouble_all_that_waits_goes_at_once(endpoint, receiver, tenant):
    receiver.answers(ERROR)
    old = tell(tenant, 3, at=NOW)
    for _ in range(3):
        drain(at=max(of(each).next_attempt_at for each in old))
    assert all(of(each).next_attempt_at > NOW + 5 * MINUTE for each in old)

    receiver.answers(OK)
    tell(tenant, at=NOW + 6 * MINUTE)
    drain(at=NOW + 6 * MINUTE)

    assert set(statuses()) == {"delivered"}


def test_one_event_that_the_receiver_cannot_stand_keeps_its_waits(
    endpoint, receiver, tenant, monkeypatch
):
    monkeypatch.setattr(serving, "AT_ONCE", 1)
    receiver.answers(lambda request: ERROR if b"poison" in request.body else OK)
    (poison,) = tell(tenant, at=NOW, word="poison")
    tell(tenant, 5, at=NOW)

    drain(at=NOW)
    drain(at=NOW + timedelta(seconds=2))

    assert of(poison).attempts == 1
    assert statuses().count("delivered") == 5


def test_what_waits_for_an_inactive_tenant_is_not_sent(endpoint, receiver, tenant):
    tell(tenant)
    tenant.is_active = False
    tenant.save()

    drain()

    assert receiver.requests == []


def test_a_secret_that_cannot_be_read_holds_the_endpoint_without_a_failure(
    endpoint, receiver, tenant, settings
):
    tell(tenant)
    settings.ENCRYPTION_KEYS = ["another key than before"]

    drain()

    row = WebhookEndpoint.objects.get()
    assert (row.failures, receiver.requests) == (0, [])
    assert row.held_until is not None
    assert row.lease_token == ""


def test_what_is_committed_rings_and_what_is_rolled_back_does_not(endpoint, tenant, monkeypatch):
    rung = []
    monkeypatch.setattr(doorbell.current_app, "send_task", lambda name, **kw: rung.append(name))
    cache.clear()
    with transaction.atomic():
        tell(tenant)
        transaction.set_rollback(True)
    assert (rung, WebhookDelivery.objects.count()) == ([], 0)

    with transaction.atomic():
        tell(tenant, 3)
    assert rung == ["webhooks.drain"]
    jobs.sweep()
    assert rung == ["webhooks.drain"]
    cache.clear()
    jobs.sweep()
    assert rung == ["webhooks.drain"] * 2


def test_old_deliveries_are_purged_by_their_status(endpoint, tenant):
    for status, days in [
        ("delivered", 29), ("delivered", 31), ("failed", 31), ("failed", 91), ("pending", 91),
    ]:  # fmt: skip
        (delivery,) = tell(tenant)
        created = NOW - timedelta(days=days)
        WebhookDelivery.objects.filter(pk=delivery.pk).update(status=status, created_at=created)

    assert jobs.purge(at=NOW) == 3
    assert statuses() == ["delivered", "failed"]


def test_a_purge_goes_on_batch_by_batch(endpoint, tenant, monkeypatch):
    monkeypatch.setattr(jobs, "PURGED_AT_ONCE", 2)
    tell(tenant, 5)

    assert jobs.purge(at=NOW + 91 * DAY) == 5


def test_a_run_stops_when_the_worker_is_asked_to(endpoint, receiver, tenant):
    tell(tenant)
    stopping.ask()

    assert loop.run(Drain().run()) is False
    assert receiver.requests == []
    assert statuses() == ["pending"]
