"""A mail is shown whole, with what it quotes apart."""

from __future__ import annotations

import pytest

from ai_triage.own_words import passages


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Where is it?\n\nAna", [(False, "Where is it?\n\nAna")]),
        (
            "Thanks!\n\nOn Monday, Shop wrote:\n> It left.\n>\n> The shop\n\nAna",
            [
                (False, "Thanks!"),
                (True, "On Monday, Shop wrote:\n> It left.\n>\n> The shop"),
                (False, "Ana"),
            ],
        ),
        (
            "> Which size?\nLarge\n> Which colour?\nRed",
            [
                (True, "> Which size?"),
                (False, "Large"),
                (True, "> Which colour?"),
                (False, "Red"),
            ],
        ),
        (
            "See below\n\n-----Original Message-----\nFrom: x\n\nOld text",
            [(False, "See below"), (True, "-----Original Message-----\nFrom: x\n\nOld text")],
        ),
        (
            "Sim\r\n\r\nDe: Loja\r\nEnviado: segunda\r\n\r\nTexto",
            [(False, "Sim"), (True, "De: Loja\nEnviado: segunda\n\nTexto")],
        ),
        ("", []),
        (" \n\n", []),
    ],
)
def test_quoted_text_and_own_words_come_by_turns(body, expected):
    assert passages(body) == expected
