"""Mailboxes of accounts, and readings of them."""

from __future__ import annotations

import itertools
import ssl

from accounts.models import EmailAccount
from common.network import NetworkPolicy
from inbox import jobs
from inbox.models import InboundEmail, Mailbox
from inbox.reader import Means
from inbox.vetter import Vetter
from tests.factories import make_account

numbers = itertools.count(1)
ANYWHERE = NetworkPolicy(allow_private=True)


def account_reading(domain, server: object, **fields) -> EmailAccount:
    """An account that reads its mail at a scripted server, without TLS unless told otherwise."""
    settings = {
        "imap_server": server.host,
        "imap_port": server.port,
        "imap_username": "orders",
        "imap_use_ssl": False,
        "allow_plaintext": True,
        "reads_mail": True,
    }
    password = fields.pop("imap_password", "s3cret-imap")
    name = fields.pop("name", f"reads{next(numbers)}")
    account = make_account(domain, name, **(settings | fields))
    account.imap_password = password
    account.save()
    return account


def read(
    account: EmailAccount,
    *,
    tls_context: ssl.SSLContext | None = None,
    policy: NetworkPolicy = ANYWHERE,
) -> Mailbox:
    """The account's mailbox after one reading, due or not, in this thread."""
    jobs.add_mailboxes()
    Mailbox.objects.exclude(account=account).update(leased_until="9999-01-01T00:00:00Z")
    Mailbox.objects.filter(account=account).update(
        next_read_at="2000-01-01T00:00:00Z", leased_until=None
    )
    mailbox = jobs.claim_next()
    with Vetter() as vetter:
        jobs.read_claimed(mailbox, means=Means(policy, vetter, tls_context))
    Mailbox.objects.exclude(account=account).update(leased_until=None)
    return Mailbox.objects.get(account=account)


def subjects() -> list[str]:
    return list(InboundEmail.objects.order_by("id").values_list("subject", flat=True))
