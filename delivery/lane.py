"""One connection of a drain: sends one message after the other and judges what came of each."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from django.db import DatabaseError, InterfaceError

from accounts.services import connection_of
from common import network
from common.errors import PermanentError, TransientError
from common.keyring import SecretUnreadable
from common.smtp import (
    AccountError,
    ConnectionFailed,
    Envelope,
    Receipt,
    SMTPSession,
    Stage,
    open_session,
)
from delivery import backoff, outcomes
from delivery.books import Books
from delivery.feed import Feed
from delivery.ledger import Ledger
from delivery.orm import in_thread
from delivery.outcomes import Attempt
from delivery.replies import Verdict, asks_for_less, judge, objection
from delivery.stated import longest_wait, wait_in_transcript
from logs.models import EmailLog
from logs.transitions import Outcome

logger = logging.getLogger(__name__)


class Lane:
    """Used by one task; the ledger, the feed and the books are shared with other lanes."""

    def __init__(self, ledger: Ledger, *, feed: Feed, books: Books) -> None:
        self._ledger = ledger
        self._feed = feed
        self._books = books
        self._session: SMTPSession | None = None
        self._is_fresh = True
        self._has_recovered = False

    async def run(self) -> None:
        """Send until the feed gives out nothing more."""
        try:
            while email := await self._feed.next():
                if not await self._deliver(email):
                    self._feed.stop()
        finally:
            await self._hang_up()

    async def can_open(self) -> bool:
        """Connect ahead of the first message; False where the server does not want that."""
        try:
            await self._connect()
        except (PermanentError, TransientError, SecretUnreadable) as error:
            extra = {"account": self._ledger.account_id, "error": type(error).__name__}
            logger.info("no further connection", extra=extra)
            return False
        return True

    async def _deliver(self, email: EmailLog) -> bool:
        """Make one attempt and enter what it came to; False: the others had better wait."""
        began_at = self._ledger.now()
        try:
            prepared = self._ledger.prepare(email)
            if isinstance(prepared, Outcome):
                await self._books.enter(prepared)
                return True
            return await self._send(email, prepared)
        except SecretUnreadable as error:
            logger.error("a secret can't be read", extra={"account": self._ledger.account_id})
            return await self._wait_with_all(email, reason=str(error))
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            # One message that trips over a fault of ours must not hold up all others.
            logger.exception("delivery failed", extra={"email": email.pk})
            self._drop_session()
            attempt = Attempt(email, began_at=began_at, at=self._ledger.now())
            await self._books.enter(outcomes.of_fault(attempt))
            return True

    async def _send(self, email: EmailLog, envelope: Envelope) -> bool:
        began_at = self._ledger.now()
        try:
            await self._connect()
            if not await self._feed.may_go(email):
                return True  # taken back: another worker has it
            before_data = partial(self._ledger.journal.begin, email)
            receipt = await self._exchange(replace(envelope, before_data=before_data))
        except AccountError as error:
            return await self._account_failed(email, error)
        except (PermanentError, TransientError) as error:
            attempt = self._attempt(email, began_at, error)
            await self._books.enter(outcomes.of_error(attempt, error))
            if asks_for_less(error):
                await in_thread(self._ledger.slow_down)
            stated = wait_in_transcript(attempt.transcript)
            return isinstance(error, PermanentError) or self._leave_alone(str(error), stated)
        return await self._received(self._attempt(email, began_at), receipt)

    async def _received(self, attempt: Attempt, receipt: Receipt) -> bool:
        """Keep the server's words; False where they are about more than this message."""
        words = list(receipt.outcomes.values())
        self._ledger.journal.hear(attempt, receipt)
        if against := objection(words, is_carried=self._ledger.is_carrying):
            await in_thread(self._ledger.refuse_sender, str(against.reply))
            await in_thread(self._ledger.release, [attempt.email])
            return False
        await self._books.enter(
            outcomes.of_receipt(attempt, receipt), bad_addresses=outcomes.bad_addresses(receipt)
        )
        busy = [word for word in words if judge(word) is Verdict.BUSY]
        if busy:
            await in_thread(self._ledger.slow_down)
            stated = longest_wait(word.reply.text for word in busy)
            return self._leave_alone(str(busy[0].reply), stated)
        await self._recovered()
        return True

    async def _account_failed(self, email: EmailLog, error: AccountError) -> bool:
        """Credentials and certificates wait for a person; a refused connection only for long."""
        if error.code == "refused_by_server" and error.stage is Stage.CONNECT:
            return await self._wait_with_all(email, reason=str(error))
        await in_thread(self._ledger.pause, str(error))
        await in_thread(self._ledger.release, [email])
        return False

    async def _wait_with_all(self, email: EmailLog, *, reason: str) -> bool:
        backoff.begin(self._ledger.account_id, reason=reason, at_once_longest=True)
        await in_thread(self._ledger.release, [email])
        return False

    def _leave_alone(self, reason: str, stated: timedelta | None) -> bool:
        self._drop_session()
        backoff.begin(self._ledger.account_id, reason=reason, stated=stated)
        return False

    async def _recovered(self) -> None:
        if not self._has_recovered:
            self._has_recovered = True
            backoff.end(self._ledger.account_id)
            await in_thread(self._ledger.speed_up)

    async def _connect(self) -> None:
        if self._session is None or not self._session.is_open:
            self._session = None
            self._session = await open_session(
                connection_of(self._ledger.account), policy=network.default_policy()
            )
            self._is_fresh = True

    async def _exchange(self, envelope: Envelope) -> Receipt:
        """Send over the kept session; one that the server has ended meanwhile is replaced once."""
        assert self._session is not None  # noqa: S101  _connect made it
        was_fresh, self._is_fresh = self._is_fresh, False
        try:
            return await self._session.send(envelope)
        except ConnectionFailed:
            if was_fresh:
                raise
        await self._connect()
        self._is_fresh = False
        return await self._session.send(envelope)

    def _attempt(
        self, email: EmailLog, began_at: datetime, error: Exception | None = None
    ) -> Attempt:
        transcript: tuple[tuple[str, str], ...] = getattr(error, "transcript", ())
        if not transcript and self._session is not None:
            transcript = self._session.transcript
        via = self._ledger.account.email_address if self._ledger.is_carrying else ""
        now = self._ledger.now()
        return Attempt(email, began_at=began_at, at=now, transcript=transcript, via=via)

    def _drop_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    async def _hang_up(self) -> None:
        if self._session is not None:
            await self._session.quit()
            self._session = None
