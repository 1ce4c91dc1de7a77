"""An open SMTP session: many messages over one connection, one round trip each if it can be."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from common.errors import OutcomeUnknown, PermanentError, ProviderError
from common.smtp.dialogue import Dialogue
from common.smtp.envelope import Commands, Envelope, dot_stuffed, prepare
from common.smtp.errors import (
    ConnectionFailed,
    Nonsense,
    ServiceClosing,
    Stage,
    WireError,
)
from common.smtp.reply import Reply
from common.smtp.transcript import Transcript

# A larger body waits until the server has agreed to its sender and a recipient.
MAX_BODY_AHEAD = 256 * 1024
_QUIT_SECONDS = 5.0
_QUIET = 1.0


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


@dataclass(frozen=True)
class Receipt:
    """What became of one message: an outcome for every recipient."""

    outcomes: Mapping[str, Outcome]

    @property
    def accepted(self) -> tuple[str, ...]:
        """The recipients for whom the server took the message."""
        return tuple(name for name, outcome in self.outcomes.items() if outcome.is_accepted)


@dataclass(eq=False)
class _Transfer:
    """One message on its way; ``is_announced`` says that its commands went before its turn."""

    envelope: Envelope
    commands: Commands
    transcript: Transcript = field(default_factory=Transcript)
    is_announced: bool = False
    follows_reset: bool = False


class SMTPSession:
    """A session after its opening; made by ``open_session``, used by one task at a time.

    ``opened_at`` is in the loop's time, ``count`` the number of messages that it was used for.

    Every method but ``follow``, ``quit`` and ``close`` closes the session when it raises an
    error of the connection; ``is_open`` tells.
    """

    def __init__(
        self, dialogue: Dialogue, *, capabilities: Mapping[str, str], seconds: float
    ) -> None:
        self.capabilities = capabilities
        self.opened_at = self._used_at = _now()
        self.count = 0
        self._dialogue = dialogue
        self._seconds = seconds
        self._pipelines = "PIPELINING" in capabilities
        self._chunks = "CHUNKING" in capabilities
        self._body_begun = False
        self._is_body_said = False
        self._needs_reset = False
        self._ahead = deque[_Transfer]()

    @property
    def is_open(self) -> bool:
        return self._dialogue.is_open

    @property
    def is_idle(self) -> bool:
        """Whether a message could begin now: the server is there, and nothing is half done."""
        return not self._awaits_body and self._dialogue.is_idle

    @property
    def transcript(self) -> tuple[tuple[str, str], ...]:
        """The lines of the opening until the first ``send``, then of the latest ``send``."""
        return self._dialogue.transcript.lines

    def follow(self, envelope: Envelope) -> None:
        """Say the envelope together with the present body, or behind it: a round trip saved.

        RFC 2920 section 3.1 allows that, and the body still waits for its own ``send``. These have
        to come in the same order; otherwise close the session. Where the server takes no commands
        ahead, or bodies without being asked (BDAT), this does nothing.
        """
        if not self._pipelines or self._chunks or not self.is_open:
            return
        try:
            commands = prepare(envelope, capabilities=self.capabilities)
        except (ValueError, PermanentError):
            return  # ``send`` will say so
        self._ahead.append(_Transfer(envelope, commands))
        if self._is_body_said and len(self._ahead) == 1:
            self._dialogue.write(self._announced_ahead())

    async def send(self, envelope: Envelope) -> Receipt:
        """Send one message and return the server's word on each recipient.

        Raises:
            ValueError: the envelope is not one; nothing was sent.
            PermanentError: the server lacks what this message needs; nothing was sent.
            ConnectionFailed: the session was lost before any of the body went.
            OutcomeUnknown: the session was lost after that; the message may have been taken.
        """
        transfer = self._transfer_of(envelope)
        self._dialogue.transcript = transfer.transcript
        self._begin()
        try:
            if not transfer.is_announced:
                await self._check_idle()
            receipt = await self._transact(transfer)
        except WireError as error:
            raise self._lost(error) from None
        except BaseException:
            self.close()
            raise
        # A refusal leaves some servers inside the transaction; after BDAT (RFC 3030) all.
        self._needs_reset = not receipt.accepted and not self._awaits_body
        self.count += 1
        self._is_body_said = False
        self._used_at = _now()
        return receipt

    async def noop(self) -> None:
        """Make sure that the server is still there.

        Raises:
            ConnectionFailed: it is not, or doesn't behave; the session is closed.
        """
        self._begin()
        try:
            await self._check_idle()
            if not (await self._dialogue.ask(b"NOOP\r\n")).is_positive:
                raise Nonsense
        except WireError as error:
            raise self._lost(error) from None
        except BaseException:
            self.close()
            raise
        self._used_at = _now()

    async def quit(self) -> None:
        """Say goodbye and close; what the server makes of it no longer matters.

        Where it waits for a body that does not come, the connection is dropped: a QUIT would be
        read as that body's first line.
        """
        try:
            if self.is_open and not self._awaits_body:
                self._dialogue.set_deadline(seconds=_QUIT_SECONDS)
                await self._dialogue.ask(b"QUIT\r\n")
        except WireError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Drop the connection at once."""
        self._dialogue.close()

    @property
    def _awaits_body(self) -> bool:
        """Whether the server expects the body of a message that was announced ahead."""
        return bool(self._ahead) and self._ahead[0].is_announced

    def _begin(self) -> None:
        self._dialogue.set_deadline(seconds=self._seconds)
        self._body_begun = self._is_body_said = False

    def _transfer_of(self, envelope: Envelope) -> _Transfer:
        if self._ahead and self._ahead[0].envelope is envelope:
            return self._ahead.popleft()
        return _Transfer(envelope, prepare(envelope, capabilities=self.capabilities))

    async def _check_idle(self) -> None:
        """Take what came unasked (421, most likely) as the end, not as an answer to us."""
        if not self.is_idle:
            if self.is_open and not self._awaits_body:
                await self._dialogue.hear()
            raise WireError("The session can no longer be used.")

    def _lost(self, error: WireError) -> ProviderError:
        self.close()
        if isinstance(error, ServiceClosing):
            return ConnectionFailed(str(error), stage=Stage.READY, reply=error.reply)
        if self._body_begun:
            return OutcomeUnknown(f"{error} The message may have been taken.")
        return ConnectionFailed(str(error), stage=Stage.READY)

    async def _transact(self, transfer: _Transfer) -> Receipt:
        if self._goes_at_once(transfer.commands):
            return await self._in_one_trip(transfer)
        if self._pipelines:
            replies, go_on = await self._permission(transfer)
        else:
            replies, go_on = await self._permission_step_by_step(transfer.commands)
        refused = _refusals(transfer.commands.recipients, replies)
        if go_on is not None and go_on.code != 354:
            return _receipt(transfer.commands, refused, Outcome(go_on, Phase.DATA))
        if len(refused) == len(transfer.commands.recipients):
            if go_on is not None:
                self._dialogue.say(b".\r\n")  # RFC 2920 section 3.1: an empty message, for nobody
                await self._ignore_reply()
            return Receipt(outcomes=refused)
        self._say_body(transfer)
        await self._dialogue.flush()
        return _receipt(transfer.commands, refused, Outcome(await self._verdict(), Phase.BODY))

    def _goes_at_once(self, commands: Commands) -> bool:
        """Whether the body needs no permission: only to a server that has just been there.

        A connection that was quiet may be dead without our knowing; a body that went into it
        would be of unknown outcome.
        """
        is_small = len(commands.body) <= MAX_BODY_AHEAD
        return self._pipelines and self._chunks and is_small and _now() - self._used_at < _QUIET

    async def _in_one_trip(self, transfer: _Transfer) -> Receipt:
        commands = transfer.commands
        self._say_body(transfer, after=self._announcement(transfer))
        await self._dialogue.flush()
        refused = _refusals(commands.recipients, await self._replies(transfer))
        if len(refused) == len(commands.recipients):
            await self._ignore_reply()
            return Receipt(outcomes=refused)
        return _receipt(commands, refused, Outcome(await self._verdict(), Phase.BODY))

    async def _permission(self, transfer: _Transfer) -> tuple[list[Reply], Reply | None]:
        """Return the replies to MAIL and every RCPT, and to DATA if the body needs that."""
        if not transfer.is_announced:
            self._dialogue.say(self._announcement(transfer))
        replies = await self._replies(transfer)
        go_on = None if self._chunks else await self._dialogue.hear(kinds="345")
        if self._dialogue.has_unheard:
            await self._dialogue.hear()  # a 421, or one too many: which answers what, nobody knows
            raise Nonsense
        return replies, go_on

    async def _permission_step_by_step(
        self, commands: Commands
    ) -> tuple[list[Reply], Reply | None]:
        """Return the same with one command at a time; the first refusal of all ends it."""
        if self._needs_reset:
            self._require(await self._dialogue.ask(b"RSET\r\n"))
        replies = [await self._dialogue.ask(commands.mail)]
        if replies[0].is_positive:
            replies += [await self._dialogue.ask(line) for line in commands.rcpts]
        is_refused = len(_refusals(commands.recipients, replies)) == len(commands.recipients)
        if self._chunks or is_refused:
            return replies, None
        self._dialogue.say(b"DATA\r\n")
        return replies, await self._dialogue.hear(kinds="345")

    def _announced_ahead(self) -> bytes:
        """Return the commands of the message that is to follow, if it is there."""
        if not self._ahead:
            return b""
        following = self._ahead[0]
        commands = self._announcement(following)
        following.transcript.sent(commands)
        following.is_announced = True
        return commands

    def _announcement(self, transfer: _Transfer) -> bytes:
        """Return all of the message's commands that may go in one group."""
        transfer.follows_reset = self._needs_reset
        reset = [b"RSET\r\n"] if self._needs_reset else []
        data = [] if self._chunks else [b"DATA\r\n"]
        return b"".join([*reset, transfer.commands.mail, *transfer.commands.rcpts, *data])

    async def _replies(self, transfer: _Transfer) -> list[Reply]:
        """Return the replies to MAIL and to every RCPT that were said in one group."""
        if transfer.follows_reset:
            self._require(await self._dialogue.hear())
        mail = await self._dialogue.hear()
        if transfer.is_announced and mail.code == 503:
            raise Nonsense  # it has not left the transaction before: this message isn't refused
        return [mail, *[await self._dialogue.hear() for _ in transfer.commands.rcpts]]

    def _require(self, reply: Reply) -> None:
        if not reply.is_positive:
            raise Nonsense

    def _say_body(self, transfer: _Transfer, *, after: bytes = b"") -> None:
        """Send the body in one write with the commands ``after`` which it follows.

        What is to follow it, and waits already, goes along.
        """
        if transfer.envelope.before_data is not None:
            transfer.envelope.before_data()
        self._body_begun = self._is_body_said = True
        body = transfer.commands.body
        shown = b"[%d bytes]" % len(body)
        if self._chunks:
            command = after + b"BDAT %d LAST\r\n" % len(body)
            self._dialogue.say(command + body, shown=command + shown)
        else:
            whole = dot_stuffed(body) + b".\r\n"
            self._dialogue.say(whole + self._announced_ahead(), shown=shown)

    async def _verdict(self) -> Reply:
        """The reply to the body has all the time that is left: many servers scan first."""
        return await self._dialogue.hear(patience=self._seconds)

    async def _ignore_reply(self) -> None:
        """Read an answer that changes nothing; if none comes, the session is of no more use."""
        try:
            await self._dialogue.hear()
        except WireError:
            self.close()


def _now() -> float:
    return asyncio.get_running_loop().time()


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
