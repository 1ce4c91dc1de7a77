"""Leaving a server alone: for growing times, over all processes, and without a cache."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.core.cache import cache, caches
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.redis import RedisCache

from delivery import backoff

ACCOUNT = 7


def left(account: int = ACCOUNT) -> float:
    return backoff.current(account).until - time.time()


def let_it_pass(monkeypatch) -> None:
    """Move the clock past the present wait."""
    later = time.time() + left() + 1
    monkeypatch.setattr("delivery.backoff.time.time", lambda: later)


def test_each_failure_after_a_wait_makes_the_next_one_twice_as_long(monkeypatch):
    waits = []
    for _ in range(9):
        backoff.begin(ACCOUNT, reason="refused")
        waits.append(left())
        let_it_pass(monkeypatch)

    expected = [15, 30, 60, 120, 240, 480, 900, 900, 900]
    assert all(0.85 * e <= w <= 1.15 * e for w, e in zip(waits, expected, strict=True))


def test_several_connections_that_fail_together_count_once():
    for _ in range(8):
        backoff.begin(ACCOUNT, reason="refused")

    assert backoff.current(ACCOUNT).failures == 1
    assert left() <= 17


def test_a_server_that_works_again_is_forgiven():
    backoff.begin(ACCOUNT, reason="refused")
    backoff.end(ACCOUNT)

    assert not backoff.is_on(ACCOUNT)


def test_what_the_server_stated_is_waited_for_even_beyond_the_usual():
    backoff.begin(ACCOUNT, reason="421", stated=timedelta(hours=1))

    assert 3600 < left() <= 1.1 * 3600 + 1


def test_a_passed_test_ends_the_wait_but_not_one_that_the_server_asked_for():
    backoff.begin(ACCOUNT, reason="connection refused")
    backoff.end_after_test(ACCOUNT)
    assert not backoff.is_on(ACCOUNT)

    backoff.begin(ACCOUNT, reason="421", stated=timedelta(minutes=5))
    backoff.begin(ACCOUNT, reason="heard meanwhile")
    backoff.end_after_test(ACCOUNT)
    assert left() > 290


@pytest.mark.parametrize("kind", ["files", "redis"])
def test_the_next_process_knows_how_often_a_server_failed(tmp_path, monkeypatch, kind, request):
    """What one process wrote is read through a cache of its own, as another process has it."""
    make, place = FileBasedCache, str(tmp_path)
    if kind == "redis":
        make, place = RedisCache, request.getfixturevalue("redis_server") + "15"
    monkeypatch.setattr(backoff, "cache", make(place, {"KEY_PREFIX": tmp_path.name}))
    backoff.begin(ACCOUNT, reason="refused")
    let_it_pass(monkeypatch)

    monkeypatch.setattr(backoff, "cache", make(place, {"KEY_PREFIX": tmp_path.name}))
    backoff.begin(ACCOUNT, reason="refused")

    assert backoff.current(ACCOUNT).failures == 2
    backoff.end(ACCOUNT)


def test_without_a_cache_nothing_is_left_alone_and_nothing_breaks(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert caches["default"] is not None

    backoff.begin(ACCOUNT, reason="refused")
    backoff.end(ACCOUNT)

    assert not backoff.is_on(ACCOUNT)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
