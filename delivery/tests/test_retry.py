"""When a message is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from delivery import retry
from logs.models import EmailLog

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def wait(*, retries: int, **said) -> timedelta:
    email = EmailLog(queued_at=NOON, tried_since=NOON, retry_count=retries)
    return retry.next_attempt(email, at=NOON, **said) - NOON


@pytest.mark.parametrize(
    ("retries", "minutes"), [(0, 5), (1, 10), (2, 20), (5, 160), (6, 240), (500, 240)]
)
def test_waits_double_from_five_minutes_to_four_hours_give_or_take_a_tenth(retries, minutes):
    assert 0.9 * minutes * MINUTE <= wait(retries=retries) <= 1.1 * minutes * MINUTE


def test_what_failed_together_does_not_come_back_together():
    assert len({wait(retries=0) for _ in range(20)}) > 1


def test_a_greylisted_message_comes_back_after_about_a_minute():
    assert MINUTE <= wait(retries=0, greylisted=True) <= 1.5 * MINUTE


@pytest.mark.parametrize("greylisted", [True, False])
@pytest.mark.parametrize("stated", [timedelta(seconds=20), 7 * MINUTE, 60 * MINUTE])
def test_a_message_comes_back_just_after_the_time_that_the_server_stated(greylisted, stated):
    came_back = {wait(retries=0, greylisted=greylisted, stated=stated) for _ in range(20)}

    assert all(stated < each <= 1.1 * stated + timedelta(seconds=1) for each in came_back)
    assert len(came_back) > 1


def test_a_server_that_states_short_waits_for_ever_is_not_hammered():
    assert wait(retries=2, stated=timedelta(seconds=10)) < MINUTE
    assert wait(retries=3, stated=timedelta(seconds=10)) > 30 * MINUTE
    assert wait(retries=0, stated=timedelta(hours=4)) > timedelta(hours=4)


def test_the_last_try_is_five_days_after_the_message_could_first_go():
    email = EmailLog(queued_at=NOON - timedelta(days=9), tried_since=NOON, retry_count=20)
    end = NOON + timedelta(days=5)

    assert retry.next_attempt(email, at=end - MINUTE) == end
    assert retry.next_attempt(email, at=end) is None
