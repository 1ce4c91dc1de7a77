"""Limits that hold over all workers, warm-ups, learned speeds and mail over another account."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import EmailAccount
from common.tests.smtp_server import DROP, ScriptedServer
from delivery import jobs, limits
from delivery.ledger import Ledger
from delivery.models import AccountUsage, Suppression
from delivery.services import suppress
from delivery.tests.sending import ANA, account_at, drained, queue, queue_many
from logs.models import EmailLog
from tests.servers.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{f"{unit}s": 1}) for unit in
                             ("second", "minute", "hour", "day"))  # fmt: skip


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def account(tenant, server) -> EmailAccount:
    return account_at(server, tenant=tenant)


def limited(account: EmailAccount, **fields) -> EmailAccount:
    """The account as a worker reads it anew, with these settings."""
    EmailAccount.objects.filter(pk=account.pk).update(**fields)
    return EmailAccount.objects.select_related("domain__tenant").get(pk=account.pk)


def taken(account: EmailAccount, *, at: datetime, most: int = 20) -> int:
    return limits.take(limited(account), most=most, at=at).count


def statuses(account: EmailAccount) -> list[str]:
    return sorted(account.emails.values_list("status", flat=True))


# Permits


@pytest.mark.parametrize(
    ("window", "length"), [("second", SECOND), ("minute", MINUTE), ("hour", HOUR), ("day", DAY)]
)
def test_no_more_permits_than_the_limit_until_the_window_is_over(account, window, length):
    limited(account, **{f"limit_per_{window}": 3})

    got = [taken(account, at=NOON, most=2) for _ in range(3)]
    wait = limits.take(limited(account), most=2, at=NOON).wait

    assert got == [2, 1, 0]
    assert (wait.window, wait.limit) == (window, 3)
    assert NOON < wait.until <= NOON + length
    assert taken(account, at=wait.until - timedelta(milliseconds=1)) == 0
    assert taken(account, at=wait.until) == 3


def test_the_tightest_window_counts_and_the_longest_wait_is_told(account):
    limited(account, limit_per_second=2, limit_per_hour=3)

    got = [taken(account, at=NOON), taken(account, at=NOON + SECOND)]
    wait = limits.waiting(limited(account), at=NOON + SECOND)

    assert got == [2, 1]
    assert (wait.window, wait.until) == ("hour", NOON + HOUR)


def test_a_day_ends_at_the_tenants_midnight(account, tenant):
    tenant.timezone = "Asia/Tokyo"
    tenant.save()
    limited(account, limit_per_day=1)

    assert taken(account, at=NOON) == 1
    assert limits.waiting(limited(account), at=NOON).until == NOON + 3 * HOUR
    assert taken(account, at=NOON + 3 * HOUR) == 1


def test_unused_permits_are_given_back_to_their_own_window_only(account):
    limited(account, limit_per_minute=5)
    taken(account, at=NOON)

    limits.give_back(limited(account), count=2, taken_at=NOON)
    got = taken(account, at=NOON)
    taken(account, at=NOON + MINUTE)
    limits.give_back(limited(account), count=5, taken_at=NOON)

    assert got == 2
    assert taken(account, at=NOON + MINUTE) == 0


def test_permits_from_before_the_first_limit_are_given_back_without_counters(account):
    assert taken(account, at=NOON) == 20
    first = limited(account, limit_per_minute=5)

    limits.give_back(first, count=20, taken_at=NOON)

    assert taken(account, at=NOON) == 5


def test_counters_that_went_with_their_account_are_missed_by_name(account):
    held = limited(account, limit_per_minute=5)
    limits.take(held, most=1, at=NOON)
    AccountUsage.objects.all().delete()

    with pytest.raises(AccountUsage.DoesNotExist, match=f"account {account.pk} has no counters"):
        limits.take(held, most=1, at=NOON)


def test_a_limit_that_is_set_during_a_drain_does_not_end_it(account, monkeypatch):
    monkeypatch.setattr("delivery.ledger.LOOK_EVERY", 0)
    queue(account)
    ledger = Ledger(account.pk)
    ledger.release(ledger.claim())
    limited(account, limit_per_hour=5)

    claimed = ledger.claim()
    ledger.close()

    assert len(claimed) == 1


def test_many_workers_together_never_get_more_than_the_limit(account):
    limited(account, limit_per_hour=50)

    def ask(number: int) -> int:
        try:
            return taken(account, at=NOON, most=1 + number % 5)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as workers:
        got = sum(workers.map(ask, range(60)))

    assert got == 50
    assert AccountUsage.objects.get().hour_used == 50


def test_a_clock_that_was_far_ahead_does_not_stop_the_mail(account):
    limited(account, limit_per_hour=1)
    taken(account, at=NOON + 400 * DAY)

    assert taken(account, at=NOON) == 1


def test_an_account_without_limits_costs_no_query(account, django_assert_num_queries):
    rows = EmailAccount.objects.select_related("domain__tenant", "usage")
    account = rows.get(pk=account.pk)

    with django_assert_num_queries(0):
        assert limits.take(account, most=20, at=NOON).count == 20


# Drains


def test_a_drain_sends_up_to_the_limit_and_the_rest_waits_without_a_retry(account, server, capsys):
    limited(account, limit_per_day=2)
    queue_many(account, 5)

    jobs.drain_account(account.pk)
    jobs.drain_account(account.pk)
    call_command("queue_status")

    assert statuses(account) == ["queued"] * 3 + ["sent"] * 2
    assert len(server.messages) == 2
    assert not account.emails.filter(retry_count__gt=0).exists()
    now = timezone.now()
    assert jobs.accounts_to_ring(at=now) == {}
    EmailLog.objects.update(next_attempt_at=now)
    assert list(jobs.accounts_to_ring(at=now + 2 * DAY)) == [account.pk]
    assert "2 a day reached until" in capsys.readouterr().out


def test_a_limit_per_second_slows_the_drain_without_ending_it(account, server):
    limited(account, limit_per_second=2)
    queue_many(account, 5)

    jobs.drain_account(account.pk)

    assert statuses(account) == ["sent"] * 5
    assert len(server.connections) == 1
    seconds = [sent.replace(microsecond=0) for sent in account.emails.values_list(
        "sent_at", flat=True)]  # fmt: skip
    assert len(set(seconds)) > 1


def test_test_mail_counts_for_no_limit_and_waits_for_none(account, server):
    limited(account, limit_per_day=2)
    for _ in range(3):
        queue(account, mode="test", priority="high")
    queue_many(account, 3)

    jobs.drain_account(account.pk)
    late = drained(queue(account, mode="test"))

    assert len(server.messages) == 2
    assert late.status == "sent"
    assert statuses(account) == ["queued"] + ["sent"] * 6


def test_what_was_not_sent_leaves_its_permit_to_others(account, server):
    limited(account, limit_per_day=3)
    queue(account)
    Suppression.objects.create(tenant=account.tenant, address=ANA, reason="manual")
    queue_many(account, 3)

    jobs.drain_account(account.pk)

    assert statuses(account) == ["failed"] + ["sent"] * 3


def test_a_permit_that_comes_back_is_good_for_the_second_of_its_claim_only(account):
    limited(account, limit_per_second=2)
    queue_many(account, 6)
    ledger = Ledger(account.pk)
    first = ledger.claim()
    second = until(ledger.claim, timeout=5, what="the next second")

    ledger.release(first)
    third = ledger.claim()

    seconds = Counter(
        email.leased_until.replace(microsecond=0) for email in [*first, *second, *third]
    )
    assert max(seconds.values()) == 2
    ledger.close()


def test_messages_given_back_by_a_failing_server_give_their_permits_back(account, server):
    limited(account, limit_per_day=5)
    server.always("MAIL", "452 4.3.1 out of space")
    queue_many(account, 5)

    jobs.drain_account(account.pk)

    assert AccountUsage.objects.get().day_used == 1


# Warm-up


@pytest.mark.parametrize(("day", "limit"), [(0, 50), (1, 75), (2, 112), (9, 1000), (4000, 1000)])
def test_a_warm_up_grows_daily_from_its_first_message_up_to_its_ceiling(account, day, limit):
    limited(account, warmup_start=50, warmup_growth=1.5, warmup_ceiling=1000)
    taken(account, at=NOON, most=1)

    first = taken(account, at=NOON, most=10_000)
    later = taken(account, at=NOON + day * DAY, most=10_000)

    assert first == 49
    assert later == (limit if day else 0)


def test_the_smaller_of_warm_up_and_daily_limit_holds(account):
    limited(account, warmup_start=50, warmup_growth=2, warmup_ceiling=1000, limit_per_day=70)

    assert taken(account, at=NOON, most=500) == 50
    assert taken(account, at=NOON + DAY, most=500) == 70


def test_a_second_warm_up_begins_anew(account):
    fields = {"warmup_start": 10, "warmup_growth": 2, "warmup_ceiling": 1000}
    limited(account, limit_per_hour=1000, **fields)
    taken(account, at=NOON)
    limited(account, **dict.fromkeys(fields))
    taken(account, at=NOON + 5 * DAY)
    limited(account, **fields)

    assert taken(account, at=NOON + 6 * DAY) == 10


# Over another account


@pytest.fixture
def other(account, tenant, server) -> EmailAccount:
    other = account_at(server, tenant=tenant, name="other")
    limited(account, limit_per_day=2, fallback_account=other)
    return other


def test_what_is_over_the_day_goes_over_the_fallback_from_the_same_address(account, other, server):
    queue_many(account, 5)

    jobs.drain_account(account.pk)

    assert statuses(account) == ["sent"] * 5
    assert {message.sender for message in server.messages} == {"shop@shop.test"}
    carried = account.emails.order_by("-pk").first()
    assert carried.events.get(type="sent").data["via"] == "other@shop.test"
    assert jobs.accounts_to_ring(at=timezone.now()) == {}


def test_the_fallback_takes_no_more_than_its_own_limit(account, other, server):
    limited(other, limit_per_day=1)
    queue_many(account, 5)

    jobs.drain_account(account.pk)

    assert statuses(account) == ["queued"] * 2 + ["sent"] * 3
    assert jobs.accounts_to_ring(at=timezone.now()) == {}


def test_the_fallback_carries_nothing_to_whom_may_not_be_mailed_any_more(
    account, other, server, tenant
):
    queue_many(account, 5)
    suppress("r4@example.com", tenant=tenant)

    jobs.drain_account(account.pk)

    last = account.emails.get(to_address="r4@example.com")
    assert (last.status, last.error_code) == ("failed", "suppressed")
    assert len(server.messages) == 4


@pytest.mark.parametrize("change", [{"is_active": False}, {"paused_at": NOON}])
def test_a_fallback_that_is_off_carries_nothing(account, other, server, change):
    limited(other, **change)
    queue_many(account, 3)

    jobs.drain_account(account.pk)

    assert statuses(account) == ["queued"] + ["sent"] * 2
    assert jobs.accounts_to_ring(at=timezone.now()) == {}


def test_a_limit_per_minute_is_waited_for_and_not_gone_around(account, other, server):
    limited(account, limit_per_day=None, limit_per_hour=2)
    queue_many(account, 3)

    jobs.drain_account(account.pk)

    assert statuses(account) == ["queued"] + ["sent"] * 2


@pytest.mark.parametrize(
    ("event", "refusal"),
    [
        ("MAIL", "553 5.7.1 sender not owned by user"),
        ("RCPT", "553 5.7.1 <shop@shop.test>: Sender address rejected: not owned by user other"),
        ("BODY", "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
    ],
)
def test_a_foreign_sender_refused_by_the_fallbacks_server_costs_neither_mail_nor_account(
    account, other, tenant, event, refusal, capsys
):
    with ScriptedServer() as strict:
        limited(other, smtp_port=strict.port)
        strict.always(event, refusal)
        queue_many(account, 4)
        jobs.drain_account(account.pk)
        jobs.drain_account(account.pk)
        call_command("queue_status")

    other.refresh_from_db()
    assert statuses(account) == ["queued"] * 2 + ["sent"] * 2
    assert other.paused_at is None
    assert len(strict.connections) == 1  # asked once, not again and again
    assert jobs.accounts_to_ring(at=timezone.now()) == {}
    assert refusal in capsys.readouterr().out


def test_an_unknown_recipient_bounces_over_the_fallback_too(account, other, server):
    queue_many(account, 2)
    jobs.drain_account(account.pk)
    server.on("RCPT", "550 5.1.1 no such user")

    email = drained(queue(account))

    assert (email.status, Suppression.objects.get().address) == ("bounced", ANA)


# Learned speed


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        ("MAIL", "450 4.7.1 too many messages"),
        ("RCPT", "452 4.7.0 slow down"),
        ("RCPT", ["421 4.7.0 too much mail from you", DROP]),
        ("BANNER", ["421 4.7.0 try later", DROP]),
    ],
)
def test_a_server_that_asks_for_less_gets_half(account, server, event, answer):
    server.on(event, answer)

    drained(queue(account))

    assert AccountUsage.objects.get().slow_per_minute == 300


@pytest.mark.parametrize("answer", ["452 4.2.2 mailbox over daily limit", "450 4.2.0 greylisted"])
def test_a_busy_recipient_slows_nobody_down(account, server, answer):
    server.on("RCPT", answer)

    drained(queue(account))

    assert not AccountUsage.objects.exists()


def test_a_speed_is_halved_once_for_all_that_hear_of_it_and_never_below_its_bound(account):
    fresh = limited(account, limit_per_minute=100)

    limits.slow_down(fresh, at=NOON)
    limits.slow_down(fresh, at=NOON + SECOND)
    once = AccountUsage.objects.get().slow_per_minute
    for number in range(1, 10):
        limits.slow_down(fresh, at=NOON + number * MINUTE)

    assert once == 50
    assert AccountUsage.objects.get().slow_per_minute == limits.SLOWEST_PER_MINUTE


def test_a_learned_speed_holds_and_recovers_step_by_step(account):
    limited(account, limit_per_minute=100)
    limits.slow_down(limited(account), at=NOON)
    later = NOON + HOUR

    got = [taken(account, at=later + number * SECOND, most=90) for number in (0, 0, 1)]
    for number in range(4):
        limits.speed_up(limited(account), at=later + number * MINUTE)
        limits.speed_up(limited(account), at=later + number * MINUTE)

    assert got == [1, 0, 1]
    assert AccountUsage.objects.get().slow_per_minute is None
    assert taken(account, at=later + DAY, most=90) == 90


def test_mail_that_goes_well_makes_a_slow_account_faster(account, server):
    limits.slow_down(limited(account), at=timezone.now() - HOUR)
    cache.clear()

    drained(queue(account))

    assert AccountUsage.objects.get().slow_per_minute == 375
