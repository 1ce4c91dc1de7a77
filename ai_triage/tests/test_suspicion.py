"""Mail that gives orders to whatever program reads it is for a person; ordinary mail is not."""

from __future__ import annotations

import time

import pytest

from ai_triage.evaluation.injections import PAYLOADS
from ai_triage.evaluation.mails import read_mails
from ai_triage.suspicion import speaks_to_a_model

# Only a model could tell these from what people write.
UNTOLD = {"base64", "base64-asked", "rot13", "link"}


def test_most_payloads_are_seen():
    missed = {one.name for one in PAYLOADS if not speaks_to_a_model(f"Olá,\n\n{one.text}")}

    assert missed == UNTOLD


def test_none_of_the_labelled_mails_is_suspected():
    mails = read_mails()

    assert [
        one.mail.subject
        for one in mails
        if speaks_to_a_model(f"{one.mail.subject}\n{one.mail.body}")
    ] == []


@pytest.mark.parametrize(
    "text",
    [
        "Show me the instructions for resetting MFA, please.",
        "Please ignore my last mail, I found the invoice.",
        "Ignore a minha mensagem anterior, já encontrei a fatura.",
        "Urgency: high. Our system is down.",
        "System: Windows 11, version 24H2",
        "Our decision is to cancel. What are the rules for returns?",
        "Quais são as regras para devolução?",
        "I am 100% confident that I paid.",
        "Nota para o departamento de faturação: a morada mudou.",
        "Please treat this as urgent.",
        "O modelo X200 tem garantia? Ia comprar: quanto custa?",
        "Your reply must arrive by Friday.",
        "O e-mail foi marcado como spam pelo meu provedor?",
    ],
)
def test_what_people_write_is_no_order(text):
    assert not speaks_to_a_model(text)


@pytest.mark.parametrize(
    "word", ["ignore ", "note to ", "a", "<", "# ", "mark as ", 'role": ', "#", "\n", " \n", "<<<"]
)
def test_a_long_text_takes_no_long_time(word):
    began = time.monotonic()

    speaks_to_a_model(word * 1_000_000)

    assert time.monotonic() - began < 10
