"""P14: every event of an accepted message is told, whatever receivers and workers suffer."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from tests.faults.tally import accept, settled_rows
from tests.servers.receiver import ERROR, HANG, OK, Received, Receiver
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(300)]
MESSAGES = 30
WAITING = """
    SELECT delivery.id FROM webhooks_webhookdelivery AS delivery
    JOIN webhooks_webhookendpoint AS hook ON hook.id = delivery.endpoint_id
    WHERE delivery.status = 'pending' AND hook.is_active
"""


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


@pytest.fixture
def hook(runtime, receiver):
    """Make a webhook of these types at the receiver, alone in the tenant; web must run."""

    def make(*types: str, url: str = "") -> dict:
        body = {"url": url or receiver.url, "events": list(types)}
        return runtime.installation.made("/webhooks", body)

    yield make
    runtime.execute("UPDATE webhooks_webhookendpoint SET is_active = %s", [False])


def told(receiver: Receiver) -> Counter[str]:
    """How often each message was told of, by its tracking id."""
    return Counter(json.loads(one.body)["data"]["tracking_id"] for one in receiver.requests)


def ids(requests: list[Received]) -> set[str]:
    return {request.headers["webhook-id"] for request in requests}


def test_a_sent_message_is_told_at_once_beside_an_endpoint_that_hangs(
    runtime, receiver, hook, smtp_sink
):
    installation = runtime.installation
    with Receiver() as hanging, installation.running() as worker:
        hanging.answers(HANG)
        made = hook("email.sent")
        hook("*", url=hanging.url)
        account = runtime.account(port=smtp_sink.port)
        accepted = accept(installation, account, MESSAGES)
        settled_rows(installation, account, accepted)

        until(lambda: len(told(receiver)) == MESSAGES, timeout=20, what="all events")
        until(lambda: hanging.requests, timeout=20, what="a request that hangs")
        assert hanging.most_at_once <= 4
        worker.kill()

    assert set(told(receiver)) == set(accepted)
    for request in receiver.requests:
        Webhook(made["secret"]).verify(request.body, request.headers)
        SvixWebhook(made["secret"]).verify(request.body, request.headers)


def test_a_worker_killed_in_the_middle_repeats_a_few_under_their_ids_and_loses_none(
    runtime, receiver, hook, smtp_sink
):
    installation = runtime.installation
    receiver.answers(*[OK] * 5, HANG)
    with installation.web():
        hook("email.sent")
        account = runtime.account(port=smtp_sink.port)
        accepted = accept(installation, account, MESSAGES)
        with installation.worker() as worker:
            settled_rows(installation, account, accepted)
            until(lambda: len(receiver.requests) >= 6, timeout=30, what="a request that hangs")
            worker.kill()
        before = len(receiver.requests)
        receiver.answers(OK)
        with installation.worker():
            until(lambda: len(told(receiver)) == MESSAGES, timeout=90, what="all events")
            until(lambda: not runtime.execute(WAITING), timeout=60, what="nothing waits")

    again = Counter(one.headers["webhook-id"] for one in receiver.requests)
    assert set(told(receiver)) == set(accepted)
    assert len(again) == MESSAGES
    assert sum(again.values()) - MESSAGES <= before


def test_after_a_day_without_the_receiver_all_arrives_once_it_is_up(
    runtime, receiver, hook, smtp_sink
):
    installation = runtime.installation
    receiver.answers(ERROR)
    with installation.running():
        made = hook("email.sent")
        account = runtime.account(port=smtp_sink.port)
        accepted = accept(installation, account, MESSAGES)
        settled_rows(installation, account, accepted)
        until(lambda: len(receiver.requests) >= 6, timeout=30, what="some failures")
    down = receiver.requests
    a_day_passes(runtime)
    receiver.answers(OK)
    with installation.running():
        arrived = len(down) + MESSAGES
        until(lambda: len(receiver.requests) >= arrived, timeout=60, what="all events")

    up = receiver.requests[len(down) :]
    assert ids(down) <= ids(up)
    assert len(up) == len(ids(up)) == MESSAGES
    assert {json.loads(one.body)["data"]["tracking_id"] for one in up} == set(accepted)
    for request in up:
        Webhook(made["secret"]).verify(request.body, request.headers)


def a_day_passes(runtime) -> None:
    """Put everything that was written a day back: the same as a clock that went on."""
    tables = {
        "webhooks_webhookdelivery": ("tried_since", "next_attempt_at", "created_at"),
        "webhooks_webhookendpoint": ("failing_since", "held_until", "leased_until"),
    }
    for table, columns in tables.items():
        for column in columns:
            for key, at in runtime.execute(f"SELECT id, {column} FROM {table}"):
                if at is not None:
                    moved = moment(at) - timedelta(days=1)
                    text = moved.strftime("%Y-%m-%d %H:%M:%S.%f")
                    runtime.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [text, key])


def moment(at: datetime | str) -> datetime:
    return (at if isinstance(at, datetime) else datetime.fromisoformat(at)).replace(tzinfo=UTC)
