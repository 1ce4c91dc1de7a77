"""The same words are the same mail."""

from ai_triage.similarity import body_hash


def test_quotes_signature_case_and_spaces_do_not_make_another_mail():
    plain = "Onde está a encomenda 12?"
    dressed = "ONDE  está a\nencomenda 12?\n-- \nAna\n"
    quoted = "Onde está a encomenda 12?\n\nEm seg., 3 nov., Loja escreveu:\n> Olá\n"
    assert body_hash(plain) == body_hash(dressed) == body_hash(quoted)


def test_another_number_is_another_mail():
    assert body_hash("Order 12?") != body_hash("Order 13?")
