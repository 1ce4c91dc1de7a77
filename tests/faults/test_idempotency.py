"""P13: one key is one message, over processes, restarts and a lost Redis."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from common.tests.smtp_server import ScriptedServer
from tests.faults.form import size
from tests.faults.tally import Tally, request_of, settled_rows

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(300)]


def post(runtime, body: dict, *, key: str, api_key: str = "") -> requests.Response:
    """One request over a connection of its own, as another client would make it."""
    installation = runtime.installation
    headers = {
        "X-API-Key": api_key or installation.session.headers["X-API-Key"],
        "Idempotency-Key": key,
    }
    url = f"{installation.url}/api/v1/emails/send"
    return requests.post(url, json=body, headers=headers, timeout=60)


@pytest.mark.parametrize("runtime", ["embedded", "production"], indirect=True)
def test_parallel_requests_with_one_key_make_one_message(runtime, count):
    requested = size(50, long=500)
    with ScriptedServer() as server, runtime.installation.web(workers=3):
        account = runtime.account(port=server.port)
        body = request_of(account, 1)
        with ThreadPoolExecutor(25) as pool:
            answers = list(
                pool.map(lambda _: post(runtime, body, key=f"{account} parallel"), range(requested))
            )
        accepted = [answer for answer in answers if answer.status_code == 202]
        with runtime.installation.worker():
            ids = frozenset(answer.json()["tracking_id"] for answer in accepted)
            settled_rows(runtime.installation, account, ids)
        tally = Tally(ids, [message.data for message in server.messages])

    count("P13", "parallel requests with one key", requested, tally)
    tally.assert_nothing_lost_or_invented()
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len([one for one in accepted if "Idempotent-Replayed" not in one.headers]) == 1
    assert len({one.content for one in accepted}) == 1
    assert (len(ids), tally.extra) == (1, 0)


def test_a_key_outlives_a_restart_and_a_lost_redis_and_ends_at_the_tenants_wall(production):
    installation = production.installation
    neighbour = installation.new_tenant("neighbour")
    with ScriptedServer() as server:
        with installation.web():
            account = production.account(port=server.port)
            body, key = request_of(account, 1), "k" * 256
            first = post(production, body, key=key)
        production.redis.kill()
        production.redis.start()
        with installation.web():
            again = post(production, body, key=key)
            other_body = post(production, request_of(account, 2), key=key)
            other_tenant = post(production, body, key=key, api_key=neighbour)
            too_long = post(production, body, key="k" * 257)
            with installation.worker():
                settled_rows(installation, account, [first.json()["tracking_id"]])

    assert first.status_code == again.status_code == 202
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert other_body.status_code == 422
    assert other_body.json()["errors"][0]["code"] == "idempotency_key_reused"
    # Asked anew, and refused for its own reason: the account is not that tenant's.
    assert other_tenant.status_code == 422
    assert other_tenant.json()["errors"][0]["attr"] == "from_account"
    assert too_long.status_code == 400
    assert len(server.messages) == 1
