"""A domain with an account, and servers to point it at."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts import services
from accounts.models import EmailAccount
from common.smtp import opening
from domains.models import Domain
from logs.models import EmailContent, EmailLog

PASSWORD = "canary-pässword-1"


def fields(**changes: object) -> dict[str, object]:
    """What a caller gives for a new account."""
    given = {
        "email_address": "orders@shop.test",
        "smtp_server": "127.0.0.1",
        "smtp_username": "orders",
        "smtp_password": PASSWORD,
    }
    return {**given, **changes}


def message_of(account: EmailAccount) -> EmailLog:
    """A message that was sent through the account."""
    return EmailLog.objects.create(
        tenant=account.tenant,
        account=account,
        content=EmailContent.objects.create(tenant=account.tenant),
        mode="live",
        queued_at=timezone.now(),
    )


@pytest.fixture
def domain(tenant) -> Domain:
    return Domain.objects.create(tenant=tenant, name="shop.test")


@pytest.fixture
def account(tenant, domain) -> EmailAccount:
    return services.create_account(tenant=tenant, fields=fields())


@pytest.fixture
def foreign_account(other_tenant) -> EmailAccount:
    Domain.objects.create(tenant=other_tenant, name="other.test")
    given = fields(email_address="orders@other.test")
    return services.create_account(tenant=other_tenant, fields=given)


@pytest.fixture
def trusted_mail_server(mail_server, monkeypatch):
    """The mail server, whose authority the process trusts as the operator would set it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.ca_file))
    opening._system_context.cache_clear()
    yield mail_server
    opening._system_context.cache_clear()
