"""P9: a dead or hostile server costs its own account bounded time, and nobody else any."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

import pytest

from common.smtp.opening import DEFAULT_TIMEOUTS
from common.tests.smtp_server import HANG, Answer, Drip, ScriptedServer
from tests.faults.form import IS_LONG, size
from tests.faults.tally import Tally, accept, request_of
from tests.installation import Installation
from tests.servers.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.journey, pytest.mark.timeout(600)]

GENEROUS = 10.0
"""Seconds that a message may take on a busy machine; behind a dead server it would take 30."""
EACH = 2  # accounts, so that there are more of them than processes of the worker


@pytest.fixture
def hostile() -> dict[str, tuple[str, Answer, float]]:
    """Event, what is said there, and the seconds in which the attempt has to end."""
    opening, send = DEFAULT_TIMEOUTS.opening, DEFAULT_TIMEOUTS.send
    servers = {
        "say nothing": ("BANNER", HANG, opening),
        "never end their banner": ("BANNER", Drip(b"2", every=0.2, forever=True), opening),
    }
    last = {"hang after the final dot": ("BODY", HANG, send)}  # a minute and a half
    return servers | last if IS_LONG else servers


@contextmanager
def both_workers(installation: Installation) -> Iterator[None]:
    """As ``make run`` starts them; killed at the end, so that nothing waits for a server."""
    with installation.worker() as worker, installation.urgent_worker() as urgent:
        yield
        worker.kill()
        urgent.kill()


def test_dead_servers_cost_their_accounts_bounded_time_and_another_tenant_none(
    embedded, hostile, count
):
    installation, deadlines, servers = embedded.installation, {}, []
    with ExitStack() as stack:
        quick = stack.enter_context(ScriptedServer())
        stack.enter_context(installation.web())
        neighbour = Neighbour(installation, quick)
        stack.enter_context(both_workers(installation))
        neighbour.send(1)  # the workers' first message takes longer
        before = neighbour.send(size(5, long=100))
        for event, answer, seconds in hostile.values():
            server = stack.enter_context(ScriptedServer())
            accounts = [embedded.account(port=server.port) for _ in range(EACH)]
            tests = len(server.connections)
            server.always(event, answer)
            for account in accounts:
                (tracking_id,) = accept(installation, account, 1)
                deadlines[tracking_id] = seconds
            servers.append((server, tests + EACH))

        until(lambda: all(len(s.connections) >= n for s, n in servers), timeout=20, what="held up")
        during = neighbour.send(size(5, long=100))
        still_held = {installation.message(each)["status"] for each in deadlines}
        took = {each: seconds_of_attempt(installation, each) for each in deadlines}
        waiting = {installation.message(each)["status"] for each in deadlines}
        for each in deadlines:
            installation.made(f"/logs/{each}/cancel", None, status=200)
        tally = Tally(neighbour.accepted, [message.data for message in quick.messages])

    count("P9", f"servers that {', '.join(hostile)}", len(deadlines), tally)
    tally.assert_nothing_lost_or_invented()
    assert tally.extra == 0
    assert still_held == {"sending"}
    assert (p95(before) < GENEROUS, p95(during) < GENEROUS) == (True, True), (before, during)
    assert waiting == {"queued"}
    assert {each: took[each] < most + 20 for each, most in deadlines.items()} == dict.fromkeys(
        deadlines, True
    ), took


class Neighbour:
    """Another tenant with a server that works."""

    def __init__(self, installation: Installation, server: ScriptedServer) -> None:
        self.accepted: frozenset[str] = frozenset()
        self._installation, self._server = installation, server
        self._key = installation.new_tenant("quick")
        with self._signed_in():
            installation.account("help@quick.test", port=server.port)

    def send(self, count: int) -> list[float]:
        """Send so many, one after the other; the seconds from each 202 to its arrival."""
        with self._signed_in():
            return [self._send_one() for _ in range(count)]

    def _send_one(self) -> float:
        body = request_of("help@quick.test", len(self.accepted))
        known = len(self._server.messages)
        answer = self._installation.made("/emails/send", body, status=202)
        began = time.monotonic()
        self.accepted |= {answer["tracking_id"]}
        until(lambda: len(self._server.messages) > known, timeout=60, what="the neighbour's mail")
        return time.monotonic() - began

    @contextmanager
    def _signed_in(self) -> Iterator[None]:
        headers = self._installation.session.headers
        ours, headers["X-API-Key"] = headers["X-API-Key"], self._key
        yield
        headers["X-API-Key"] = ours


def seconds_of_attempt(installation: Installation, tracking_id: str) -> float:
    """Return how long the message's first attempt took, once it is over."""

    def told() -> dict[str, datetime]:
        events = installation.call("GET", f"/logs/{tracking_id}/events").json()["results"]
        return {each["type"]: datetime.fromisoformat(each["at"]) for each in events}

    until(lambda: "deferred" in told(), timeout=120, what="the attempt over")
    times = told()
    return (times["deferred"] - times["sending"]).total_seconds()


def p95(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.95)]
