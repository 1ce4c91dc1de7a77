"""The same words are the same mail; alike words are only a suggestion."""

import pytest

from ai_triage.similarity import Known, body_hash, likeness, may_suggest, nearest


def test_quotes_signature_case_and_spaces_do_not_make_another_mail():
    plain = "Onde está a encomenda 12?"
    dressed = "ONDE  está a\nencomenda 12?\n-- \nAna\n"
    quoted = "Onde está a encomenda 12?\n\nEm seg., 3 nov., Loja escreveu:\n> Olá\n"
    assert body_hash(plain) == body_hash(dressed) == body_hash(quoted)


def test_another_number_is_another_mail():
    assert body_hash("Order 12?") != body_hash("Order 13?")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Quero cancelar minha assinatura", "Quero alterar minha assinatura"),
        ("Please cancel my subscription", "Please change my subscription"),
        ("Where is order 12?", "Where is order 13?"),
    ],
)
def test_texts_that_look_alike_but_mean_something_else_never_suggest(one, other):
    assert likeness(one, other) > 0.4
    assert not may_suggest(one, other)


def test_the_nearest_are_of_the_same_type_and_language():
    mails = [
        Known("a", "when do you open", "question", "en"),
        Known("b", "when do you close on sunday", "question", "en"),
        Known("c", "when do you open", "request", "en"),
        Known("d", "when do you open", "question", "pt-BR"),
    ]
    found = nearest("when do you open", mails, email_type="question", language="en", most=5)
    assert [known.key for _, known in found] == ["a", "b"]
    assert found[0][0] == pytest.approx(1)
