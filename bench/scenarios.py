"""The measures: each yields a ``Run`` per party."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench import console as pages
from bench import load, order
from bench.delay import far_away
from bench.measure import Run, Spent, cpu_of_group, memory_of_group, script
from bench.parties.sendcraft import Hub, hub
from bench.servers import Servers
from bench.sink import OwnSink, Sink, own_sink, receiver
from tests.servers.google import FakeGoogle
from tests.servers.processes import celery_worker

ROUND_TRIP = 0.02
CONNECTIONS_NEAR = 8
HIGH, LOW = 10, 30
WARM_UP = 60
KEPT_FOR = 21.0  # seconds, and a little more: delivery.sessions.SLOT_LEASE
WARM_UP_NUMBERS = 10_000_000
MAILS, MODEL_SECONDS = 1_000, 0.5
NEAR, FAR = "near, messages", "20 ms away, messages"


@dataclass
class Bench:
    """What all measures share: sizes, a folder, and installations that are set up once."""

    folder: Path
    stack: ExitStack
    servers: Servers | None
    messages: int
    crowd: int
    limit: float
    million: bool = False
    hubs: dict[str, Hub] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    @property
    def runtimes(self) -> list[str]:
        return ["MariaDB", "embedded"] if self.servers else ["embedded"]

    def hub(self, runtime: str) -> Hub:
        if runtime not in self.hubs:
            self.hubs[runtime] = self.stack.enter_context(self._new_hub(runtime))
        return self.hubs[runtime]

    def _new_hub(self, runtime: str) -> AbstractContextManager[Hub]:
        folder = self.folder / f"hub-{runtime}"
        if runtime == "embedded" or self.servers is None:
            return hub(runtime, folder, env={})
        env = self.servers.env("hub")
        return hub(runtime, folder, env=env, database_group=self.servers.database_group)

    def stocked(self, runtime: str, *, messages: int) -> dict[str, Any]:
        """Return where an installation with so many messages is, or is to be."""
        name = f"console_{messages}"
        env = {}
        if runtime == "MariaDB" and self.servers:
            env = self.servers.env(name)
        return {"folder": self.folder / f"{name}-{runtime}", "env": env, "messages": messages}

    def peer_database(self, runtime: str) -> str:
        """A database of the peer's own of the same kind."""
        name = f"peer_{secrets.token_hex(4)}"
        if runtime == "MariaDB" and self.servers:
            return self.servers.new_database(name)
        return f"sqlite:///{self.folder / name}"


def near(bench: Bench) -> Iterator[Run]:
    """How many messages a second reach a receiver on the same machine."""
    for runtime in bench.runtimes:
        with receiver() as sink:
            yield sendcraft(bench, runtime, sink, port=sink.port, connections=CONNECTIONS_NEAR)
        with receiver() as sink:
            bench.hub(runtime).call("track", on=True)
            run = sendcraft(bench, runtime, sink, port=sink.port, connections=CONNECTIONS_NEAR)
            bench.hub(runtime).call("track", on=False)
            yield replace(run, party=f"{run.party}, opens and clicks tracked")
        for kind in ("late", "before"):
            with receiver() as sink:
                yield peer(bench, runtime, sink, port=sink.port, threads=10, kind=kind)
    for name, module, more in (
        ("smtplib, built messages, 2 processes", "smtplib_loop", 2),
        ("raw pipelined socket, built messages", "raw_socket", 1),
    ):
        with receiver() as sink:
            yield floor(bench, name, sink, module=module, port=sink.port, more=more)


def far(bench: Bench) -> Iterator[Run]:
    """The same over connections with a round trip of 20 ms."""
    for connections in (4, 64):
        measure = f"{FAR} over {connections} connections"
        with away() as (sink, port):
            runtime = bench.runtimes[0]
            yield sendcraft(
                bench, runtime, sink, port=port, connections=connections, measure=measure
            )
        with away() as (sink, port):
            yield peer(
                bench, runtime, sink, port=port, threads=connections, kind="before", measure=measure
            )
        with away() as (sink, port):
            yield floor(
                bench,
                "raw pipelined socket, built messages",
                sink,
                module="raw_socket",
                port=port,
                more=connections,
                measure=measure,
            )


@contextmanager
def away() -> Iterator[tuple[Sink, int]]:
    """A receiver, and the port at which it is far away."""
    with receiver() as sink, far_away(sink.port, round_trip=ROUND_TRIP) as port:
        yield sink, port


def accept(bench: Bench) -> Iterator[Run]:
    """How many requests, and recipients of bulk requests, are stored a second."""
    for runtime in bench.runtimes:
        with bench.hub(runtime).web() as web:
            yield _send_requests(bench, runtime, web=web.pid)
            yield _bulk_recipients(bench, runtime, web=web.pid)


def latency(bench: Bench) -> Iterator[Run]:
    """How long one message takes from its 202 to the receiver's 250 when nothing else is on."""
    for runtime in bench.runtimes:
        made = bench.hub(runtime)
        with own_sink() as sink, made.web(), made.worker():
            sender, pk = _account(bench, made, port=sink.port, connections=4)
            made.call("release", pk=pk)
            _send_and_time(made, sender, sink, count=3, priority="normal", limit=bench.limit)
            took = _send_and_time(
                made, sender, sink, count=30, priority="normal", limit=bench.limit
            )
            yield Run("one message, idle", f"SendCraft, {runtime}", _times(took))


def crowd(bench: Bench) -> Iterator[Run]:
    """How long urgent messages take, and how workers grow, while a large batch goes out."""
    runtime = bench.runtimes[0]
    made = bench.hub(runtime)
    with own_sink() as sink, made.web(), made.worker() as worker:
        sender, pk = _account(bench, made, port=sink.port, connections=CONNECTIONS_NEAR)
        made.call("fill", pk=pk, count=bench.crowd, priority=LOW)
        made.call("release", pk=pk)
        _wait(lambda: sink.count() >= WARM_UP, limit=bench.limit)
        before = max(memory_of_group(worker.pid).values())
        took = _send_and_time(made, sender, sink, count=10, priority="high", limit=bench.limit)
        ahead = sink.count()
        _wait(lambda: sink.count() >= bench.crowd + len(took), limit=bench.limit)
        memory = {"at_first_mb": before, "at_last_mb": max(memory_of_group(worker.pid).values())}
        passed = float(sink.count())
        made.call("hold", pk=pk)
    note = "" if ahead < bench.crowd else "the batch was over before the last of them"
    yield Run("`high` during a batch", f"SendCraft, {runtime}", _times(took), note)
    memory["messages"] = passed
    yield Run("memory of the largest process", f"SendCraft, {runtime}", memory)


def queue(bench: Bench) -> Iterator[Run]:
    """What a claim and ``queue_status`` cost with many open rows."""
    for runtime in bench.runtimes:
        made = bench.hub(runtime)
        _, pk = _account(bench, made, port=1, connections=4)
        made.call("fill", pk=pk, count=2_000)
        for rows in (10_000, 1_000_000) if bench.million else (10_000,):
            made.call("grow", pk=pk, rows=rows)
            figures = {
                "claim_of_100_ms": made.call("claim", pk=pk),
                "status_ms": made.call("status"),
            }
            yield Run(f"queue of {rows:,} rows", f"SendCraft, {runtime}", figures)


def track(bench: Bench) -> Iterator[Run]:
    """How many images and clicks a second are answered, and that each of them is stored."""
    for runtime in bench.runtimes:
        made = bench.hub(runtime)
        with made.web() as web:
            for name in ("open", "click"):
                yield _hits(bench, made, name, web=web.pid)


def _hits(bench: Bench, made: Hub, name: str, *, web: int) -> Run:
    port, count = made.installation.port, bench.messages * 2
    requests = [load.get_request(path) for path in made.call("tracked", name=name, count=count)]
    load.run(port, requests[:200], connections=8)
    stored, used = made.call("hits", wanted=0, limit=1.0), cpu_of_group(web)
    done = load.run(port, requests, connections=8)
    good = done.statuses[200] + done.statuses[302]
    after = made.call("hits", wanted=stored + good, limit=bench.limit)
    cpu = cpu_of_group(web) - used
    figures = {
        "per_second": good / done.seconds,
        "per_second_and_core": good / cpu,
        "cpu_ms": cpu * 1000 / max(1, good),
        "refused": float(done.statuses.total() - good),
        "lost": float(stored + good - after),
    }
    return Run(f"tracking, {name}s", f"SendCraft, {made.name}", figures, "2 web processes")


def triage(bench: Bench) -> Iterator[Run]:
    """How one worker process gets through mail with a model that takes half a second."""
    for runtime in bench.runtimes:
        made = bench.hub(runtime)
        with FakeGoogle(key="bench") as model:
            model.delay = MODEL_SECONDS
            yield _triaged(bench, made, model, name="new", note="20 at once")
            yield _triaged(bench, made, model, name="same", note="all of them known")
        figures = {"per_second": made.call("triage_offline", count=MAILS)}
        yield Run("triage, gate and offline provider", f"SendCraft, {runtime}", figures, "a core")


def _triaged(bench: Bench, made: Hub, model: FakeGoogle, *, name: str, note: str) -> Run:
    env = {"TRIAGE_PROVIDER": "gemini", "GEMINI_API_KEY": "bench", "GEMINI_BASE_URL": model.url}
    options = ("--concurrency", "1", "--queues", "triage", "--hostname", "triage@%h")
    model.forget()
    with celery_worker(env={**made.installation.env, **env}, options=options) as worker:
        before = _cpu(made, worker.pid)
        began = made.call("triage_fill", name=name, count=MAILS)
        end = made.call("triage_settled", limit=bench.limit)
        used = [now - then for now, then in zip(_cpu(made, worker.pid), before, strict=True)]
    seconds = end["at"] - began
    figures = {
        "per_second": MAILS / seconds,
        "seconds": seconds,
        "cpu_ms": used[0] * 1000 / MAILS,
        "database_cpu_ms": used[1] * 1000 / MAILS,
        "calls": float(len(model.requests)),
        "open": float(end["open"]),
    }
    return Run(f"triage, {name} mail", f"SendCraft, {made.name}", figures, note)


def console(bench: Bench) -> Iterator[Run]:
    """What the admin's pages take with a million messages; they may not ask more than with few."""
    for runtime in bench.runtimes:
        few, many, members = pages.FEW, pages.MANY[runtime], pages.MEMBERS[runtime]
        yield from pages.runs(
            pages.seen(**bench.stocked(runtime, messages=few), times=1, members=members),
            pages.seen(
                **bench.stocked(runtime, messages=many), times=pages.REQUESTS, members=members
            ),
            runtime=f"{many:,} messages, {runtime}",
        )


MEASURES: dict[str, Callable[[Bench], Iterator[Run]]] = {
    measure.__name__: measure
    for measure in (near, far, accept, latency, crowd, queue, track, triage, console)
}
USUAL = [name for name in MEASURES if name != "console"]


def sendcraft(
    bench: Bench, runtime: str, sink: Sink, *, port: int, connections: int, measure: str = NEAR
) -> Run:
    """Send through idle, warm workers; the time ends when the last row says ``sent``.

    The connection that a worker keeps after its warm-up would take one of few from the others.
    """
    made = bench.hub(runtime)
    with made.worker() as worker:
        _, pk = _account(bench, made, port=port, connections=connections)
        made.call("fill", pk=pk, count=WARM_UP, start=WARM_UP_NUMBERS)
        made.call("release", pk=pk)
        made.call("settled", pk=pk, limit=bench.limit)
        made.call("hold", pk=pk)
        made.call("fill", pk=pk, count=bench.messages)
        if connections < CONNECTIONS_NEAR:
            time.sleep(KEPT_FOR)
        before = _cpu(made, worker.pid)
        began = made.call("release", pk=pk)
        _wait(lambda: sink.count() >= bench.messages + WARM_UP, limit=bench.limit)
        end = made.call("settled", pk=pk, limit=5 if _is_over(began, bench) else bench.limit)
        used = [now - then for now, then in zip(_cpu(made, worker.pid), before, strict=True)]
        made.call("hold", pk=pk)
    spent = Spent(end["at"] - began, used[0])
    note = "DKIM and limits on"
    if end["open"]:
        note += f"; stopped after {bench.limit:.0f} s with {end['open']} open"
    run = _sent(
        measure, f"SendCraft, {runtime}", spent, sink, wanted=end["sent"], spare=WARM_UP, note=note
    )
    if made.database_group:
        per_message = used[1] * 1000 / max(1.0, run.figures["received"])
        return Run(run.measure, run.party, {**run.figures, "database_cpu_ms": per_message}, note)
    return run


def peer(
    bench: Bench,
    runtime: str,
    sink: Sink,
    *,
    port: int,
    threads: int,
    kind: str,
    measure: str = NEAR,
) -> Run:
    spent = script(
        "bench.parties.post_office",
        port,
        bench.messages,
        threads,
        kind,
        bench.peer_database(runtime),
        limit=bench.limit * 3,
    )
    how = {"late": "rendering at delivery", "before": "rendered before"}[kind]
    party = f"django-post-office, {runtime}, {how}"
    note = f"no DKIM; 2 processes, {threads} threads"
    return _sent(measure, party, spent, sink, wanted=bench.messages, note=note)


def floor(
    bench: Bench, name: str, sink: Sink, *, module: str, port: int, more: int, measure: str = NEAR
) -> Run:
    module = f"bench.parties.{module}"
    spent = script(module, port, bench.messages, more, limit=bench.limit * 3)
    return _sent(measure, name, spent, sink, wanted=bench.messages, note="no database, no DKIM")


def _sent(
    measure: str,
    party: str,
    spent: Spent,
    sink: Sink,
    *,
    wanted: int,
    spare: int = 0,
    note: str = "",
) -> Run:
    """Hold the receiver's account against the party's own."""
    came = sink.recipients()
    received = came.total() - spare
    figures = {
        "per_second": received / spent.seconds,
        "cpu_ms": spent.cpu * 1000 / max(1, received),
        "received": float(received),
        "lost": float(max(0, wanted - len(came))),
        "twice": float(came.total() - len(came)),
    }
    return Run(measure, party, figures, note)


def _account(bench: Bench, made: Hub, *, port: int, connections: int) -> tuple[str, int]:
    name = f"a{len(bench.names)}"
    bench.names.add(name)
    pk = made.call("account", name=name, port=port, connections=connections)
    return f"{name}@bench.test", pk


def _cpu(made: Hub, worker: int) -> tuple[float, float]:
    return cpu_of_group(worker), cpu_of_group(made.database_group)


def _wait(condition: Callable[[], bool], *, limit: float) -> None:
    """Return when the condition holds, or after ``limit`` seconds all the same."""
    over_at = time.monotonic() + limit
    while not condition() and time.monotonic() < over_at:
        time.sleep(0.05)


def _is_over(began: float, bench: Bench) -> bool:
    return time.monotonic() - began >= bench.limit


def _send_requests(bench: Bench, runtime: str, *, web: int) -> Run:
    made = bench.hub(runtime)
    sender, _ = _account(bench, made, port=1, connections=4)
    requests = [
        load.post_request(
            "/emails/send",
            _order(sender, number),
            key=made.key,
            idempotency_key=secrets.token_hex(16),
        )
        for number in range(bench.messages)
    ]
    port = made.installation.port
    load.run(port, requests[:50], connections=8)
    before = cpu_of_group(web)
    done = load.run(port, requests[50:], connections=8)
    good = done.statuses[202]
    figures = {
        "per_second": good / done.seconds,
        "cpu_ms": (cpu_of_group(web) - before) * 1000 / max(1, good),
        "refused": float(done.statuses.total() - good),
    }
    note = "authentication, Idempotency-Key; 2 web processes"
    return Run("`send`, requests", f"SendCraft, {runtime}", figures, note)


def _bulk_recipients(bench: Bench, runtime: str, *, web: int) -> Run:
    made = bench.hub(runtime)
    sender, _ = _account(bench, made, port=1, connections=4)
    size = min(2_000, bench.messages)
    bulk = {
        "template_id": "order",
        "from_account": sender,
        "variables_global": order.COMMON,
        "recipient_list": [
            {"to_address": order.recipient(number), "variables": _own(number)}
            for number in range(size)
        ],
    }
    requests = [
        load.post_request(
            "/emails/send-bulk", bulk, key=made.key, idempotency_key=secrets.token_hex(16)
        )
        for _ in range(5)
    ]
    port = made.installation.port
    load.run(port, requests[:1], connections=1)
    before = cpu_of_group(web)
    done = load.run(port, requests[1:], connections=2)
    stored = done.statuses[202] * size
    figures = {
        "per_second": stored / done.seconds,
        "cpu_ms": (cpu_of_group(web) - before) * 1000 / max(1, stored),
    }
    note = f"{size:,} recipients a request, 2 at once"
    return Run("`send-bulk`, recipients", f"SendCraft, {runtime}", figures, note)


def _own(number: int) -> dict[str, object]:
    names = order.variables(number).keys() - order.COMMON.keys()
    return {name: order.variables(number)[name] for name in names}


def _order(sender: str, number: int, *, priority: str = "normal") -> dict[str, object]:
    return {
        "template_id": "order",
        "from_account": sender,
        "to_address": order.recipient(WARM_UP_NUMBERS + number),
        "variables": order.variables(number),
        "priority": priority,
    }


def _send_and_time(
    made: Hub, sender: str, sink: OwnSink, *, count: int, priority: str, limit: float
) -> list[float]:
    """Send so many messages one at a time; returns their seconds from the 202 to the 250."""
    took = []
    for _ in range(count):
        to = f"{secrets.token_hex(6)}@example.com"
        body = _order(sender, 1, priority=priority) | {"to_address": to}
        _, accepted_at = load.one(
            made.installation.port, load.post_request("/emails/send", body, key=made.key)
        )
        arrived_at = _arrival(sink, to, limit=limit)
        took.append(arrived_at - accepted_at)
        time.sleep(0.2)
    return took


def _arrival(sink: OwnSink, to: str, *, limit: float) -> float:
    found: list[float] = []

    def has_come() -> bool:
        found.extend(at for at, recipient in sink.arrivals() if recipient == to)
        return bool(found)

    _wait(has_come, limit=limit)
    return found[0] if found else time.monotonic()


def _times(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return {"p50_ms": median(ordered) * 1000, "p95_ms": p95 * 1000, "worst_ms": ordered[-1] * 1000}
