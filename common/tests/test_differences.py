"""What changed between two texts, word by word."""

import time

from hypothesis import given
from hypothesis import strategies as st

from common.differences import Change, differences

TEXTS = st.text(alphabet="ab \n.é<", max_size=40)


def test_a_changed_word_is_shown_between_what_stays():
    shown = [(p.change, p.text) for p in differences("Be curt.\nSign.\n", "Be kind.\nSign.\n")]

    assert shown == [
        (Change.SAME, "Be "),
        (Change.REMOVED, "curt"),
        (Change.ADDED, "kind"),
        (Change.SAME, ".\n"),
        (Change.SAME, "Sign.\n"),
    ]


def test_texts_of_too_many_lines_are_replaced_as_a_whole():
    old = "".join(f"{n}\n" for n in range(5000))

    assert [p.change for p in differences(old, old + "x")] == [Change.REMOVED, Change.ADDED]


@given(TEXTS, TEXTS)
def test_both_texts_can_be_read_out_of_it(old, new):
    pieces = differences(old, new)

    assert "".join(p.text for p in pieces if p.change is not Change.ADDED) == old
    assert "".join(p.text for p in pieces if p.change is not Change.REMOVED) == new


def test_the_longest_texts_that_differ_everywhere_take_no_time():
    started = time.monotonic()

    differences("a b\n" * 5000, "b a\n" * 5000)
    differences("\n" * 20_000, "\n" * 19_000 + "a\n")
    differences("a " * 10_000, "b " * 9_999 + "c")

    assert time.monotonic() - started < 20  # a hang, no measure
