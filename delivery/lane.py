"""One connection of a drain: sends one message after the other and judges what came of each."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.db import DatabaseError, InterfaceError

from accounts.services import connection_of
from common import network
from common.errors import PermanentError, TransientError
from common.keyring import SecretUnreadable
from common.orm import in_thread
from common.smtp import (
    AccountError,
    ConnectionFailed,
    Envelope,
    Lines,
    ProbeResult,
    Receipt,
    SMTPServer,
    SMTPSession,
    Stage,
    open_session,
)
from delivery import backoff, outcomes, stopping
from delivery.books import Books
from delivery.feed import Feed
from delivery.journal import JournalFull
from delivery.ledger import Ledger
from delivery.outcomes import Attempt
from delivery.replies import Verdict, asks_for_less, judge, objection
from delivery.sessions import Connection
from delivery.stated import longest_wait, wait_in_transcript
from logs.models import EmailLog
from logs.transitions import Outcome

logger = logging.getLogger(__name__)


LONGEST_IN_HAND = 30.0
RETRY_WITHIN = 10.0
"""Seconds that a message may wait behind a slow one, and that a session may take to turn out dead.

Its lease has to outlast its delivery.
"""


@dataclass(frozen=True)
class Prepared:
    """A message that is next, and what it was built into; ``is_noted`` once its data may go."""

    email: EmailLog
    built: Envelope | Outcome | Exception
    is_noted: bool
    at: float


class Lane:
    """Used by one task; the ledger, the feed and the books are shared with other lanes.

    While a message is on its way the next one is built, and its envelope follows the body.
    """

    def __init__(
        self, ledger: Ledger, *, feed: Feed, books: Books, kept: Connection | None = None
    ) -> None:
        self._ledger = ledger
        self._feed = feed
        self._books = books
        self._kept = kept
        self._connection: Connection | None = None
        self._is_fresh = True

    async def run(self) -> None:
        """Send until the feed gives out nothing more; the connection stays for ``part``."""
        coming: asyncio.Task[Prepared | None] | None = None
        try:
            while prepared := await (coming or self._next()):
                if self._must_stop():
                    return
                coming = asyncio.create_task(self._next()) if self._feed.has_next else None
                if time.monotonic() - prepared.at > LONGEST_IN_HAND:
                    await self._give_back(prepared)
                elif not await self._deliver(prepared):
                    self._feed.stop()
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    def part(self) -> list[Connection]:
        """Return the connections that this has left, for others to keep or to close."""
        mine = [each for each in (self._connection, self._kept) if each is not None]
        self._connection = self._kept = None
        return mine

    def _must_stop(self) -> bool:
        """Whether what is in hand but not begun had better go back."""
        return self._feed.is_told_to_stop or stopping.is_asked()

    async def _next(self) -> Prepared | None:
        """Return the next message; where a connection stands, it is told of it ahead."""
        while email := await self._feed.next():
            built = self._build(email)
            session = self._session
            if session is None or not isinstance(built, Envelope):
                return Prepared(email, built, is_noted=False, at=time.monotonic())
            if await self._feed.may_go(email):  # else another worker has it
                session.follow(built)
                return Prepared(email, built, is_noted=True, at=time.monotonic())
        return None

    def _build(self, email: EmailLog) -> Envelope | Outcome | Exception:
        try:
            built = self._ledger.prepare(email)
        except Exception as error:  # noqa: BLE001  this message's: raised when its turn comes
            return error
        if isinstance(built, Outcome):
            return built
        return replace(built, before_data=partial(self._ledger.journal.begin, email))

    async def _give_back(self, prepared: Prepared) -> None:
        self._drop_session()
        await in_thread(self._ledger.release, [prepared.email])

    async def can_open(self) -> bool:
        """Connect ahead of the first message; False where the server does not want that."""
        try:
            await self._connect()
        except (PermanentError, TransientError, SecretUnreadable) as error:
            extra = {"account": self._ledger.account_id, "error": type(error).__name__}
            logger.info("no further connection", extra=extra)
            return False
        return True

    async def _deliver(self, prepared: Prepared) -> bool:
        """Make one attempt and enter what it came to; False: the others had better wait."""
        began_at = self._ledger.now()
        email, built = prepared.email, prepared.built
        try:
            if isinstance(built, Exception):
                raise built
            if isinstance(built, Outcome):
                await self._books.enter(built)
                return True
            return await self._send(email, built, is_noted=prepared.is_noted)
        except SecretUnreadable as error:
            logger.error("a secret can't be read", extra={"account": self._ledger.account_id})
            return await self._wait_with_all(email, reason=str(error))
        except JournalFull as error:
            logger.error("the journal takes no more", extra={"account": self._ledger.account_id})
            await in_thread(self._ledger.release, [email])
            return self._leave_alone(str(error), None)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            # One message that trips over a fault of ours must not hold up all others.
            logger.exception("delivery failed", extra={"email": email.pk})
            self._drop_session()
            attempt = Attempt(email, began_at=began_at, at=self._ledger.now())
            await self._books.enter(outcomes.of_fault(attempt))
            return True

    async def _send(self, email: EmailLog, envelope: Envelope, *, is_noted: bool) -> bool:
        began_at = self._ledger.now()
        try:
            await self._connect()
            if not is_noted and not await self._feed.may_go(email):
                return True  # taken back: another worker has it
            receipt = await self._exchange(envelope)
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
            await in_thread(self._ledger.refuse_sender, against, attempt.transcript)
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
        await in_thread(self._ledger.keep_dialogue, ProbeResult.failed(error))
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
        if not self._ledger.has_recovered:
            self._ledger.has_recovered = True
            backoff.end(self._ledger.account_id)
            await in_thread(self._ledger.speed_up)

    @property
    def _session(self) -> SMTPSession | None:
        """The open session, None where there is none."""
        if self._connection is None or not self._connection.session.is_open:
            return None
        return self._connection.session

    async def _connect(self) -> SMTPSession:
        if session := self._session:
            return session
        self._connection = None
        server = connection_of(self._ledger.account)
        if kept := await self._kept_to(server):
            self._connection, self._is_fresh = kept, False
        else:
            session = await open_session(server, policy=network.default_policy())
            self._connection, self._is_fresh = Connection(session, server), True
        return self._connection.session

    async def _kept_to(self, server: SMTPServer) -> Connection | None:
        """Return the connection that an earlier drain has left, if it is to just this server."""
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        if kept.server == server and kept.session.is_idle:
            return kept
        await kept.session.quit()
        return None

    async def _exchange(self, envelope: Envelope) -> Receipt:
        """Send over the kept session; one that the server has ended meanwhile is replaced once."""
        session = await self._connect()
        was_fresh, self._is_fresh = self._is_fresh, False
        began = time.monotonic()
        try:
            return await session.send(envelope)
        except ConnectionFailed:
            if was_fresh or time.monotonic() - began > RETRY_WITHIN:
                raise
        session = await self._connect()
        self._is_fresh = False
        return await session.send(envelope)

    def _attempt(
        self, email: EmailLog, began_at: datetime, error: Exception | None = None
    ) -> Attempt:
        """Return what there is to tell; what a session said before it stood open may be masked."""
        transcript: Lines = getattr(error, "transcript", ())
        is_masked = bool(transcript) and not getattr(error, "is_quotable", True)
        if not transcript and self._connection is not None:
            transcript = self._connection.session.transcript
        via = self._ledger.account.email_address if self._ledger.is_carrying else ""
        return Attempt(
            email,
            began_at=began_at,
            at=self._ledger.now(),
            transcript=transcript,
            via=via,
            is_masked=is_masked,
        )

    def _drop_session(self) -> None:
        if self._connection is not None:
            self._connection.session.close()
            self._connection = None
