"""Sending over a session: few round trips, right outcomes, nothing smuggled."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from common.errors import OutcomeUnknown, PermanentError, TransientError
from common.network import NetworkPolicy
from common.smtp import (
    ConnectionFailed,
    Envelope,
    Phase,
    Receipt,
    SMTPServer,
    SMTPSession,
    Timeouts,
    open_session,
)
from common.tests.smtp_server import DROP, HANG, Drip, ScriptedServer

PRIVATE = NetworkPolicy(allow_private=True)
QUICK = Timeouts(opening=5, send=0.6, reply=0.4)
BODY = b"Subject: hello\r\n\r\nHello\r\n"
PIPELINING = ("PIPELINING", "8BITMIME")
WAYS = [(), PIPELINING, ("CHUNKING",), ("PIPELINING", "CHUNKING")]
EVENTS = [
    (offers, event)
    for offers in WAYS
    for event in ("MAIL", "RCPT", "DATA", "BODY")
    if event != "DATA" or "CHUNKING" not in offers  # BDAT asks for no permission
]
Use = Callable[[SMTPSession], Awaitable[object]]


def using(server: ScriptedServer, use: Use, *, timeouts: Timeouts = Timeouts()) -> object:  # noqa: B008
    """Run ``use`` with an open session and return what it returns."""

    async def run() -> object:
        where = SMTPServer(host=server.host, port=server.port, use_tls=False)
        session = await open_session(where, policy=PRIVATE, timeouts=timeouts)
        try:
            return await use(session)
        finally:
            session.close()

    return asyncio.run(run())


def envelope(*recipients: str, **changes: object) -> Envelope:
    given = {
        "mail_from": "shop@x.test",
        "recipients": recipients or ("anna@x.test",),
        "data": BODY,
    }
    return Envelope(**{**given, **changes})


def sent(server: ScriptedServer, message: Envelope, **kwargs: object) -> Receipt:
    async def use(session: SMTPSession) -> Receipt:
        return await session.send(message)

    return using(server, use, **kwargs)


# The ordinary way


@pytest.mark.parametrize("offers", WAYS)
def test_a_message_arrives_byte_for_byte_whatever_the_server_offers(offers):
    data = b"Subject: x\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n"
    with ScriptedServer(offers=offers) as server:
        receipt = sent(server, envelope("anna@x.test", "bob@x.test", data=data))

    assert receipt.accepted == ("anna@x.test", "bob@x.test")
    assert receipt.outcomes["bob@x.test"].reply.code == 250
    (message,) = server.messages
    assert message.sender == "shop@x.test"
    assert message.recipients == ["anna@x.test", "bob@x.test"]
    assert message.content == data


@pytest.mark.parametrize(
    ("offers", "trips"), [((), 5), (PIPELINING, 2), (("PIPELINING", "CHUNKING"), 1)]
)
def test_pipelining_and_chunking_save_round_trips(offers, trips):
    with ScriptedServer(offers=offers) as server:
        sent(server, envelope("anna@x.test", "bob@x.test"))
        banner_and_ehlo = 2

        assert server.connections[0].closed.wait(5)
        assert server.connections[0].turns - banner_and_ehlo == trips


@pytest.mark.parametrize("offers", WAYS)
def test_many_messages_go_over_one_connection(offers):
    async def use(session: SMTPSession) -> None:
        for number in range(20):
            receipt = await session.send(envelope(f"{number}@x.test"))
            assert receipt.accepted
        await session.noop()
        await session.quit()

    with ScriptedServer(offers=offers) as server:
        using(server, use)

    assert len(server.connections) == 1
    assert [message.recipients for message in server.messages] == [
        [f"{number}@x.test"] for number in range(20)
    ]
    assert server.verbs[-2:] == ["NOOP", "QUIT"]


@pytest.mark.parametrize("offers", WAYS)
def test_a_large_body_arrives_whole(offers):
    data = b"Subject: big\r\n\r\n" + b"0123456789.\r\n.x\r\n" * 60_000
    with ScriptedServer(offers=offers) as server:
        sent(server, envelope(data=data))

    assert server.messages[0].content == data


def test_a_large_body_waits_until_somebody_is_accepted():
    data = b"x" * 1_000_000
    with ScriptedServer(offers=("PIPELINING", "CHUNKING")).on("RCPT", "550 5.1.1 no") as server:
        sent(server, envelope(data=data))

    assert "BDAT" not in server.verbs


@pytest.mark.parametrize("offers", WAYS)
@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r", b"\r\n.\n", b"\n.\r\n", b"\r\n.\r\n"])
def test_no_body_ends_the_message_early(offers, end):
    data = b"Subject: x\r\n\r\none" + end + b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<e@x.test>\r\nDATA"
    with ScriptedServer(offers=offers) as server:
        sent(server, envelope(data=data))

    (message,) = server.messages
    assert re.findall(rb"(?<!\r)\n|\r(?!\n)", server.received) == []
    if message.command == "DATA":
        assert b"\r\n.\r\n" not in message.data
    assert message.content.splitlines() == data.splitlines()
    assert server.verbs.count("MAIL") == 1


@pytest.mark.parametrize("offers", WAYS)
def test_the_hook_is_called_once_before_the_body(offers):
    seen: list[int] = []
    with ScriptedServer(offers=offers) as server:
        message = envelope(before_data=lambda: seen.append(len(server.messages)))
        sent(server, message)

    assert seen == [0]


@pytest.mark.parametrize("offers", [(), PIPELINING])
def test_the_hook_is_not_called_when_nobody_is_accepted(offers):
    seen: list[bool] = []
    with ScriptedServer(offers=offers).on("RCPT", "550 5.1.1 no") as server:
        sent(server, envelope(before_data=lambda: seen.append(True)))

    assert seen == []


@pytest.mark.parametrize("offers", WAYS)
def test_a_failing_hook_stops_the_message_and_closes_the_session(offers):
    def fail() -> None:
        raise OSError("journal full")

    async def use(session: SMTPSession) -> bool:
        with pytest.raises(OSError, match="journal full"):
            await session.send(envelope(before_data=fail))
        return session.is_open

    with ScriptedServer(offers=offers) as server:
        assert using(server, use) is False
    assert server.messages == []


def test_a_body_and_its_size_are_in_the_transcript_only_as_a_number():
    async def use(session: SMTPSession) -> tuple[tuple[str, str], ...]:
        await session.send(envelope())
        return session.transcript

    with ScriptedServer(offers=(*PIPELINING, "SIZE")) as server:
        transcript = using(server, use)

    assert transcript == (
        ("C", f"MAIL FROM:<shop@x.test> SIZE={len(BODY)}"),
        ("C", "RCPT TO:<anna@x.test>"),
        ("C", "DATA"),
        ("S", "250 2.1.0 ok"),
        ("S", "250 2.1.5 ok"),
        ("S", "354 go ahead"),
        ("C", f"[{len(BODY)} bytes]"),
        ("S", "250 2.0.0 queued"),
    )


# Refusals


def refuse_bad(command: str) -> str:
    return "550 5.1.1 no such user" if "bad" in command else "250 2.1.5 ok"


@pytest.mark.parametrize("offers", WAYS)
def test_a_refused_recipient_is_its_own_outcome_alone(offers):
    with ScriptedServer(offers=offers).always("RCPT", refuse_bad) as server:
        receipt = sent(server, envelope("anna@x.test", "bad@x.test", "bob@x.test"))

    assert receipt.accepted == ("anna@x.test", "bob@x.test")
    refused = receipt.outcomes["bad@x.test"]
    assert (refused.phase, refused.reply.code) == (Phase.RCPT, 550)
    assert refused.reply.enhanced_code == "5.1.1"
    assert refused.reply.is_permanent
    assert receipt.outcomes["bob@x.test"].is_accepted
    assert server.messages[0].recipients == ["anna@x.test", "bob@x.test"]


@pytest.mark.parametrize(("offers", "event"), EVENTS)
@pytest.mark.parametrize("answer", ["451 4.7.1 greylisted", "552 5.3.4 too big"])
def test_a_refusal_names_its_phase_and_the_session_goes_on(offers, event, answer):
    async def use(session: SMTPSession) -> Receipt:
        refused = await session.send(envelope("anna@x.test"))
        assert (await session.send(envelope("next@x.test"))).accepted
        return refused

    with ScriptedServer(offers=offers).on(event, answer) as server:
        outcome = using(server, use).outcomes["anna@x.test"]

    assert outcome.phase == event.lower()
    assert not outcome.is_accepted
    assert str(outcome.reply) == answer
    assert outcome.reply.enhanced_code == answer.split()[1]
    assert [message.recipients for message in server.messages] == [["next@x.test"]]
    assert len(server.connections) == 1


def test_an_eager_354_for_nobody_gets_an_empty_message_whose_fate_is_ignored():
    async def use(session: SMTPSession) -> Receipt:
        refused = await session.send(envelope("bad@x.test"))
        assert (await session.send(envelope("next@x.test"))).accepted
        return refused

    with ScriptedServer(offers=PIPELINING) as server:
        server.on("RCPT", "550 5.1.1 no").on("DATA", "354 go ahead").on("BODY", "250 fine")
        outcome = using(server, use).outcomes["bad@x.test"]

    assert (outcome.phase, outcome.reply.code) == (Phase.RCPT, 550)
    assert [message.data for message in server.messages] == [b"", BODY]


def test_a_multi_line_refusal_keeps_all_its_words():
    with ScriptedServer().on("RCPT", b"550-5.1.1 no\r\n550 5.1.1 user\r\n") as server:
        receipt = sent(server, envelope())

    assert str(receipt.outcomes["anna@x.test"].reply) == "550 5.1.1 no 5.1.1 user"


def test_what_the_server_cannot_take_is_refused_before_a_byte():
    async def use(session: SMTPSession) -> bool:
        with pytest.raises(PermanentError) as refusal:
            await session.send(envelope("jürgen@x.test"))
        assert refusal.value.code == "smtputf8_unsupported"
        with pytest.raises(ValueError, match="address"):
            await session.send(envelope("a@x.test>\r\nRCPT TO:<evil@x.test"))
        return session.is_open

    with ScriptedServer() as server:
        assert using(server, use) is True
    assert server.verbs == ["EHLO"]


# Lost sessions


def lost(server: ScriptedServer, message: Envelope | None = None) -> Exception:
    """Return what ``send`` raised; the session is closed after it and says so."""

    async def use(session: SMTPSession) -> Exception:
        with pytest.raises(TransientError) as failure:
            await session.send(message or envelope())
        assert not session.is_open
        with pytest.raises(ConnectionFailed):
            await session.send(envelope())
        return failure.value

    return using(server, use, timeouts=QUICK)


MISBEHAVIOURS = [
    DROP,
    HANG,
    "hello there",
    b"250 " + b"x" * 9000 + b"\r\n",
    Drip(b"250 slow but sure\r\n", every=0.2),
    Drip(b"250-x\r\n", size=7, every=0.001, forever=True),
    "354 what?",
    "199 hm",
]


@pytest.mark.parametrize("answer", MISBEHAVIOURS)
@pytest.mark.parametrize("event", ["MAIL", "RCPT"])
@pytest.mark.parametrize("offers", [(), PIPELINING])
def test_what_goes_wrong_before_the_body_is_a_temporary_failure(offers, event, answer):
    with ScriptedServer(offers=offers).on(event, answer) as server:
        failure = lost(server)

    assert type(failure) is ConnectionFailed
    assert failure.smtp_code is None
    assert server.messages == []


@pytest.mark.parametrize("answer", MISBEHAVIOURS)
@pytest.mark.parametrize("offers", WAYS)
def test_what_goes_wrong_after_the_body_leaves_the_outcome_unknown(offers, answer):
    with ScriptedServer(offers=offers).on("BODY", answer) as server:
        failure = lost(server)

    assert type(failure) is OutcomeUnknown


@pytest.mark.parametrize("offers", [(), PIPELINING])
def test_a_drop_inside_the_body_leaves_the_outcome_unknown(offers):
    with ScriptedServer(offers=offers).drop_in_body(after=50_000) as server:
        failure = lost(server, envelope(data=b"x" * 60 + b"\r\n" * 5_000_000))

    assert type(failure) is OutcomeUnknown


@pytest.mark.parametrize(("offers", "event"), EVENTS)
def test_421_is_a_temporary_failure_wherever_it_comes(offers, event):
    with ScriptedServer(offers=offers).on(event, ["421 4.3.2 closing", DROP]) as server:
        failure = lost(server)

    assert type(failure) is ConnectionFailed
    assert (failure.smtp_code, failure.enhanced_code) == (421, "4.3.2")
    assert server.messages == []


def test_a_421_while_idle_is_not_taken_for_an_answer():
    async def use(session: SMTPSession) -> None:
        await session.send(envelope())
        assert server.connections[0].closed.wait(5)
        with pytest.raises(ConnectionFailed) as failure:
            await session.send(envelope("next@x.test"))
        assert failure.value.smtp_code == 421

    with ScriptedServer() as server:
        server.on("BODY", ["250 ok", "421 4.4.2 idle too long", DROP])
        using(server, use)
    assert len(server.messages) == 1


def test_an_answer_too_many_is_not_taken_for_the_next_one():
    async def use(session: SMTPSession) -> None:
        await session.send(envelope())
        with pytest.raises(ConnectionFailed):
            await session.send(envelope("next@x.test"))

    with ScriptedServer().on("BODY", b"250 ok\r\n250 ok again\r\n") as server:
        using(server, use)
    assert [message.recipients for message in server.messages] == [["anna@x.test"]]


@pytest.mark.parametrize("offers", [(), PIPELINING])
@pytest.mark.parametrize("answer", [DROP, HANG, "500 what?"])
def test_a_reset_that_fails_costs_the_session_and_no_message(offers, answer):
    async def use(session: SMTPSession) -> bool:
        receipt = await session.send(envelope())
        assert receipt.outcomes["anna@x.test"].reply.code == 550
        with pytest.raises(ConnectionFailed):
            await session.send(envelope("next@x.test"))
        return session.is_open

    with ScriptedServer(offers=offers) as server:
        server.on("RCPT", "550 5.1.1 no").on("RSET", answer)
        assert using(server, use, timeouts=QUICK) is False
    assert server.messages == []


# The next envelope goes along


def in_a_row(
    server: ScriptedServer,
    *messages: Envelope,
    timeouts: Timeouts = Timeouts(),  # noqa: B008
) -> list[object]:
    """Send all, each next one announced ahead; returns receipts and what was raised, to the end."""

    async def use(session: SMTPSession) -> list[object]:
        came: list[object] = []
        for message, following in zip(messages, [*messages[1:], None], strict=True):
            if following:
                session.follow(following)
            try:
                came.append((await session.send(message), session.transcript))
            except TransientError as failure:
                return [*came, failure]
        assert session.is_idle
        return came

    return using(server, use, timeouts=timeouts)


def numbered(count: int, **changes: object) -> list[Envelope]:
    return [envelope(f"{number}@x.test", **changes) for number in range(count)]


def test_messages_in_a_row_take_one_round_trip_each():
    with ScriptedServer(offers=PIPELINING) as server:
        in_a_row(server, *numbered(10))
        banner_and_ehlo, first_and_last = 2, 2

        assert server.connections[0].closed.wait(5)
        assert server.connections[0].turns == banner_and_ehlo + first_and_last + 9
    assert [message.recipients for message in server.messages] == [
        [f"{number}@x.test"] for number in range(10)
    ]


@pytest.mark.parametrize("offers", WAYS)
def test_messages_in_a_row_arrive_whole_whatever_the_server_offers(offers):
    data = b"Subject: x\r\n\r\n.dot\r\n" + b"0123456789\r\n" * 20_000
    with ScriptedServer(offers=offers) as server:
        in_a_row(server, *numbered(5, data=data))

    assert [message.content for message in server.messages] == [data] * 5


def test_an_envelope_that_is_ready_late_follows_the_body_at_once():
    first, second = numbered(2)

    async def use(session: SMTPSession) -> None:
        sending = asyncio.create_task(session.send(first))
        while "DATA" not in server.verbs or b"Hello" not in server.received:  # noqa: ASYNC110
            await asyncio.sleep(0)
        session.follow(second)
        assert (await sending).accepted
        assert (await session.send(second)).accepted

    with ScriptedServer(offers=PIPELINING) as server:
        server.on("BODY", [Drip(b"250 2.0.0 queued\r\n", every=0.02)])
        using(server, use)
        assert server.connections[0].closed.wait(5)

        assert server.connections[0].turns - 2 == 3


def test_each_message_has_its_own_transcript():
    with ScriptedServer(offers=PIPELINING) as server:
        server.on("BODY", "250 2.0.0 first", "250 2.0.0 second")
        (_, first), (_, second) = in_a_row(server, *numbered(2))

    assert [line for who, line in first if who == "C"] == [
        "MAIL FROM:<shop@x.test>",
        "RCPT TO:<0@x.test>",
        "DATA",
        f"[{len(BODY)} bytes]",
    ]
    assert ("C", "RCPT TO:<1@x.test>") in second
    assert (first[-1], second[-1]) == (("S", "250 2.0.0 first"), ("S", "250 2.0.0 second"))
    assert len(first) == len(second) == 8


def test_a_second_body_waits_for_the_answer_to_the_first():
    begun: list[int] = []
    messages = [envelope(before_data=lambda: begun.append(len(server.messages))) for _ in range(5)]
    with ScriptedServer(offers=PIPELINING) as server:
        in_a_row(server, *messages)

    assert begun == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("event", ["MAIL", "RCPT", "DATA", "BODY"])
@pytest.mark.parametrize("answer", ["451 4.7.1 later", "552 5.3.4 too big"])
def test_a_refusal_in_a_row_is_that_messages_alone(event, answer):
    with ScriptedServer(offers=PIPELINING) as server:
        server.on(event, None, answer)
        came = in_a_row(server, *numbered(4))

    outcomes = [receipt.outcomes[f"{number}@x.test"] for number, (receipt, _) in enumerate(came)]
    assert [outcome.is_accepted for outcome in outcomes] == [True, False, True, True]
    assert (outcomes[1].phase, str(outcomes[1].reply)) == (event.lower(), answer)
    assert [message.recipients[0][0] for message in server.messages] == ["0", "2", "3"]
    assert len(server.connections) == 1


@pytest.mark.parametrize("answer", [DROP, HANG, "hello there", ["421 4.7.0 enough", DROP]])
@pytest.mark.parametrize("event", ["MAIL", "RCPT", "DATA"])
def test_what_goes_wrong_with_the_next_envelope_leaves_the_message_before_it_sent(event, answer):
    with ScriptedServer(offers=PIPELINING) as server:
        server.on(event, None, answer)
        (first, _), failure = in_a_row(server, *numbered(3), timeouts=QUICK)

    assert first.accepted
    assert type(failure) is ConnectionFailed
    assert len(server.messages) == 1


@pytest.mark.parametrize("answer", [DROP, HANG, "hello there"])
def test_an_unknown_outcome_is_that_of_the_message_whose_body_had_begun(answer):
    begun: list[str] = []
    first, second = (
        envelope(f"{name}@x.test", before_data=lambda name=name: begun.append(name))
        for name in ("a", "b")
    )
    with ScriptedServer(offers=PIPELINING) as server:
        server.on("BODY", answer)
        (failure,) = in_a_row(server, first, second, timeouts=QUICK)

    assert type(failure) is OutcomeUnknown
    assert begun == ["a"]
    assert [message.recipients for message in server.messages] in ([], [["a@x.test"]])


def test_an_answer_too_many_is_nobodys_refusal():
    first, second = envelope("anna@x.test"), envelope("bob@x.test", "bad@x.test")
    with ScriptedServer(offers=PIPELINING).always("RCPT", refuse_bad) as server:
        server.on("BODY", b"250 ok\r\n250 ok again\r\n")
        (receipt, _), failure = in_a_row(server, first, second)

    assert receipt.accepted
    assert type(failure) is ConnectionFailed
    assert len(server.messages) == 1


def test_a_server_still_in_the_transaction_before_refuses_no_message():
    with ScriptedServer(offers=PIPELINING) as server:
        server.on("BODY", "451 4.3.0 no").on("MAIL", None, "503 5.5.1 nested MAIL command")
        (receipt, _), failure = in_a_row(server, *numbered(2))

    assert not receipt.accepted
    assert type(failure) is ConnectionFailed


def test_an_announced_message_that_does_not_come_gets_no_body_and_no_other_takes_its_place():
    first, second, third = numbered(3)

    async def use(session: SMTPSession) -> None:
        session.follow(second)
        await session.send(first)
        assert not session.is_idle
        with pytest.raises(ConnectionFailed):
            await session.send(third)

    with ScriptedServer(offers=PIPELINING) as server:
        using(server, use)
        assert server.connections[0].closed.wait(5)
    assert len(server.messages) == 1


def test_leaving_after_an_announcement_puts_no_goodbye_into_the_body():
    first, second = numbered(2)

    async def use(session: SMTPSession) -> None:
        session.follow(second)
        await session.send(first)
        await session.quit()

    with ScriptedServer(offers=PIPELINING) as server:
        using(server, use)
        assert server.connections[0].closed.wait(5)
    assert b"QUIT" not in server.received
    assert len(server.messages) == 1


@pytest.mark.parametrize("offers", [(), ("CHUNKING",)])
def test_without_pipelining_every_command_waits_for_the_answer_before_it(offers):
    with ScriptedServer(offers=offers) as server:
        in_a_row(server, *numbered(3))
        assert server.connections[0].closed.wait(5)

    (connection,) = server.connections
    bodies = 3 if not offers else 0  # a BDAT comes with its body
    assert connection.turns == 1 + len(connection.commands) + bodies


def test_a_quiet_connection_is_asked_before_a_body_goes_unasked():
    async def use(session: SMTPSession) -> None:
        await session.send(envelope())
        session._used_at -= 5
        with pytest.raises(ConnectionFailed):
            await session.send(envelope())

    with ScriptedServer(offers=("PIPELINING", "CHUNKING")) as server:
        server.on("MAIL", None, DROP)
        using(server, use)
    assert len(server.messages) == 1


def test_a_cancelled_send_closes_the_session():
    async def use(session: SMTPSession) -> bool:
        task = asyncio.create_task(session.send(envelope()))
        while "RCPT" not in server.verbs:  # noqa: ASYNC110 the server lives in another thread
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return session.is_open

    with ScriptedServer().on("RCPT", HANG) as server:
        assert using(server, use) is False


def test_noop_notices_a_dead_session():
    async def use(session: SMTPSession) -> bool:
        with pytest.raises(ConnectionFailed):
            await session.noop()
        return session.is_open

    with ScriptedServer().on("NOOP", DROP) as server:
        assert using(server, use) is False
