"""Verbs on e-mail accounts: set up, try out, switch on and off."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import last_try, rules
from accounts.models import PAUSE_COLUMNS, EmailAccount
from accounts.signals import connection_works
from common import network
from common.deletion import delete_unless_used
from common.errors import Conflict, Refused
from common.keyring import SecretUnreadable
from common.network import NetworkPolicy
from common.smtp import ProbeResult, SMTPServer, Stage, probe
from tenants.models import Tenant

logger = logging.getLogger(__name__)


def create_account(*, tenant: Tenant, fields: Mapping[str, Any]) -> EmailAccount:
    """Store an inactive account; ``fields`` are the contract's, ``domain`` may be left out.

    Raises:
        Refused: the address is taken or can't be used, or settings that can't be, each by name.
    """
    account = draft_account(tenant=tenant, fields=fields)
    try:
        with transaction.atomic():
            _hold(tenant)
            account.save()
            _choose_default(account, fields.get("is_default"))
    except IntegrityError:  # somebody took it at the same moment
        _refuse_taken(account.email_address)
        raise
    return account


def draft_account(*, tenant: Tenant, fields: Mapping[str, Any]) -> EmailAccount:
    """Return what ``create_account`` would store; raises like it."""
    account = rules.draft(tenant=tenant, fields=fields)
    _refuse_taken(account.email_address)
    return account


def update_account(account: EmailAccount, *, changes: Mapping[str, Any]) -> EmailAccount:
    """Store the changes and return the row; another way to connect switches it off.

    Raises:
        Refused: settings that can't be, each by name.
        Conflict: the account is gone.
    """
    with transaction.atomic():
        row = _held(account)
        before = connection_settings(row)
        rules.apply(row, changes)
        if row.is_active and connection_settings(row) != before:
            row.is_active = False
            logger.info("account switched off: it connects differently", extra={"account": row.pk})
        row.save()
        _choose_default(row, changes.get("is_default"))
    return row


def delete_account(account: EmailAccount) -> None:
    """Remove an account that no message refers to.

    Raises:
        Conflict: messages refer to it.
    """
    delete_unless_used(account, name="account")


def test_account(  # a verb, no test
    account: EmailAccount,
    *,
    policy: NetworkPolicy | None = None,  # noqa: PT028
) -> ProbeResult:
    """Connect, sign in and leave; say how far that got, and remember it for the account's page.

    Takes up to 20 seconds, so call it outside of transactions.
    """
    result = _tested(account, policy=policy or network.default_policy())
    last_try.keep(account, result, is_test=True)
    if result.ok:
        connection_works.send(sender=EmailAccount, account=account)
    return result


def _tested(account: EmailAccount, *, policy: NetworkPolicy) -> ProbeResult:
    try:
        server = connection_of(account)
    except SecretUnreadable as error:
        return ProbeResult(
            ok=False,
            stage=Stage.AUTH,
            detail=str(error),
            capabilities=(),
            latency_ms=0,
            code=error.code,
        )
    return probe(server, policy=policy)


def test_and_resume(account: EmailAccount) -> ProbeResult:
    """Test the connection; a passed test ends a pause that the server's refusal began.

    Takes up to 20 seconds, so call it outside of transactions.
    """
    result = test_account(account)
    if result.ok and account.paused_at is not None:
        same = {name: getattr(account, name) for name in rules.CONNECTION_COLUMNS}
        rows = EmailAccount.objects.filter(pk=account.pk, paused_by_hand=False, **same)
        if rows.update(paused_reason="", paused_at=None):
            logger.info("account resumed after a test", extra={"account": account.pk})
    return result


def pause(account: EmailAccount, *, reason: str, at: datetime) -> EmailAccount:
    """Hold the account's mail until a person resumes it; messages are still accepted."""
    account.pause(reason, at=at, by_hand=True)
    logger.info("account paused by hand", extra={"account": account.pk})
    return account


def resume(account: EmailAccount) -> EmailAccount:
    """Let a paused account's mail go; where its server had refused it, after a passed test.

    Raises:
        Refused: ``test_failed``; ``attr`` and the detail's first word name the stage.
    """
    if account.paused_by_hand:
        account.resume()
        return account
    result = test_and_resume(account)
    if not result.ok:
        raise failed(result)
    account.refresh_from_db(fields=PAUSE_COLUMNS)
    return account


def failed(result: ProbeResult) -> Refused:
    """Return how a failed test is told to who wanted more than a test."""
    stage = result.stage.value
    return Refused(f"{stage}: {result.detail}", code="test_failed", attr=stage)


def activate(account: EmailAccount) -> EmailAccount:
    """Switch the account on and end its pause, if it passes the test now.

    Takes up to 20 seconds, so call it outside of transactions.

    Raises:
        Refused: ``test_failed``; ``attr`` and the detail's first word name the stage.
        Conflict: its way to connect was changed during the test, or it is gone.
    """
    result = test_account(account)
    if not result.ok:
        raise failed(result)
    with transaction.atomic():
        row = _held(account)
        if connection_settings(row) != connection_settings(account):
            raise Conflict("The account's settings were changed during the test. Test it again.")
        row.is_active = True
        row.save(update_fields=["is_active", "updated_at"])
        row.resume()
    logger.info("account activated", extra={"account": row.pk})
    return row


def deactivate(account: EmailAccount) -> EmailAccount:
    """Switch the account off: nothing is accepted for it until it passes a test again."""
    with transaction.atomic():
        row = _held(account)
        row.is_active = False
        row.save(update_fields=["is_active", "updated_at"])
    logger.info("account deactivated", extra={"account": row.pk})
    return row


def set_default(account: EmailAccount) -> EmailAccount:
    """Make the account its tenant's default, in place of the one that was."""
    with transaction.atomic():
        row = _held(account)
        _choose_default(row, True)
    return row


def connection_of(account: EmailAccount) -> SMTPServer:
    """Return how to connect for this account.

    Raises:
        SecretUnreadable: the password can't be decrypted; the text is for the operator.
    """
    return SMTPServer(
        host=account.smtp_server,
        port=account.smtp_port,
        username=account.smtp_username,
        password=account.smtp_password,
        use_tls=account.use_tls,
        use_ssl=account.use_ssl,
        allow_plaintext=account.allow_plaintext,
        helo_name=_helo_name(account),
    )


def _helo_name(account: EmailAccount) -> str:
    """Return our public host, or the account's domain where we have no full name (RFC 5321)."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    top = host.rpartition(".")[2]
    return host if "." in host and host.isascii() and not top.isdigit() else account.domain.name


def connection_settings(account: EmailAccount) -> tuple[object, ...]:
    """Return everything that a passed test depends on, the password only as stored."""
    return tuple(getattr(account, column) for column in rules.CONNECTION_COLUMNS)


def _hold(tenant: Tenant) -> None:
    """Let changes of one tenant's accounts wait for each other until the transaction ends.

    The default and the chain of fallbacks are rules over several rows, for which no
    constraint stands.
    """
    Tenant.objects.select_for_update().get(pk=tenant.pk)


def _held(account: EmailAccount) -> EmailAccount:
    """Return the row as it is now, while nobody else changes the tenant's accounts."""
    _hold(account.tenant)
    row = (
        EmailAccount.objects.select_for_update()
        .select_related("domain__tenant")
        .filter(pk=account.pk)
        .first()
    )
    if row is None:
        raise Conflict("The account was deleted meanwhile.")
    return row


def _refuse_taken(email_address: str) -> None:
    if EmailAccount.objects.filter(email_address=email_address).exists():
        raise Refused("This address can't be used again.", code="unique", attr="email_address")


def _choose_default(account: EmailAccount, wanted: bool | None) -> None:
    """Make it the tenant's only default or stop it being one; None leaves that."""
    if wanted is None or wanted == account.is_default:
        return
    if wanted:
        EmailAccount.objects.filter(default_for=account.tenant).update(default_for=None)
    account.default_for = account.tenant if wanted else None
    account.save(update_fields=["default_for", "updated_at"])
