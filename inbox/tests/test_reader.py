"""Mailboxes are read to their end, once, and nothing in them changes."""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from inbox import jobs
from inbox.kinds import Kind, QuarantineReason
from inbox.models import InboundEmail, Mailbox, raw_storage
from inbox.signals import inbound_received
from inbox.tests.imap_server import ScriptedIMAP
from inbox.tests.mails import a_mail
from inbox.tests.reading import account_reading, read, subjects
from inbox.tests.test_mime import POISON
from inbox.vetter import Vetter
from tests.factories import make_account, make_domain

pytestmark = pytest.mark.django_db
REFUSED = "The server does not give the mails."
NOWHERE = SimpleNamespace(host="127.0.0.1", port=1)


def mails(count: int, *, first: int = 1) -> dict[int, bytes]:
    return {uid: a_numbered(uid) for uid in range(first, first + count)}


def a_numbered(uid: int) -> bytes:
    return a_mail(f"Mail {uid}", Subject=str(uid), Message_ID=f"<m{uid}@example.com>")


def test_new_mail_is_stored_once_and_the_bookmark_moves(domain):
    with ScriptedIMAP(mails(25)) as server:
        account = account_reading(domain, server)

        first = read(account)
        server.mails |= mails(2, first=40)
        second = read(account)
        third = read(account)

    assert subjects() == [*map(str, range(1, 26)), "40", "41"]
    assert [one.last_uid for one in (first, second, third)] == [25, 41, 41]
    assert (third.error, third.failures, third.uidvalidity) == ("", 0, 7)
    assert third.read_at is not None
    assert InboundEmail.objects.first().mode == "live"
    assert InboundEmail.objects.first().tenant == account.tenant


def test_no_command_marks_moves_or_deletes(domain):
    with ScriptedIMAP(mails(3)) as server:
        read(account_reading(domain, server))

    assert {one.split()[0] for one in server.commands()} == {
        "CAPABILITY", "LOGIN", "EXAMINE", "UID", "LOGOUT",
    }  # fmt: skip
    assert "BODY[" not in " ".join(server.commands())


def test_another_uidvalidity_is_read_from_the_start_and_stored_once(domain):
    with ScriptedIMAP(mails(5)) as server:
        account = account_reading(domain, server)
        read(account)
        server.uidvalidity = 8
        server.mails = {uid + 100: raw for uid, raw in server.mails.items()} | mails(1, first=900)

        mailbox = read(account)

    assert (mailbox.uidvalidity, mailbox.last_uid) == (8, 900)
    assert sorted(subjects()) == ["1", "2", "3", "4", "5", "900"]


def test_another_folder_is_read_from_its_start(domain):
    with ScriptedIMAP(mails(1, first=50)) as server:
        account = account_reading(domain, server)
        read(account)
        account.imap_folder = "Bounces"
        account.save()
        server.mails = mails(1, first=3)

        read(account)

    assert subjects() == ["50", "3"]


def test_poison_first_and_the_box_is_read_to_its_end(domain, settings):
    poison = {number: raw for number, (raw, _reason) in enumerate(POISON.values(), start=1)}
    with ScriptedIMAP(poison | mails(1, first=500)) as server:
        account = account_reading(domain, server)

        mailbox = read(account)

    assert (mailbox.last_uid, mailbox.error) == (500, "")
    assert subjects()[-1] == "500"
    reasons = [
        QuarantineReason.TOO_LARGE if len(raw) > settings.MESSAGE_LIMIT_BYTES else reason
        for raw, reason in POISON.values()
        if reason or len(raw) > settings.MESSAGE_LIMIT_BYTES
    ]
    quarantined = InboundEmail.objects.filter(kind=Kind.QUARANTINED)
    assert sorted(quarantined.values_list("quarantine_reason", flat=True)) == sorted(reasons)


def test_a_mail_over_the_limit_is_quarantined_with_its_header_alone(domain, settings):
    settings.MESSAGE_LIMIT_BYTES = 2000
    large = a_mail("x" * 3000, Subject="Photos", Message_ID="<large@example.com>")
    with ScriptedIMAP({1: large, 2: a_numbered(2)}) as server:
        read(account_reading(domain, server))

    row, after = InboundEmail.objects.order_by("id")
    assert (row.kind, row.quarantine_reason) == (Kind.QUARANTINED, QuarantineReason.TOO_LARGE)
    assert (row.subject, row.size_bytes) == ("Photos", len(large))
    assert row.read_raw() == large.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert after.subject == "2"
    assert "UID FETCH 1 (UID BODY.PEEK[])" not in server.commands()


def test_a_mail_that_is_gone_meanwhile_is_passed(domain):
    def without_two(server, tag, rest):
        server.mails.pop(2, None)
        return server.usual(tag, rest)

    with ScriptedIMAP(mails(3), answers={"UID FETCH": without_two}) as server:
        mailbox = read(account_reading(domain, server))

    assert subjects() == ["1", "3"]
    assert mailbox.last_uid == 3


# What a server does wrong


def refusing(uid: int, word: str):
    def answer(server, tag, rest):
        asked = rest.split()[2].split(",")
        is_refused = "BODY" in rest and str(uid) in asked
        return f"{tag} {word} broken\r\n".encode() if is_refused else server.usual(tag, rest)

    return answer


@pytest.mark.parametrize("word", ["NO", "BAD"])
def test_a_mail_that_the_server_never_gives_is_left_out_at_last(domain, word):
    with ScriptedIMAP(mails(4), answers={"UID FETCH": refusing(3, word)}) as server:
        account = account_reading(domain, server)

        early = [read(account) for _ in range(4)]
        last = read(account)

    assert [(one.error, one.failures, one.last_uid) for one in early] == [
        (REFUSED, number, 2) for number in range(1, 5)
    ]
    assert (last.error, last.last_uid) == ("", 4)
    assert subjects() == ["1", "2", "4"]


def test_a_connection_lost_within_a_mail_costs_none_and_stores_none_twice(domain):
    def cut(server, tag, rest):
        whole = server.usual(tag, rest)
        if "BODY" in rest and server.connections == 1:
            server.cut = whole[: len(whole) // 2]
            return None
        return whole

    with ScriptedIMAP(mails(5), answers={"UID FETCH": cut}) as server:
        account = account_reading(domain, server)

        failed, read_then = read(account), read(account)

    assert (failed.error, failed.failures) == ("The connection was lost.", 1)
    assert (read_then.error, read_then.failures) == ("", 0)
    assert subjects() == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("way", ["drips", "says nothing", "drips a mail"])
def test_a_slow_server_is_left_at_the_deadline(domain, monkeypatch, way):
    monkeypatch.setattr("inbox.jobs.READING_SECONDS", 1.0)
    server = ScriptedIMAP(mails(2))
    if way == "drips":
        server.drip_seconds = 0.2
    elif way == "says nothing":
        server.greeting = b""
    else:
        server.answers = {"UID FETCH": _drip_from_now_on}
    with server:
        account = account_reading(domain, server)
        start = time.monotonic()

        mailbox = read(account)

    assert time.monotonic() - start < 20
    assert mailbox.error == "The server did not answer in time."
    assert not InboundEmail.objects.exists()


def _drip_from_now_on(server, tag, rest):
    server.drip_seconds = 0.2
    return server.usual(tag, rest)


@pytest.mark.parametrize(
    "answer",
    [
        b"* 1 FETCH (UID 1 BODY[] {9999999999}\r\n" + b"x" * 100_000,
        b"* 1 FETCH (UID 1 BODY[] {-5}\r\n",
        b"\x00\xff\xfe garbage\r\n" * 100,
        b"* " + b"x" * 100_000,
        b"+ go on\r\n" * 50,
    ],
)
def test_nonsense_from_a_server_is_an_error_of_that_mailbox_alone(domain, answer):
    def nonsense(server, tag, rest):
        return answer if "BODY" in rest else server.usual(tag, rest)

    with ScriptedIMAP(mails(1), answers={"UID FETCH": nonsense}) as server:
        account = account_reading(domain, server)
        jobs.READING_SECONDS, before = 2.0, jobs.READING_SECONDS
        try:
            mailbox = read(account)
        finally:
            jobs.READING_SECONDS = before

    assert mailbox.error
    assert not InboundEmail.objects.exists()


def test_failures_wait_longer_each_time_up_to_half_an_hour(domain):
    account = account_reading(domain, NOWHERE)
    waits = []
    for _ in range(8):
        mailbox = read(account)
        waits.append(round((mailbox.next_read_at - timezone.now()).total_seconds()))

    assert mailbox.error == "The server refused the connection."
    assert waits == pytest.approx([30, 60, 120, 240, 480, 960, 1800, 1800], abs=5)


def test_a_mailbox_that_was_read_rests_as_long_as_the_operator_says(domain, settings):
    settings.MAILBOX_SECONDS = 300
    with ScriptedIMAP(mails(1)) as server:
        mailbox = read(account_reading(domain, server))

    rests = (mailbox.next_read_at - timezone.now()).total_seconds()
    assert rests == pytest.approx(300, abs=5)


# What goes wrong here


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_marks_nothing_and_reading_goes_on_when_there_is_room(domain, monkeypatch):
    def no_room(*args, **kwargs):
        raise OSError(28, "No space left on device")

    new = {uid: a_mail(str(uuid4()), Subject=str(uid)) for uid in (1, 2, 3)}  # not on the disk
    with ScriptedIMAP(new) as server:
        account = account_reading(domain, server)
        with monkeypatch.context() as patch:
            patch.setattr(type(raw_storage()), "save", no_room)
            failed = read(account)
        mailbox = read(account)

    assert (failed.last_uid, failed.error) == (0, "Mail could not be stored here.")
    assert (mailbox.last_uid, mailbox.error) == (3, "")
    assert subjects() == ["1", "2", "3"]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_marks_nothing_and_reading_goes_on(domain):
    def lose(sender, inbound, **kwargs):
        raise OperationalError("server has gone away")

    with ScriptedIMAP(mails(3)) as server:
        account = account_reading(domain, server)
        inbound_received.connect(lose)
        try:
            failed = [read(account) for _ in range(6)]
        finally:
            inbound_received.disconnect(lose)
        stored = InboundEmail.objects.count()
        mailbox = read(account)

    assert {(one.last_uid, one.error) for one in failed} == {(0, "Mail could not be stored here.")}
    assert stored == 0
    assert (mailbox.last_uid, mailbox.error) == (3, "")
    assert subjects() == ["1", "2", "3"]


def test_what_fails_between_two_mails_leaves_the_bookmark_at_the_first(domain):
    def fail_at_two(sender, inbound, **kwargs):
        if inbound.subject == "2":
            raise RuntimeError("a bug")

    with ScriptedIMAP(mails(3)) as server:
        account = account_reading(domain, server)
        inbound_received.connect(fail_at_two)
        try:
            failed = read(account)
        finally:
            inbound_received.disconnect(fail_at_two)
        assert subjects() == ["1"]
        mailbox = read(account)

    assert (failed.last_uid, mailbox.last_uid) == (1, 3)
    assert subjects() == ["1", "2", "3"]


def test_a_mail_at_which_reading_always_fails_is_kept_unread_at_last(domain):
    def fail_at_two(sender, inbound, **kwargs):
        if inbound.subject == "2":
            raise ValueError("a bug")

    inbound_received.connect(fail_at_two)
    try:
        with ScriptedIMAP(mails(3)) as server:
            account = account_reading(domain, server)
            readings = [read(account) for _ in range(5)]
    finally:
        inbound_received.disconnect(fail_at_two)

    assert [one.last_uid for one in readings] == [1, 1, 1, 1, 3]
    kept = InboundEmail.objects.get(kind=Kind.QUARANTINED)
    assert kept.quarantine_reason == QuarantineReason.UNREADABLE
    assert kept.read_raw() == a_numbered(2)
    assert readings[-1].error == ""


def test_a_mail_stored_before_the_bookmark_moved_is_stored_once(domain):
    with ScriptedIMAP(mails(3)) as server:
        account = account_reading(domain, server)
        read(account)
        Mailbox.objects.update(last_uid=1)  # as a kill between the two leaves it

        mailbox = read(account)

    assert mailbox.last_uid == 3
    assert subjects() == ["1", "2", "3"]


def test_a_reader_that_lost_its_lease_moves_no_bookmark(domain):
    def take_over(sender, inbound, **kwargs):
        Mailbox.objects.update(lease_token="another")

    inbound_received.connect(take_over)
    try:
        with ScriptedIMAP(mails(3)) as server:
            mailbox = read(account_reading(domain, server))
    finally:
        inbound_received.disconnect(take_over)

    assert (mailbox.last_uid, mailbox.lease_token) == (0, "another")


def test_a_mailbox_is_claimed_once_until_its_lease_ends(domain):
    account_reading(domain, NOWHERE)
    jobs.add_mailboxes()

    first, second = jobs.claim_next(), jobs.claim_next()

    assert first is not None
    assert second is None
    Mailbox.objects.update(leased_until=datetime(2020, 1, 1, tzinfo=UTC))
    assert jobs.claim_next() is not None


# Which mailboxes are read


@pytest.mark.django_db(transaction=True)
def test_one_slow_server_holds_no_other_back(domain, monkeypatch):
    monkeypatch.setattr("inbox.jobs.READING_SECONDS", 10.0)
    with ScriptedIMAP(drip_seconds=0.5) as slow, ScriptedIMAP(mails(2)) as quick:
        account_reading(domain, slow)
        quick_ones = [account_reading(domain, quick, imap_username=str(n)) for n in range(3)]

        jobs.read_due_mailboxes()

    read_at = dict(Mailbox.objects.values_list("account_id", "read_at"))
    assert sorted(subjects()) == ["1", "2"]
    assert all(read_at[one.pk] for one in quick_ones)
    assert Mailbox.objects.filter(read_at=None).count() == 1


def test_a_mailbox_that_two_accounts_share_is_read_once(domain, other_tenant):
    with ScriptedIMAP(mails(2)) as server:
        first, second = (account_reading(domain, server) for _ in range(2))
        foreign = account_reading(make_domain(other_tenant, "other.test"), server)

        one, other, third = read(first), read(second), read(foreign)

    assert (one.last_uid, other.last_uid, other.read_at) == (2, 0, None)
    assert third.last_uid == 2
    assert server.connections == 2
    assert InboundEmail.objects.filter(tenant=first.tenant).count() == 2


def test_only_accounts_that_read_mail_have_a_mailbox(domain):
    make_account(domain, "silent")
    with ScriptedIMAP(mails(1)) as server:
        account = account_reading(domain, server)
        read(account)
        account.reads_mail = False
        account.save()

        Mailbox.objects.update(next_read_at=timezone.now() - timedelta(days=1))

        assert jobs.claim_next() is None
    assert [box.account for box in Mailbox.objects.all()] == [account]


def test_a_tenant_that_was_switched_off_has_no_mail_read(tenant, domain):
    account_reading(domain, NOWHERE)
    jobs.add_mailboxes()
    tenant.is_active = False
    tenant.save()

    assert jobs.claim_next() is None


# The program that reads mail first


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


HANGS = (
    "import sys\n"
    "from inbox import vetting\n"
    "usual = vetting.verdict_on\n"
    "def judge(raw):\n"
    "    while b'hang' in raw: pass\n"
    "    if b'die' in raw: sys.exit(3)\n"
    "    if b'eat' in raw: vetting.eaten = bytearray(4 * vetting.MEMORY_BYTES)\n"
    "    return usual(raw)\n"
    "vetting.verdict_on, vetting.CPU_SECONDS = judge, 0.5\n"
    "vetting._bind()\n"
    "vetting.serve(sys.stdin.buffer, sys.stdout.buffer)\n"
)


def test_a_mail_that_hangs_or_ends_its_reader_is_known_and_the_next_is_read():
    with Vetter(command=program(HANGS)) as vetter:
        verdicts = [
            vetter.verdict_on(a_mail(text)) for text in ("fine", "hang", "fine", "die", "eat", "ok")
        ]

    assert verdicts == [
        None,
        QuarantineReason.TOO_SLOW,
        None,
        QuarantineReason.UNREADABLE,
        QuarantineReason.UNREADABLE,
        None,
    ]


def test_a_reader_that_says_nothing_is_left_in_time():
    with Vetter(command=program("import time; time.sleep(600)"), seconds=0.5) as vetter:
        assert vetter.verdict_on(a_mail()) == QuarantineReason.TOO_SLOW


def test_a_reader_that_takes_nothing_is_left_in_time():
    large = a_mail("x" * 1_000_000)
    with Vetter(command=program("import time; time.sleep(600)"), seconds=0.5) as vetter:
        assert vetter.verdict_on(large) == QuarantineReason.TOO_SLOW


def test_the_usual_reader_says_what_is_wrong_with_a_mail():
    with Vetter() as vetter:
        verdicts = {name: vetter.verdict_on(raw) for name, (raw, _why) in POISON.items()}

    assert verdicts == {name: reason for name, (_raw, reason) in POISON.items()}


def test_a_quarantined_mail_of_a_mailbox_is_kept_and_the_box_goes_on(domain, monkeypatch):
    monkeypatch.setattr("inbox.tests.reading.Vetter", lambda: Vetter(command=program(HANGS)))
    bad = a_mail("hang", Message_ID="<hang@example.com>")
    with ScriptedIMAP({1: bad, 2: a_numbered(2)}) as server:
        read(account_reading(domain, server))

    first, second = InboundEmail.objects.order_by("id")
    assert (first.kind, first.quarantine_reason) == (Kind.QUARANTINED, QuarantineReason.TOO_SLOW)
    assert first.read_raw() == bad
    assert second.subject == "2"


def test_the_program_ends_with_its_parents_interest():
    with Vetter() as vetter:
        vetter.verdict_on(a_mail())
        process = vetter._process

    assert process.returncode == -signal.SIGKILL
