"""When a server wants to be asked again, and what its words are worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_triage.providers.retrying import LONGEST_RETRY_AFTER, stated_wait, version, word
from ai_triage.usage import tokens


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0),
        ("13", 13),
        (" 13 ", 13),
        ("1.5", 1.5),
        ("999999999", LONGEST_RETRY_AFTER),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2955 07:28:00 GMT", LONGEST_RETRY_AFTER),
        (None, None),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("1e9", None),
        ("nan", None),
        ("١٣", None),
    ],
)
def test_a_stated_wait_is_seconds_or_a_date_within_a_day(said, seconds):
    assert stated_wait(said) == seconds


def test_a_date_to_come_is_so_many_seconds():
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)

    assert 58 < stated_wait(in_a_minute) <= 60


@given(st.text())
def test_any_words_are_a_wait_or_none(said):
    assert stated_wait(said) is None or 0 <= stated_wait(said) <= LONGEST_RETRY_AFTER


def test_of_what_a_server_says_one_word_is_kept_and_a_model_is_a_name():
    assert word("PERMISSION_DENIED") == "permission_denied"
    assert word("key sk-123 is wrong") == word(None) == word(["x"]) == ""
    assert version("models/gemini-9-001", "m") == "models/gemini-9-001"
    assert version("<b>", "m") == version(7, "m") == version("x" * 101, "m") == "m"


@pytest.mark.parametrize("told", [-1, 1.5, "7", True, None, 10**10])
def test_a_count_that_cannot_be_true_is_zero(told):
    assert tokens(told) == 0
