"""Colleagues see who has a mail open."""

from __future__ import annotations

from datetime import timedelta

from ai_triage import presence
from ai_triage.presence import Looker
from logs.tests.builders import NOON

LATER = NOON + timedelta(seconds=30)
ANA, RUI = {"user": 1, "name": "Ana"}, {"user": 2, "name": "Rui"}


def test_the_first_who_looks_is_named_to_the_others():
    assert presence.look(7, **ANA, at=NOON) is None

    assert presence.look(7, **RUI, at=LATER) == Looker(1, "Ana", NOON)
    assert presence.lookers([7, 8], user=2) == {7: Looker(1, "Ana", NOON)}
    assert presence.lookers([7, 8], user=1) == {}


def test_to_look_again_keeps_since_when():
    presence.look(7, **ANA, at=NOON)
    assert presence.look(7, **ANA, at=LATER) is None

    assert presence.lookers([7], user=2)[7].since == NOON


def test_who_goes_on_to_another_mail_leaves_the_first():
    presence.look(7, **ANA, at=NOON)
    presence.look(8, **ANA, at=LATER)

    assert set(presence.lookers([7, 8], user=2)) == {8}
    assert presence.look(7, **RUI, at=LATER) is None


def test_to_go_on_does_not_free_what_a_colleague_holds():
    presence.look(7, **ANA, at=NOON)
    presence.look(7, **RUI, at=NOON)
    presence.look(8, **RUI, at=LATER)

    assert presence.lookers([7], user=2)[7].name == "Ana"
