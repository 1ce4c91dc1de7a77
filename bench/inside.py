"""What the benchmark does within an installation: reads one call a line, answers in JSON.

Each function below is a call; none belongs to what is measured but ``claim`` and ``status``.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from statistics import median
from typing import Any

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import EmailAccount  # noqa: E402
from accounts.services import create_account  # noqa: E402
from ai_triage import cases, gate, incoming  # noqa: E402
from ai_triage import services as triage  # noqa: E402
from ai_triage.models import Status, TriageResult  # noqa: E402
from ai_triage.providers.base import Company  # noqa: E402
from ai_triage.providers.rules import RulesProvider  # noqa: E402
from bench import order  # noqa: E402
from bench.stock import stock  # noqa: E402
from common.ids import uuid7  # noqa: E402
from delivery import doorbell  # noqa: E402
from delivery.bulk import prepare_bulk  # noqa: E402
from delivery.status import account_queues  # noqa: E402
from delivery.submission import Bulk, BulkRecipient, Options  # noqa: E402
from domains.models import KeyAlgorithm  # noqa: E402
from domains.services import create_domain  # noqa: E402
from logs import claiming, links  # noqa: E402
from logs.models import EmailLog, EmailStatus, Lease, Priority, TrackingHit  # noqa: E402
from templates_app.services import Author, create_template  # noqa: E402
from tenants.models import Mode, Tenant  # noqa: E402
from tenants.services import create_tenant, issue_key  # noqa: E402

DOMAIN = "bench.test"
AT_ONCE = 2_000
LIMITS = {
    "limit_per_second": 100_000,
    "limit_per_minute": 1_000_000,
    "limit_per_hour": 10_000_000,
    "limit_per_day": 100_000_000,
}
"""So high that they only cost what counting costs."""


def prepare() -> str:
    """Make tenant, domain, verified RSA key and template; returns an API key.

    Nothing is tracked unless a measure asks for it: the peer does not track.
    """
    tenant = create_tenant("bench", name="Bench")
    track(on=False)
    domain = create_domain(tenant=tenant, name=DOMAIN)
    domain.dkim_keys.filter(algorithm=KeyAlgorithm.RSA).update(is_verified=True)
    content = {"subject": order.SUBJECT, "html_content": order.HTML, "text_content": order.TEXT}
    create_template(
        tenant=tenant,
        author=Author(user=None, name="bench"),
        fields={"slug": "order", "name": "Order", "source_format": "html"} | content,
    )
    return issue_key(tenant=tenant, name="bench", mode=Mode.LIVE)[1]


def account(name: str, port: int, connections: int) -> int:
    """Make an account that sends to ``port``; nothing goes out until it is released."""
    fields = {
        "email_address": f"{name}@{DOMAIN}",
        "smtp_server": "127.0.0.1",
        "smtp_port": port,
        "use_tls": False,
        "max_connections": connections,
    }
    made = create_account(tenant=Tenant.objects.get(slug="bench"), fields=fields | LIMITS)
    made.is_active = True
    made.save()
    hold(made.pk)
    return made.pk


def track(*, on: bool) -> None:
    """Let the mail that is filled from now on have its opens and clicks tracked, or not."""
    Tenant.objects.filter(slug="bench").update(track_opens=on, track_clicks=on)


def hold(pk: int) -> None:
    EmailAccount.objects.get(pk=pk).pause("bench", at=timezone.now())


def release(pk: int) -> float:
    """Let the account's mail go out and return when."""
    at = time.monotonic()
    EmailAccount.objects.get(pk=pk).resume()
    doorbell.ring(pk)
    return at


def fill(pk: int, count: int, priority: int = Priority.NORMAL, start: int = 0) -> float:
    """Store so many messages as a bulk request would; returns the seconds that took."""
    sender = EmailAccount.objects.get(pk=pk)
    began = time.monotonic()
    for first in range(start, start + count, AT_ONCE):
        numbers = range(first, min(start + count, first + AT_ONCE))
        bulk = Bulk(
            template="order",
            from_account=sender.email_address,
            recipients=tuple(
                BulkRecipient(i, order.recipient(number), order.variables(number))
                for i, number in enumerate(numbers)
            ),
            options=Options(priority=Priority(priority)),
        )
        with transaction.atomic():
            prepare_bulk(bulk, tenant=sender.tenant, mode=Mode.LIVE).store()
    return time.monotonic() - began


def settled(pk: int, limit: float) -> dict[str, Any]:
    """Wait until the account has no open message; returns when, how many are sent, how many not."""
    emails, over_at = EmailLog.objects.filter(account_id=pk), time.monotonic() + limit
    is_open = emails.filter(status__in=[EmailStatus.QUEUED, EmailStatus.SENDING])
    while is_open.exists() and time.monotonic() < over_at:
        time.sleep(0.05)
    at = time.monotonic()
    sent = emails.filter(status=EmailStatus.SENT).count()
    return {"at": at, "sent": sent, "open": is_open.count()}


def grow(pk: int, rows: int) -> int:
    """Copy the account's messages within the database until it has so many."""
    table = EmailLog._meta.db_table
    fields = [f.column for f in EmailLog._meta.concrete_fields if not f.primary_key]
    fields.remove("tracking_id")
    names = ", ".join(map(connection.ops.quote_name, fields))
    number = "REPLACE(UUID(), '-', '')" if connection.vendor == "mysql" else "hex(randomblob(16))"
    uuid = "UUID()" if connection.features.has_native_uuid_field else number
    have = EmailLog.objects.filter(account_id=pk).count()
    while have < rows:
        more = min(have, rows - have, 20_000)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (tracking_id, {names}) "
                f"SELECT {uuid}, {names} FROM {table} WHERE account_id = %s LIMIT {more}",
                [pk],
            )
        have += more
    return have


def claim(pk: int) -> float:
    """Return the milliseconds of claiming 100 messages, the median of 15."""
    took = []
    for _ in range(15):
        began = time.monotonic()
        now = timezone.now()
        claiming.claim(Lease(pk, until=now), at=now, most=100)
        took.append(time.monotonic() - began)
    return median(took) * 1000


def status() -> float:
    """Return the milliseconds of what ``queue_status`` asks, the median of 5."""
    took = []
    for _ in range(5):
        began = time.monotonic()
        account_queues(at=timezone.now())
        took.append(time.monotonic() - began)
    return median(took) * 1000


def tracked(name: str, count: int) -> list[str]:
    """Return the paths of so many messages' images, or of their links."""
    target = "https://shop.example/products/12?utm_source=mail"
    urls = {"open": links.open_url, "click": partial(links.click_url, target=target)}[name]
    return [str(urls(uuid7())).removeprefix(links.base_url()) for _ in range(count)]


def hits(wanted: int, limit: float) -> int:
    """Return how many opens and clicks are stored, once they are ``wanted`` or after ``limit``."""
    over_at = time.monotonic() + limit
    while time.monotonic() < over_at:
        time.sleep(0.05)
        if wanted and TrackingHit.objects.count() >= wanted:
            break
    return TrackingHit.objects.count()


def triage_fill(name: str, count: int) -> float:
    """Hand in so many different mails and return when; again under another name, duplicates."""
    tenant, began = Tenant.objects.get(slug="bench"), time.monotonic()
    mails = [incoming.read(order.mail(name, n), now=timezone.now()) for n in range(count)]
    with transaction.atomic():
        numbered = list(enumerate(mails))
        batch = triage.Batch(uuid7())
        triage.take_in_batch(numbered, tenant=tenant, mode=Mode.LIVE, batch=batch)
    return began


def triage_settled(limit: float) -> dict[str, Any]:
    """Wait until no mail is open; returns when, and how many have their verdict."""
    over_at = time.monotonic() + limit
    is_open = TriageResult.objects.filter(status__in=[Status.QUEUED, Status.PROCESSING])
    while is_open.exists() and time.monotonic() < over_at:
        time.sleep(0.05)
    at = time.monotonic()
    done = TriageResult.objects.filter(status=Status.COMPLETED)
    return {"at": at, "judged": done.count(), "open": is_open.count()}


def triage_offline(count: int) -> float:
    """Return how many mails a second of CPU the gate and the offline provider judge."""
    tenant = Tenant.objects.get(slug="bench")
    mails = [incoming.read(order.mail("x", n), now=timezone.now()) for n in range(count)]
    rows = [TriageResult(pk=n, tenant=tenant, **one.columns) for n, one in enumerate(mails, 1)]
    provider, company = RulesProvider(), Company(name="Bench")
    provider.judge(cases.mail_of(rows[0]), company=company)
    began = time.process_time()
    gate.look(rows, at=timezone.now())
    for row in rows:
        provider.judge(cases.mail_of(row), company=company)
    return count / (time.process_time() - began)


CALLS = (
    *(prepare, account, hold, release, fill, settled, grow, claim, status),
    *(track, tracked, hits, triage_fill, triage_settled, triage_offline, stock),
)


def main() -> None:
    calls = {call.__name__: call for call in CALLS}
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(calls[name](**arguments)), flush=True)


if __name__ == "__main__":
    main()
