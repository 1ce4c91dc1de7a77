"""The admin's pages with a million messages: what they take, and as whom."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from bench.measure import Run
from bench.parties.sendcraft import Hub
from tests.installation import Installation

LIMIT_MS = 300
TOO_SLOW, GROWS = "TOO SLOW: over", "QUERIES GROW from"
FEW = 10_000
MANY = {"MariaDB": 1_000_000, "embedded": 100_000}
MEMBERS = {"MariaDB": ("large", "small", "asleep", "superuser"), "embedded": ("large",)}
WARM_UP, REQUESTS = 2, 8
EMAILS, TRIAGE = "/admin/logs/emaillog/", "/admin/ai_triage/triageresult/"
FAR = ("messages, page 20", "messages, page 2,000")
"""With few messages they are empty, and ask less."""
PAGES = {
    "start page": "/admin/?tenant={tenant}",
    "start page, what moves": "/admin/start/?tenant={tenant}",
    "messages": EMAILS,
    "messages, page 20": EMAILS + "?p=20",
    "messages, page 2,000": EMAILS + "?p=2000",
    "messages by status": EMAILS + "?status__exact=bounced",
    "messages by account": EMAILS + "?account__id__exact={account}",
    "messages of a day": EMAILS + "?queued_at_from={day}&queued_at_to={day}",
    "messages by status since a day": EMAILS + "?status__exact=failed&queued_at_from={day}",
    "messages of a batch": EMAILS + "?batch_id={batch_id}",
    "search, address": EMAILS + "?q={address}",
    "search, how an address begins": EMAILS + "?q={prefix}",
    "search, part of an address": EMAILS + "?q=er12",
    "search, subject": EMAILS + "?q={subject}",
    "search, tracking id": EMAILS + "?q={tracking_id}",
    "search, nothing found": EMAILS + "?q=nobody-knows-this",
    "message": EMAILS + "{email}/change/",
    "message, its recipient": "/admin/delivery/sendbatch/messages/{email}/recipient/",
    "batches": "/admin/delivery/sendbatch/",
    "queues": "/admin/delivery/sendingqueue/",
    "suppressions": "/admin/delivery/suppression/",
    "suppressions, search": "/admin/delivery/suppression/?q=customer12",
    "delivery figures": "/admin/logs/dailyfigures/?tenant={tenant}",
    "delivery figures by tag": "/admin/logs/dailyfigures/?tenant={tenant}&group_by=tag",
    "triage inbox": TRIAGE + "inbox/",
    "triage, all": TRIAGE + "?state=all",
    "triage, search": TRIAGE + "?state=all&q=customer12",
    "audit log": "/admin/auditlog/logentry/",
    "webhook deliveries": "/admin/webhooks/webhookdelivery/",
    "webhook deliveries, failed": "/admin/webhooks/webhookdelivery/?status__exact=failed",
    "webhook deliveries, search": "/admin/webhooks/webhookdelivery/?q={told}",
    "inbound mail": "/admin/inbox/inboundemail/",
    "inbound mail, search": "/admin/inbox/inboundemail/?q=customer12",
    "accounts": "/admin/accounts/emailaccount/",
    "account": "/admin/accounts/emailaccount/{account}/change/",
}


@dataclass(frozen=True)
class Took:
    """What a page took, of ``Server-Timing``: milliseconds, and how many statements."""

    total: float
    cpu: float
    db: float
    queries: float


@dataclass(frozen=True)
class Page:
    """A page as somebody saw it, so many times."""

    name: str
    member: str
    took: tuple[Took, ...]

    @property
    def queries(self) -> float:
        """What it asks once the process knows what it keeps."""
        return min(one.queries for one in self.took)


def runs(few: Iterator[Page], many: Iterator[Page], *, runtime: str) -> Iterator[Run]:
    """Yield what each page takes at many messages, and tell loudly what should not be."""
    before = {(page.name, page.member): page.queries for page in few}
    for page in many:
        total, cpu, db = (
            sorted(getattr(one, name) for one in page.took) for name in ("total", "cpu", "db")
        )
        p95 = total[round(0.95 * (len(total) - 1))]
        figures = {
            "p50_ms": median(total),
            "p95_ms": p95,
            "cpu_ms": median(cpu),
            "db_ms": median(db),
            "queries": page.queries,
        }
        notes = []
        if p95 > LIMIT_MS:
            notes.append(f"{TOO_SLOW} {LIMIT_MS} ms")
        if page.queries > before[page.name, page.member] and page.name not in FAR:
            notes.append(f"{GROWS} {before[page.name, page.member]:.0f}")
        yield Run(f"console, {page.name}", f"{page.member}, {runtime}", figures, "; ".join(notes))


def seen(
    folder: Path, *, messages: int, env: dict[str, str], times: int, members: Sequence[str]
) -> Iterator[Page]:
    """Yield every page of an installation with so many messages, as each member sees it."""
    with installation(folder, env=env) as made:
        began = time.monotonic()
        given = made.call("stock", messages=messages)
        print(f"{messages:,} messages are there after {time.monotonic() - began:.0f} s", flush=True)
        with made.web():
            for one in members:
                yield from _as(one, given[one], port=made.installation.port, times=times)


@contextmanager
def installation(folder: Path, *, env: dict[str, str]) -> Iterator[Hub]:
    """An installation whose answers say what they took; one that is there is used again."""
    folder.mkdir(exist_ok=True)
    made = Installation(folder, env=env | {"DJANGO_SETTINGS_MODULE": "bench.settings"})
    made.env["DATABASE_TIMEOUTS"] = "10,900,900"  # copies and indexes take their time
    made.manage("migrate", "--verbosity", "0")
    inside = Hub("console", made, database_group=0)
    del made.env["DATABASE_TIMEOUTS"]
    try:
        yield inside
    finally:
        inside.close()


def _as(member: str, given: Mapping[str, Any], *, port: int, times: int) -> Iterator[Page]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    quoted = {name: quote(str(value)) for name, value in given.items()}
    headers = {"Cookie": f"sessionid={given['session']}"}
    for name, path in PAGES.items():
        asked = [_asked(connection, path.format(**quoted), headers) for _ in range(WARM_UP + times)]
        yield Page(name, member, tuple(asked[WARM_UP:]))
    connection.close()


def _asked(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> Took:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}\n{body[:500].decode()}")
    told = dict(re.findall(r"(\w+);dur=([0-9.]+)", answer.headers["Server-Timing"]))
    return Took(**{name: float(value) for name, value in told.items()})
