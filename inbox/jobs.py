"""What workers do for inbound mail: read mailboxes, and apply what reports prove."""

from __future__ import annotations

import logging
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import close_old_connections, connections, transaction
from django.db.models import QuerySet

from accounts.models import EmailAccount
from common.clock import DatabaseClock
from common.keyring import SecretUnreadable
from common.network import default_policy
from delivery.services import is_stopping
from inbox.applying import apply_findings
from inbox.errors import LeaseLost, MailboxUnreadable
from inbox.models import InboundEmail, Mailbox
from inbox.reader import OUR_TROUBLE, STUCK, Means, read_mailbox
from inbox.vetter import Vetter

logger = logging.getLogger(__name__)

APPLIED_AT_ONCE = 200
READ_AT_ONCE = 8
CLAIMING_SECONDS = 45.0
READING_SECONDS = 90.0
LEASE = timedelta(minutes=4)
"""Longer than a reading, and the last mail that it judged."""
SHARED_EVERY = timedelta(minutes=1)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=30)
OWN_WAIT = timedelta(seconds=30)


def apply_waiting(*, at: datetime) -> int:
    """Apply the reports that could not be applied when they came; returns how many were."""
    ids = InboundEmail.objects.to_apply(at=at).values_list("pk", flat=True)[:APPLIED_AT_ONCE]
    return sum(_apply(pk, at=at) for pk in list(ids))


@transaction.atomic
def _apply(pk: int, *, at: datetime) -> bool:
    waiting = InboundEmail.objects.to_apply(at=at).filter(pk=pk)
    inbound = waiting.select_for_update().select_related("tenant").first()
    return inbound is not None and apply_findings(inbound, at=at)


def read_due_mailboxes(means: Means | None = None) -> None:
    """Read the mailboxes that are due, some at once: a slow server holds no other back.

    Takes new ones for less than a minute, so that the next ring finds who is still waiting.
    """
    add_mailboxes()
    waiting = Mailbox.objects.due(at=DatabaseClock().now())[:READ_AT_ONCE].count()
    if not waiting:
        return
    until = time.monotonic() + CLAIMING_SECONDS
    with ThreadPoolExecutor(waiting, thread_name_prefix="mailbox") as threads:
        for done in [threads.submit(_read_some, means, until) for _ in range(waiting)]:
            done.result()


def add_mailboxes() -> None:
    """Give a row to each account that was told to read its mail."""
    new = EmailAccount.objects.filter(reads_mail=True, mailbox=None).exclude(imap_server="")
    rows = [Mailbox(account=account) for account in new[:1000]]
    if rows:
        Mailbox.objects.bulk_create(rows, ignore_conflicts=True)


def _read_some(means: Means | None, until: float) -> None:
    """Read one due mailbox after the other, in a thread with a connection of its own."""
    try:
        with Vetter() as vetter:
            own = replace(means, vetter=vetter) if means else Means(default_policy(), vetter)
            while time.monotonic() < until and not is_stopping():
                mailbox = claim_next()
                if mailbox is None:
                    return
                read_claimed(mailbox, means=own)
    finally:
        connections.close_all()


def claim_next() -> Mailbox | None:
    """Return a due mailbox that nobody else will read meanwhile, None if there is none."""
    at = DatabaseClock().now()
    token = secrets.token_hex(16)
    rows = Mailbox.objects.select_related("account__domain__tenant")
    for mailbox in rows.due(at=at)[: 2 * READ_AT_ONCE]:
        if Mailbox.objects.claim(mailbox, token=token, until=at + LEASE, at=at):
            return rows.get(pk=mailbox.pk)
    return None


def read_claimed(mailbox: Mailbox, *, means: Means) -> None:
    """Read a mailbox and note how that went; what is wrong there concerns no other."""
    extra = {"mailbox": mailbox.pk, "account": mailbox.account_id}
    if is_read_by_another(mailbox):
        return _let_go(mailbox, error="", wait=SHARED_EVERY)
    try:
        more = read_mailbox(mailbox, means=means, deadline=time.monotonic() + READING_SECONDS)
    except LeaseLost:
        logger.warning("a mailbox was taken over", extra=extra)
        return None
    except (MailboxUnreadable, SecretUnreadable) as error:
        logger.warning("a mailbox could not be read", extra=extra | {"code": error.code})
        return _fail(mailbox, error=str(error))
    except OUR_TROUBLE:
        logger.exception("mail could not be stored", extra=extra)
        return _fail_here(mailbox)
    except Exception:
        logger.exception("reading a mailbox failed", extra=extra)
        return _fail(mailbox, error=STUCK)
    wait = timedelta(seconds=0 if more else settings.MAILBOX_SECONDS)
    return _let_go(mailbox, error="", wait=wait, has_read=True)


def is_read_by_another(mailbox: Mailbox) -> bool:
    """Tell whether an older account of the tenant names the same folder: it is read once."""
    return same_folder(mailbox.account).filter(pk__lt=mailbox.account_id).exists()


def same_folder(account: EmailAccount) -> QuerySet[EmailAccount]:
    return EmailAccount.objects.for_tenant(account.tenant).filter(
        reads_mail=True,
        imap_server=account.imap_server,
        imap_port=account.imap_port,
        imap_username=account.imap_username,
        imap_folder=account.imap_folder,
    )


def _fail(mailbox: Mailbox, *, error: str) -> None:
    failures = _failures(mailbox, error=error)
    wait = min(FIRST_WAIT * 2 ** min(failures - 1, 20), LONGEST_WAIT)
    _let_go(mailbox, error=error, wait=wait)


def _failures(mailbox: Mailbox, *, error: str) -> int:
    """Return how many times in a row this happened."""
    if not error:
        return 0
    return mailbox.failures + 1 if mailbox.error == error[:500] else 1


def _fail_here(mailbox: Mailbox) -> None:
    """Try again soon; where even that can't be noted, the lease ends by itself."""
    close_old_connections()
    try:
        _let_go(mailbox, error="Mail could not be stored here.", wait=OWN_WAIT)
    except OUR_TROUBLE:
        logger.warning("a mailbox stays leased", extra={"mailbox": mailbox.pk})


def _let_go(mailbox: Mailbox, *, error: str, wait: timedelta, has_read: bool = False) -> None:
    at = DatabaseClock().now()
    values: dict[str, object] = {
        "error": error[:500],
        "failures": _failures(mailbox, error=error),
        "next_read_at": at + wait,
        "lease_token": "",
        "leased_until": None,
    }
    if has_read:
        values["read_at"] = at
    Mailbox.objects.held(mailbox.lease_token).filter(pk=mailbox.pk).update(**values)
