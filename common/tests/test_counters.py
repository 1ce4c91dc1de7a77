"""Counters that fail open."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.core.cache import cache, caches

from common import counters
from common.cache import FileCache


@pytest.fixture(autouse=True)
def _awake(monkeypatch):
    monkeypatch.setattr(counters, "_silent_until", 0.0)


def test_uses_in_one_window_are_counted():
    assert [counters.hit("x", window=86400) for _ in range(3)] == [1, 2, 3]


def test_names_are_counted_apart():
    counters.hit("x", window=86400)

    assert counters.hit("y", window=86400) == 1


def test_another_window_starts_at_one():
    counters.hit("x", window=86400)

    assert counters.hit("x", window=86399) == 1


def test_no_use_is_lost_between_threads():
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: counters.hit("x", window=86400), range(200)))

    assert sorted(seen) == list(range(1, 201))


def test_the_file_cache_counts_too(settings, tmp_path):
    settings.CACHES = {
        "default": {
            "BACKEND": "common.cache.FileCache",
            "LOCATION": str(tmp_path),
        }
    }

    assert [counters.hit("x", window=86400) for _ in range(3)] == [1, 2, 3]


def test_the_file_cache_loses_no_use_between_those_who_count_at_once(tmp_path):
    cache, tomorrow = FileCache(str(tmp_path), {}), int(time.time()) + 86400

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: cache.count("x", until=tomorrow), range(200)))

    assert sorted(seen) == list(range(1, 201))


def test_the_file_cache_forgets_windows_that_are_over(tmp_path):
    cache = FileCache(str(tmp_path), {})
    cache.count("x", until=int(time.time()) - 1)
    now = int(time.time()) + 60

    assert [cache.count("x", until=now), cache.count("x", until=now)] == [1, 2]
    assert [folder.name for folder in (tmp_path / "counts").iterdir()] == [str(now)]


def test_redis_counts_in_one_step_and_forgets_at_the_windows_end(redis_server, settings):
    settings.CACHES = {"default": {"BACKEND": "common.cache.RedisCache", "LOCATION": redis_server}}
    name = uuid4().hex

    assert [counters.hit(name, window=86400) for _ in range(3)] == [1, 2, 3]

    (key,) = caches["default"]._cache.get_client().scan_iter(f"*{name}*", count=10_000)
    assert 0 < caches["default"]._cache.get_client().ttl(key) <= 86405


def test_a_cache_that_does_not_answer_counts_nothing_and_is_left_alone_for_a_while(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "common.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }
    assert counters.hit("x", window=86400) is None

    settings.CACHES = {"default": {"BACKEND": "common.cache.MemoryCache"}}

    assert counters.hit("x", window=86400) is None
    assert counters._silent_until > time.monotonic()
    cache.clear()
