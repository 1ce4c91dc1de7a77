"""One reading of a mailbox: each mail stored before the bookmark moves, nothing changed there."""

from __future__ import annotations

import hashlib
import logging
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from accounts.models import EmailAccount
from common.clock import DatabaseClock
from common.network import NetworkPolicy
from delivery.services import is_stopping
from inbox import intake, mime
from inbox.errors import FetchRefused, LeaseLost
from inbox.kinds import QuarantineReason
from inbox.models import Mailbox
from inbox.providers.imap import Folder, IMAPServer, open_folder
from inbox.vetter import Vetter
from tenants.models import Mode

logger = logging.getLogger(__name__)

BATCH = 20
BATCH_BYTES = 4 * 1024 * 1024
SIZES_AT_ONCE = 500
STEP_OVER_AFTER = 4
"""Readings that failed at the same mail before it is left out, or kept without being read."""
STUCK = "Reading failed; the log says why."
OUR_TROUBLE = (OSError, OperationalError, InterfaceError)
"""The disk or the database: no mail is to blame."""


@dataclass(frozen=True)
class Means:
    """By what a mailbox is read: whom to connect to, whom to trust, and how to judge mails."""

    policy: NetworkPolicy
    vetter: Vetter
    tls_context: ssl.SSLContext | None = None


def server_of(account: EmailAccount) -> IMAPServer:
    """Return how to read the account's folder.

    Raises:
        SecretUnreadable: the password can't be decrypted.
    """
    return IMAPServer(
        host=account.imap_server,
        port=account.imap_port,
        username=account.imap_username,
        password=account.imap_password,
        folder=account.imap_folder,
        use_ssl=account.imap_use_ssl,
        allow_plaintext=account.allow_plaintext,
    )


def place_of(account: EmailAccount) -> str:
    """Return what tells the folder from others, whoever reads it."""
    parts = (
        account.imap_server, str(account.imap_port), account.imap_username, account.imap_folder,
    )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def try_out(account: EmailAccount, *, policy: NetworkPolicy, deadline: float) -> None:
    """Open the account's folder and leave.

    Raises:
        MailboxUnreadable: with the stage that it failed in.
        SecretUnreadable: the password can't be decrypted.
    """
    with open_folder(server_of(account), policy=policy, deadline=deadline):
        pass


def read_mailbox(mailbox: Mailbox, *, means: Means, deadline: float) -> bool:
    """Store what is new in a mailbox that is held; returns whether more of it waits.

    ``deadline`` is by the monotonic clock. What was stored twice after an interruption is one
    row by its fingerprint.

    Raises:
        MailboxUnreadable: the server's doing.
        LeaseLost: somebody else reads it now.
        SecretUnreadable: the password can't be decrypted.
    """
    server = server_of(mailbox.account)
    opened = open_folder(
        server, policy=means.policy, deadline=deadline, tls_context=means.tls_context
    )
    with opened as folder:
        return _Reading(mailbox, folder, means=means, deadline=deadline).run()


class _Reading:
    """One pass over the mails above the bookmark."""

    def __init__(self, mailbox: Mailbox, folder: Folder, *, means: Means, deadline: float) -> None:
        self._mailbox = mailbox
        self._folder = folder
        self._means = means
        self._deadline = deadline

    def run(self) -> bool:
        self._find_place()
        uids = self._folder.uids_after(self._mailbox.last_uid)
        for batch in self._batches(uids):
            if self._is_over():
                return True
            self._take(batch)
        return False

    def _find_place(self) -> None:
        """Begin anew where the bookmark is of another folder, or its UIDs are worth nothing."""
        mailbox, place = self._mailbox, place_of(self._mailbox.account)
        uidvalidity = self._folder.uidvalidity
        if (mailbox.place, mailbox.uidvalidity) != (place, uidvalidity):
            self._save(place=place, uidvalidity=uidvalidity, last_uid=0)

    def _batches(self, uids: Sequence[int]) -> Iterator[dict[int, int]]:
        """Yield a few mails at a time, by UID with their sizes."""
        for start in range(0, len(uids), SIZES_AT_ONCE):
            asked = uids[start : start + SIZES_AT_ONCE]
            sizes = self._folder.sizes(asked)
            batch: dict[int, int] = {}
            for uid in asked:
                size = sizes.get(uid, 0)  # a mail that is gone stays in, so the bookmark passes
                if batch and (len(batch) >= BATCH or sum(batch.values()) + size > BATCH_BYTES):
                    yield batch
                    batch = {}
                batch[uid] = size
            yield batch

    def _take(self, batch: dict[int, int]) -> None:
        try:
            mails = self._fetched(batch)
        except FetchRefused:
            if len(batch) == 1:
                raise
            self._take_singly(batch)
        else:
            self._keep(batch, mails)

    def _keep(self, batch: dict[int, int], mails: Mapping[int, bytes]) -> None:
        """Store the batch's mails, and how far that got, whatever stops it."""
        done = self._mailbox.last_uid
        try:
            for uid, size_bytes in batch.items():
                if self._is_over():
                    break
                self._take_one(mails.get(uid, b""), uid=uid, size_bytes=size_bytes)
                done = uid
        finally:
            if done != self._mailbox.last_uid:
                self._save(last_uid=done)

    def _take_singly(self, batch: dict[int, int]) -> None:
        """Get at those before the one that the server refuses, which then tells by itself."""
        for uid, size_bytes in batch.items():
            if self._is_over():
                return
            self._take({uid: size_bytes})

    def _fetched(self, batch: dict[int, int]) -> dict[int, bytes]:
        wanted = [uid for uid, size in batch.items() if 0 < size <= settings.MESSAGE_LIMIT_BYTES]
        if not wanted:
            return {}
        try:
            return self._folder.mails(wanted, size_bytes=sum(batch[uid] for uid in wanted))
        except FetchRefused as refused:
            was_refused = self._mailbox.error == str(refused)
            if len(batch) > 1 or not was_refused or self._mailbox.failures < STEP_OVER_AFTER:
                raise
        extra = {"mailbox": self._mailbox.pk, "uid": wanted[0]}
        logger.error("the server never gave a mail; it is left out", extra=extra)
        return {}

    def _take_one(self, raw: bytes, *, uid: int, size_bytes: int) -> None:
        if max(size_bytes, len(raw)) > settings.MESSAGE_LIMIT_BYTES:
            head = raw[: mime.MAX_HEADER_BYTES]
            head = head or self._folder.head(uid, most=mime.MAX_HEADER_BYTES)
            self._store(head, QuarantineReason.TOO_LARGE, size_bytes=max(size_bytes, len(raw)))
        elif raw:
            self._store_somehow(raw)
        elif size_bytes:
            extra = {"mailbox": self._mailbox.pk, "uid": uid}
            logger.warning("a mail is gone, or was not given", extra=extra)

    def _store_somehow(self, raw: bytes) -> None:
        """Store a mail; one at which reading has failed again and again is not taken apart."""
        try:
            self._store(raw, self._means.vetter.verdict_on(raw))
        except OUR_TROUBLE:
            raise
        except Exception:
            is_stuck = self._mailbox.error == STUCK
            if not is_stuck or self._mailbox.failures < STEP_OVER_AFTER:
                raise
            logger.exception("a mail is left unread", extra={"mailbox": self._mailbox.pk})
            self._store(raw, QuarantineReason.UNREADABLE)

    def _store(self, raw: bytes, reason: QuarantineReason | None, *, size_bytes: int = 0) -> None:
        if not raw:
            return
        prepared = intake.prepare(
            raw,
            tenant=self._mailbox.account.tenant,
            at=_now(),
            mode=Mode.LIVE,
            quarantined=reason,
            size_bytes=size_bytes,
        )
        with transaction.atomic():
            prepared.store()

    def _save(self, **values: object) -> None:
        """Move the bookmark, while the mailbox is still ours."""
        held = Mailbox.objects.held(self._mailbox.lease_token).filter(pk=self._mailbox.pk)
        if not held.update(**values):
            raise LeaseLost
        for name, value in values.items():
            setattr(self._mailbox, name, value)

    def _is_over(self) -> bool:
        return time.monotonic() >= self._deadline or is_stopping()


def _now() -> datetime:
    return DatabaseClock().now()
