"""Rows for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from accounts.models import EmailAccount
from domains.models import Domain
from logs.claiming import claim
from logs.models import EmailContent, EmailLog, EmailStatus, EmailTag, Lease
from tenants.models import Tenant

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_account(tenant: Tenant, address: str | None = None) -> EmailAccount:
    address = address or f"orders@{tenant.slug}.test"
    domain, _ = Domain.objects.get_or_create(
        name=address.partition("@")[2], defaults={"tenant": tenant}
    )
    found = EmailAccount.objects.filter(email_address=address).first()
    return found or EmailAccount.objects.create(
        domain=domain, email_address=address, smtp_server="127.0.0.1", is_active=True
    )


def an_email(tenant: Tenant, **fields) -> EmailLog:
    """A queued message that is due since NOON; ``content`` may give the content's fields."""
    content = EmailContent.objects.create(
        tenant=tenant, **{"subject": "Hi", "text": "Hello", **fields.pop("content", {})}
    )
    account = fields.pop("account", None) or an_account(tenant)
    given = {
        "mode": "live",
        "from_address": account.email_address,
        "to_address": "ana@example.com",
        "subject": content.subject,
        "queued_at": NOON,
        "tried_since": NOON,
        "next_attempt_at": NOON,
        **fields,
    }
    email = EmailLog(tenant=tenant, account=account, content=content, **given)
    email.smtp_message_id = f"<{email.tracking_id}@shop.test>"
    email.save()
    for tag in email.tags:
        EmailTag.objects.create(tenant=tenant, email=email, tag=tag)
    return email


def claimed(email: EmailLog, *, at: datetime = NOON, lasting: timedelta | None = None) -> EmailLog:
    """The message as a worker holds it after claiming everything due of its account."""
    lease = Lease(account_id=email.account_id, until=at + (lasting or timedelta(minutes=3)))
    held = {row.pk: row for row in claim(lease, at=at, most=100)}
    assert held[email.pk].status == EmailStatus.SENDING
    return held[email.pk]
