"""One bounded run over an account's due messages, over at most one connection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime

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
from delivery import backoff, outcomes, stopping
from delivery.ledger import Ledger
from delivery.limits import Wait, Window
from delivery.orm import in_thread
from delivery.outcomes import Attempt
from delivery.replies import Verdict, asks_for_less, judge, objection
from logs import transitions
from logs.models import EmailLog
from logs.transitions import Outcome

logger = logging.getLogger(__name__)

SECONDS = 15.0
LOOK_EVERY = 0.5
GRACE_SECONDS = 20.0


class Drain:
    """Claims, sends and records until nothing is due, its time is over or the server fails."""

    def __init__(
        self, account_id: int, *, mail_of: int | None = None, seconds: float = SECONDS
    ) -> None:
        self._ledger = Ledger(account_id, mail_of=mail_of)
        self._session: SMTPSession | None = None
        self._over_at = time.monotonic() + seconds
        self._has_recovered = False

    async def run(self) -> bool:
        """Return whether more is due that another drain could send at once.

        When the worker has to stop, the message in hand gets 20 seconds. One that was cut off
        after its data had begun stays with its lease, and counts as of unknown outcome.
        """
        work = asyncio.create_task(self._work())
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=LOOK_EVERY)
                if stopping.waiting_seconds() > GRACE_SECONDS:
                    work.cancel()
            return False if work.cancelled() else work.result()
        finally:
            await self._hang_up()
            await in_thread(self._ledger.close)

    async def _work(self) -> bool:
        while not self._is_over():
            batch = await in_thread(self._ledger.claim)
            if not batch and await self._pace():
                continue
            if not batch or not await self._deliver_all(batch):
                return False
        return not stopping.is_asked()

    @property
    def wait(self) -> Wait | None:
        """The limit that the last claim ran into."""
        return self._ledger.wait

    async def _pace(self) -> bool:
        """Wait for the next second where only that second's limit is used up."""
        wait = self._ledger.wait
        if wait is None or wait.window is not Window.SECOND:
            return False
        seconds = (wait.until - self._ledger.now()).total_seconds()
        await asyncio.sleep(min(max(seconds, 0), 1))
        return True

    def _is_over(self) -> bool:
        return time.monotonic() >= self._over_at or stopping.is_asked()

    async def _deliver_all(self, batch: Sequence[EmailLog]) -> bool:
        """Return False where the rest had better wait; the end gives it back."""
        for email in batch:
            if self._is_over():
                return True
            if not await self._deliver(email):
                return False
        return True

    async def _deliver(self, email: EmailLog) -> bool:
        """Make one attempt and record what it came to; False: the others had better wait."""
        began_at = self._ledger.now()
        try:
            prepared = await in_thread(self._ledger.prepare, email)
            if isinstance(prepared, Outcome):
                await in_thread(self._ledger.record, prepared)
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
            await in_thread(self._ledger.record, outcomes.of_fault(attempt))
            return True

    async def _send(self, email: EmailLog, envelope: Envelope) -> bool:
        began_at = self._ledger.now()
        try:
            await self._connect()
            if not await in_thread(transitions.note_data, email):
                return True  # taken back: another worker has it
            receipt = await self._exchange(envelope)
        except AccountError as error:
            return await self._account_failed(email, error)
        except (PermanentError, TransientError) as error:
            attempt = self._attempt(email, began_at, error)
            await in_thread(self._ledger.record, outcomes.of_error(attempt, error))
            if asks_for_less(error):
                await in_thread(self._ledger.slow_down)
            return isinstance(error, PermanentError) or self._leave_alone(str(error))
        return await self._received(self._attempt(email, began_at), receipt)

    async def _received(self, attempt: Attempt, receipt: Receipt) -> bool:
        """Record the server's words; False where they are about more than this message."""
        words = list(receipt.outcomes.values())
        if against := objection(words, is_carried=self._ledger.is_carrying):
            await in_thread(self._ledger.refuse_sender, str(against.reply))
            await in_thread(self._ledger.release, [attempt.email])
            return False
        await in_thread(
            self._ledger.record,
            outcomes.of_receipt(attempt, receipt),
            bad_addresses=outcomes.bad_addresses(receipt),
        )
        busy = [word for word in words if judge(word) is Verdict.BUSY]
        if busy:
            await in_thread(self._ledger.slow_down)
            return self._leave_alone(str(busy[0].reply))
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

    def _leave_alone(self, reason: str) -> bool:
        self._drop_session()
        backoff.begin(self._ledger.account_id, reason=reason)
        return False

    async def _recovered(self) -> None:
        if not self._has_recovered:
            backoff.end(self._ledger.account_id)
            await in_thread(self._ledger.speed_up)
            self._has_recovered = True

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
