"""Accounts at a scripted server, and messages that are due on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.core.cache import cache
from django.utils import timezone

from accounts.models import EmailAccount
from common.tests.smtp_server import ScriptedServer
from delivery import jobs
from delivery.services import submit
from delivery.submission import read_message
from domains.models import Domain
from logs.models import EmailLog
from tenants.models import Tenant

ANA, BOB = "ana@example.com", "bob@example.com"


def account_at(server: object, *, tenant: Tenant, name: str = "shop", **fields) -> EmailAccount:
    """An active account without TLS at ``server``."""
    domain, _ = Domain.objects.get_or_create(tenant=tenant, name=f"{tenant.slug}.test")
    settings = {"use_tls": False, "allow_plaintext": True, "is_active": True}
    return EmailAccount.objects.create(
        domain=domain,
        email_address=f"{name}@{domain.name}",
        smtp_server=server.host,
        smtp_port=server.port,
        **{**settings, **fields},
    )


def queue(account: EmailAccount, *, mode: str = "live", **fields) -> EmailLog:
    """One accepted message; ``fields`` as for ``POST /emails/send``."""
    own = {"to_address": ANA, "subject": "Order", "text": "Thank you."}
    data = {"from_account": account.email_address, **own, **fields}
    if "template_id" in fields:
        data = {name: data[name] for name in data if name not in ("subject", "text")}
    message = read_message(data, now=timezone.now())
    return submit(message, tenant=account.tenant, mode=mode)


def queue_many(account: EmailAccount, count: int, **fields) -> list[EmailLog]:
    emails = []
    for number in range(count):
        emails.append(queue(account, to_address=f"r{number}@example.com", **fields))  # noqa: PERF401
    return emails


def drained(email: EmailLog) -> EmailLog:
    """The message after one drain of its account."""
    jobs.drain_account(email.account_id)
    email.refresh_from_db()
    return email


def drained_later(email: EmailLog) -> EmailLog:
    """The message after one drain, when its wait and its server's are over."""
    cache.clear()
    EmailLog.objects.filter(pk=email.pk).update(
        next_attempt_at=timezone.now() - timedelta(seconds=1)
    )
    return drained(email)


@contextmanager
def server_saying(event: str, *answers: object) -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server.on(event, *answers)
