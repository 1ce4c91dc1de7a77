"""An open SMTP session: many messages over one connection, two round trips each or fewer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from common.errors import OutcomeUnknown, PermanentError, ProviderError, TransientError
from common.smtp.dialogue import Dialogue
from common.smtp.envelope import Commands, Envelope, dot_stuffed, prepare
from common.smtp.errors import (
    AccountError,
    ConnectionFailed,
    Nonsense,
    ServiceClosing,
    Stage,
    WireError,
)
from common.smtp.reply import Reply

# A larger body waits until the server has agreed to its sender and a recipient.
MAX_BODY_AHEAD = 256 * 1024
# What a server says to MAIL when the account, not the message, is the trouble (RFC 4954).
_ACCOUNT_CODES = frozenset({530, 534, 535, 538})
_QUIT_SECONDS = 5.0


class Phase(StrEnum):
    """The command that an outcome's reply answers."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"


@dataclass(frozen=True)
class Outcome:
    """The server's last word on one recipient."""

    reply: Reply
    phase: Phase

    @property
    def is_accepted(self) -> bool:
        """Whether the server took the message for this recipient."""
        return self.phase is Phase.BODY and self.reply.is_positive

    @property
    def error(self) -> ProviderError | None:
        """The refusal as an exception to raise or record, None if the server took the message."""
        if self.is_accepted:
            return None
        if self.phase is Phase.MAIL and self.reply.code in _ACCOUNT_CODES:
            detail = f"The server wants other credentials: {self.reply}"
            return AccountError(detail, stage=Stage.READY, reply=self.reply)
        kind = PermanentError if self.reply.is_permanent else TransientError
        return kind(
            str(self.reply),
            code=f"refused_at_{self.phase}",
            smtp_code=self.reply.code,
            enhanced_code=self.reply.enhanced_code,
        )


@dataclass(frozen=True)
class Receipt:
    """What became of one message: an outcome for every recipient."""

    outcomes: Mapping[str, Outcome]

    @property
    def accepted(self) -> tuple[str, ...]:
        """The recipients for whom the server took the message."""
        return tuple(name for name, outcome in self.outcomes.items() if outcome.is_accepted)


class SMTPSession:
    """A session after its opening; made by ``open_session``, used by one task at a time.

    Every method but ``quit`` and ``close`` closes the session when it raises an error of the
    connection; ``is_open`` tells.
    """

    def __init__(
        self, dialogue: Dialogue, *, capabilities: Mapping[str, str], seconds: float
    ) -> None:
        self.capabilities = capabilities
        self._dialogue = dialogue
        self._seconds = seconds
        self._pipelines = "PIPELINING" in capabilities
        self._chunks = "CHUNKING" in capabilities
        self._body_begun = False

    @property
    def is_open(self) -> bool:
        return self._dialogue.is_open

    @property
    def transcript(self) -> tuple[tuple[str, str], ...]:
        """The lines of the opening until the first ``send``, then of the latest ``send``."""
        return self._dialogue.transcript.lines

    async def send(self, envelope: Envelope) -> Receipt:
        """Send one message and return the server's word on each recipient.

        Raises:
            ValueError: the envelope is not one; nothing was sent.
            PermanentError: the server lacks what this message needs; nothing was sent.
            ConnectionFailed: the session was lost before any of the body went.
            OutcomeUnknown: the session was lost after that; the message may have been taken.
        """
        commands = prepare(envelope, capabilities=self.capabilities)
        self._dialogue.transcript.clear()
        self._dialogue.set_deadline(seconds=self._seconds)
        self._body_begun = False
        try:
            await self._check_idle()
            receipt = await self._transact(commands, before_data=envelope.before_data)
        except WireError as error:
            raise self._lost(error) from None
        except BaseException:
            self.close()
            raise
        if not receipt.accepted:
            await self._clear_up()
        return receipt

    async def noop(self) -> None:
        """Make sure that the server is still there.

        Raises:
            ConnectionFailed: it is not, or doesn't behave; the session is closed.
        """
        await self._simple(b"NOOP\r\n")

    async def reset(self) -> None:
        """Make the server forget an unfinished message; raises like ``noop``."""
        await self._simple(b"RSET\r\n")

    async def quit(self) -> None:
        """Say goodbye and close; what the server makes of it no longer matters."""
        try:
            if self.is_open:
                self._dialogue.set_deadline(seconds=_QUIT_SECONDS)
                await self._dialogue.ask(b"QUIT\r\n")
        except WireError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Drop the connection at once."""
        self._dialogue.close()

    async def _simple(self, command: bytes) -> None:
        self._dialogue.set_deadline(seconds=self._seconds)
        self._body_begun = False
        try:
            await self._check_idle()
            if not (await self._dialogue.ask(command)).is_positive:
                raise Nonsense
        except WireError as error:
            raise self._lost(error) from None
        except BaseException:
            self.close()
            raise

    async def _check_idle(self) -> None:
        """Take what came unasked (421, most likely) as the end, not as an answer to us."""
        if not self._dialogue.is_idle:
            if self.is_open:
                await self._dialogue.hear()
            raise WireError("The session can no longer be used.")

    def _lost(self, error: WireError) -> ProviderError:
        self.close()
        if isinstance(error, ServiceClosing):
            return ConnectionFailed(str(error), stage=Stage.READY, reply=error.reply)
        if self._body_begun:
            return OutcomeUnknown(f"{error} The message may have been taken.")
        return ConnectionFailed(str(error), stage=Stage.READY)

    async def _clear_up(self) -> None:
        """A refusal leaves some servers inside the transaction; after BDAT (RFC 3030) all."""
        try:
            await self.reset()
        except ConnectionFailed:
            return  # the receipt stands, and the session knows that it is closed

    async def _transact(
        self, commands: Commands, *, before_data: Callable[[], None] | None
    ) -> Receipt:
        if self._pipelines and self._chunks and len(commands.body) <= MAX_BODY_AHEAD:
            return await self._in_one_trip(commands, before_data=before_data)
        data_ahead = self._pipelines and not self._chunks
        replies = await self._announce(commands, data_ahead=data_ahead)
        refused = _refusals(commands.recipients, replies)
        everyone_refused = len(refused) == len(commands.recipients)
        if data_ahead:
            go_on = await self._dialogue.hear(kinds="345")
        elif everyone_refused:
            return Receipt(outcomes=refused)
        elif not self._chunks:
            go_on = await self._ask_for_data()
        else:
            go_on = None
        return await self._after_permission(commands, refused, go_on, before_data=before_data)

    async def _after_permission(
        self,
        commands: Commands,
        refused: dict[str, Outcome],
        go_on: Reply | None,
        *,
        before_data: Callable[[], None] | None,
    ) -> Receipt:
        if go_on is not None and go_on.code != 354:
            return _receipt(commands, refused, Outcome(go_on, Phase.DATA))
        if len(refused) == len(commands.recipients):
            self._dialogue.say(b".\r\n")  # RFC 2920 section 3.1: an empty message, for nobody
            await self._ignore_reply()
            return Receipt(outcomes=refused)
        self._begin_body(before_data)
        self._say_body(commands.body)
        await self._dialogue.flush()
        return _receipt(commands, refused, Outcome(await self._verdict(), Phase.BODY))

    async def _in_one_trip(
        self, commands: Commands, *, before_data: Callable[[], None] | None
    ) -> Receipt:
        self._begin_body(before_data)
        self._say_body(commands.body, after=b"".join([commands.mail, *commands.rcpts]))
        await self._dialogue.flush()
        replies = [await self._dialogue.hear() for _ in range(1 + len(commands.rcpts))]
        refused = _refusals(commands.recipients, replies)
        if len(refused) == len(commands.recipients):
            await self._ignore_reply()
            return Receipt(outcomes=refused)
        return _receipt(commands, refused, Outcome(await self._verdict(), Phase.BODY))

    async def _announce(self, commands: Commands, *, data_ahead: bool) -> list[Reply]:
        """Return the replies to MAIL and every RCPT; to MAIL only if that ended it."""
        lines = [commands.mail, *commands.rcpts]
        if self._pipelines:
            self._dialogue.say(b"".join([*lines, b"DATA\r\n"] if data_ahead else lines))
            return [await self._dialogue.hear() for _ in lines]
        replies = [await self._dialogue.ask(commands.mail)]
        if replies[0].is_positive:
            replies += [await self._dialogue.ask(line) for line in commands.rcpts]
        return replies

    async def _ask_for_data(self) -> Reply:
        self._dialogue.say(b"DATA\r\n")
        return await self._dialogue.hear(kinds="345")

    def _begin_body(self, before_data: Callable[[], None] | None) -> None:
        if before_data is not None:
            before_data()
        self._body_begun = True

    def _say_body(self, body: bytes, *, after: bytes = b"") -> None:
        """Send the body, and commands ``after`` which it follows in the same write."""
        if self._chunks:
            command = after + b"BDAT %d LAST\r\n" % len(body)
            self._dialogue.say(command + body, shown=command + b"[%d bytes]" % len(body))
        else:
            self._dialogue.say(dot_stuffed(body) + b".\r\n", shown=b"[%d bytes]" % len(body))

    async def _verdict(self) -> Reply:
        """The reply to the body has all the time that is left: many servers scan first."""
        return await self._dialogue.hear(patience=self._seconds)

    async def _ignore_reply(self) -> None:
        """Read an answer that changes nothing; if none comes, the session is of no more use."""
        try:
            await self._dialogue.hear()
        except WireError:
            self.close()


def _refusals(recipients: Sequence[str], replies: Sequence[Reply]) -> dict[str, Outcome]:
    mail, *rcpts = replies
    if not mail.is_positive:
        return dict.fromkeys(recipients, Outcome(mail, Phase.MAIL))
    return {
        recipient: Outcome(reply, Phase.RCPT)
        for recipient, reply in zip(recipients, rcpts, strict=True)
        if not reply.is_positive
    }


def _receipt(commands: Commands, refused: dict[str, Outcome], rest: Outcome) -> Receipt:
    """Return the outcomes in the envelope's order, ``rest`` for all who were not refused."""
    return Receipt(outcomes={name: refused.get(name, rest) for name in commands.recipients})
