"""A token is believed only for its purpose, under our keys, in its one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.tokens import make_short_token, make_token, read_short_token, read_token


@pytest.fixture(autouse=True)
def secret(settings):
    settings.SECRET_KEY = "today"
    settings.SECRET_KEY_FALLBACKS = []


@given(payload=st.binary(max_size=300))
def test_a_token_gives_back_its_payload_and_fits_a_url(payload):
    token = make_token("open", payload)

    assert read_token("open", token) == payload
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_token_of_one_purpose_is_worth_nothing_for_another():
    assert read_token("unsubscribe", make_token("open", b"7")) is None


def test_a_changed_character_anywhere_makes_it_worthless():
    token = make_token("open", b"message 7")

    for place, char in enumerate(token):
        other = "A" if char != "A" else "B"
        assert read_token("open", token[:place] + other + token[place + 1 :]) is None


def test_a_token_has_one_spelling_only():
    token = make_token("open", b"7")

    for spelling in (
        token + "=",
        token + "==",
        " " + token,
        token + "\n",
        token[:5] + "!" + token[5:],
    ):
        assert read_token("open", spelling) is None


@pytest.mark.parametrize("text", ["", "A", "AAAA", "=", "é" * 30, "\x00", "A" * 100_000, "/+" * 20])
def test_nonsense_is_no_token(text):
    assert read_token("open", text) is None


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(text):
    assert read_token("open", text) is None


def test_a_token_of_the_previous_key_is_still_read(settings):
    token = make_token("open", b"7")

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "tomorrow", ["today"]

    assert read_token("open", token) == b"7"


def test_a_token_of_a_key_that_was_dropped_is_refused(settings):
    token = make_token("open", b"7")

    settings.SECRET_KEY = "tomorrow"

    assert read_token("open", token) is None


@given(payload=st.binary(max_size=40))
def test_a_short_token_survives_the_loss_of_letter_case(payload):
    token = make_short_token("return-path", payload)

    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz234567")
    for spelling in (token, token.upper(), token.title()):
        assert read_short_token("return-path", spelling) == payload


def test_a_short_token_is_worthless_when_changed_or_for_another_purpose():
    token = make_short_token("return-path", b"message 7")

    assert read_short_token("other", token) is None
    assert read_token("return-path", token) is None
    assert read_short_token("return-path", make_token("return-path", b"message 7")) is None
    for place, char in enumerate(token):
        other = "a" if char != "a" else "b"
        assert read_short_token("return-path", token[:place] + other + token[place + 1 :]) is None


@pytest.mark.parametrize("token", ["", "a", "é" * 42, "a" * 10_000, "1" * 42, "a" * 42 + "="])
def test_what_is_no_short_token_is_worthless(token):
    assert read_short_token("return-path", token) is None


def test_a_short_token_of_yesterdays_key_is_still_believed(settings):
    token = make_short_token("return-path", b"7")

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "tomorrow", ["today"]

    assert read_short_token("return-path", token) == b"7"
