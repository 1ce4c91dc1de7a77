"""A provider that fails is left alone for a while, by all processes, and then tried by one mail."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from ai_triage.errors import BadAnswer, Blocked, ProviderRefused, ProviderUnavailable
from ai_triage.providers import breaker as breakers
from ai_triage.providers.breaker import FAILURES, Breaker, Guarded
from ai_triage.providers.rules import RulesProvider
from ai_triage.signals import provider_paused, provider_recovered
from ai_triage.tests.questions import QUESTION, ask
from common.tests.clocks import FixedClock

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DOWN = ProviderUnavailable("The provider answered 503.")
REFUSED = ProviderRefused("The provider refused: 401 unauthenticated.")


class Scripted:
    """A provider that fails as told, else answers as the rules do."""

    name = "scripted"

    def __init__(self) -> None:
        self.fails_with = None
        self.asked = 0
        self.waits_for = None

    async def answer(self, question, *, within=1):
        self.asked += 1
        if self.waits_for:
            await self.waits_for.wait()
        if self.fails_with:
            raise self.fails_with
        return await RulesProvider().answer(question)


@pytest.fixture(autouse=True)
def _cache_answers(monkeypatch):
    monkeypatch.setattr(breakers, "_silent_until", 0.0)


@pytest.fixture
def clock():
    return FixedClock(NOON)


@pytest.fixture
def scripted():
    return Scripted()


@pytest.fixture
def guarded(scripted, clock):
    return Guarded(scripted, Breaker("scripted", fingerprint="one", clock=clock))


@pytest.fixture
def paused():
    """The pauses that were told of."""
    heard = []

    def hear(sender, **told):
        heard.append(told)

    provider_paused.connect(hear)
    yield heard
    provider_paused.disconnect(hear)


@pytest.fixture
def recovered():
    """The providers that were told to answer again."""
    heard = []

    def hear(sender, provider, **told):
        heard.append(provider)

    provider_recovered.connect(hear)
    yield heard
    provider_recovered.disconnect(hear)


def fail(guarded, times=1):
    for _ in range(times):
        with pytest.raises((ProviderUnavailable, ProviderRefused)) as caught:
            ask(guarded)
    return caught.value


def left_alone(guarded, scripted):
    """For how long the provider is not asked."""
    before = scripted.asked
    seconds = fail(guarded).retry_after
    assert scripted.asked == before
    return seconds


def test_a_provider_that_fails_again_and_again_is_left_alone(guarded, scripted, paused):
    scripted.fails_with = DOWN

    fail(guarded, FAILURES)

    assert left_alone(guarded, scripted) == 15
    assert paused == []


def test_failures_count_only_in_a_row(guarded, scripted):
    for _ in range(3):
        scripted.fails_with = DOWN
        fail(guarded, FAILURES - 1)
        scripted.fails_with = None
        ask(guarded)

    assert scripted.asked == 3 * FAILURES


@pytest.mark.parametrize(
    "failure", [BadAnswer("No verdict.", reason="empty"), Blocked("No.", reason="safety")]
)
def test_a_mail_that_gets_no_verdict_is_no_failure_of_the_provider(guarded, scripted, failure):
    scripted.fails_with = DOWN
    fail(guarded, FAILURES - 1)
    for _ in range(FAILURES):
        scripted.fails_with = failure
        with pytest.raises(type(failure)):
            ask(guarded)

    scripted.fails_with = DOWN
    fail(guarded)

    assert scripted.asked == 2 * FAILURES


def test_the_pauses_grow_until_it_answers(guarded, scripted, clock):
    scripted.fails_with = DOWN
    fail(guarded, FAILURES)
    waits = []
    for _ in range(7):
        waits.append(left_alone(guarded, scripted))
        clock.advance(timedelta(seconds=waits[-1]))
        fail(guarded)

    assert waits == [15, 30, 60, 120, 240, 300, 300]
    clock.advance(timedelta(minutes=5))
    scripted.fails_with = None
    ask(guarded)
    ask(guarded)
    scripted.fails_with = DOWN
    fail(guarded, FAILURES)
    assert left_alone(guarded, scripted) == 15


def test_what_the_server_said_is_not_undercut(guarded, scripted):
    scripted.fails_with = ProviderUnavailable("The provider answered 429.", retry_after=100)
    fail(guarded, FAILURES)

    assert left_alone(guarded, scripted) == 100


def test_after_a_pause_one_mail_tries_it_while_the_others_wait(guarded, scripted, clock):
    scripted.fails_with = DOWN
    fail(guarded, FAILURES)
    clock.advance(timedelta(seconds=15))
    scripted.fails_with, asked = None, scripted.asked

    async def ten_together():
        scripted.waits_for = asyncio.Event()
        calls = [asyncio.create_task(guarded.answer(QUESTION)) for _ in range(10)]
        await asyncio.wait(calls, timeout=0.05)
        scripted.waits_for.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = asyncio.run(ten_together())

    assert scripted.asked == asked + 1
    assert sum(isinstance(outcome, ProviderUnavailable) for outcome in outcomes) == 9
    scripted.waits_for = None
    ask(guarded)


def test_a_trial_that_is_called_off_leaves_the_way_open_for_the_next(guarded, scripted, clock):
    scripted.fails_with = DOWN
    fail(guarded, FAILURES)
    clock.advance(timedelta(seconds=15))
    scripted.fails_with = None

    async def called_off():
        scripted.waits_for = asyncio.Event()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(guarded.answer(QUESTION), 0.01)
        scripted.waits_for = None

    asyncio.run(called_off())

    ask(guarded)


def test_calls_that_were_under_way_do_not_make_the_pause_grow(guarded, scripted, paused):
    scripted.fails_with = ProviderRefused("The provider refused: 403 permission_denied.")

    async def twenty_together():
        scripted.waits_for = asyncio.Event()
        calls = [asyncio.create_task(guarded.answer(QUESTION)) for _ in range(20)]
        await asyncio.sleep(0)
        scripted.waits_for.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(twenty_together())

    assert left_alone(guarded, scripted) == 60
    assert len(paused) == 1


def test_a_refusal_pauses_it_at_once_for_long_and_is_told_once(guarded, scripted, clock, paused):
    scripted.fails_with = ProviderRefused("The provider refused: 403 permission_denied.")

    fail(guarded)

    assert left_alone(guarded, scripted) == 60
    assert [(told["provider"], told["reason"], told["until"]) for told in paused] == [
        ("scripted", "The provider refused: 403 permission_denied.", NOON + timedelta(minutes=1))
    ]
    for minutes in (1, 2, 4, 8, 16, 32):
        clock.advance(timedelta(minutes=minutes))
        fail(guarded)
    assert left_alone(guarded, scripted) == 60 * 60
    assert len(paused) == 7


@pytest.fixture
def awaited(scripted, clock):
    """The provider for those who wait."""
    breaker = Breaker("scripted", fingerprint="one", clock=clock)
    return Guarded(scripted, breaker, is_awaited=True)


@pytest.mark.parametrize("failure", [DOWN, REFUSED])
def test_somebody_who_waits_ends_the_pause_as_soon_as_it_works(
    guarded, awaited, scripted, failure, recovered
):
    scripted.fails_with = failure
    fail(guarded, FAILURES)
    left_alone(guarded, scripted)
    scripted.fails_with = None

    ask(awaited)

    ask(guarded)
    assert recovered == ["scripted"]


def test_those_who_wait_try_a_paused_provider_one_at_a_time(guarded, awaited, scripted):
    scripted.fails_with = DOWN
    fail(guarded, FAILURES)

    fail(awaited)

    assert scripted.asked == FAILURES + 1
    assert left_alone(awaited, scripted) == breakers.REST
    assert left_alone(guarded, scripted) == 15  # the trial made it no longer
    cache.delete("triage:provider:scripted:one:probe")  # as time does
    fail(awaited)
    assert scripted.asked == FAILURES + 2


def test_not_even_somebody_who_waits_undercuts_what_the_server_said(guarded, awaited, scripted):
    scripted.fails_with = ProviderUnavailable("The provider answered 429.", retry_after=100)
    fail(guarded, FAILURES)

    assert left_alone(awaited, scripted) == 100


def test_another_key_is_not_held_responsible(guarded, scripted, clock):
    scripted.fails_with = ProviderRefused("The provider refused: 403 permission_denied.")
    fail(guarded)
    scripted.fails_with = None

    ask(Guarded(scripted, Breaker("scripted", fingerprint="two", clock=clock)))


def test_without_a_cache_every_mail_is_tried(scripted, settings, paused):
    nobody = {"BACKEND": "common.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": nobody}
    guarded = Guarded(scripted, Breaker("scripted", fingerprint="one"))
    scripted.fails_with = DOWN

    fail(guarded, 2 * FAILURES)
    scripted.fails_with = None
    ask(guarded)

    assert scripted.asked == 2 * FAILURES + 1


def test_processes_share_it_through_the_cache(scripted, clock, settings, tmp_path):
    shared = {"BACKEND": "common.cache.FileCache", "LOCATION": str(tmp_path)}
    settings.CACHES = {"default": shared}
    scripted.fails_with = DOWN
    fail(Guarded(scripted, Breaker("scripted", fingerprint="one", clock=clock)), FAILURES)

    settings.CACHES = {"default": shared, "unused": shared}  # new objects over the same files

    guarded = Guarded(scripted, Breaker("scripted", fingerprint="one", clock=clock))
    assert left_alone(guarded, scripted) == 15
