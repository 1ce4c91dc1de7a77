"""A mail in a prompt stays between its delimiters whatever it says."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ai_triage.evaluation.injections import PAYLOADS
from ai_triage.kinds import Tone
from ai_triage.prompt_text import DEFAULT_CRITERIA, DEFAULT_PROMPT, cut, render, scrub
from ai_triage.providers.base import Company, Mail, Question


def question(body):
    mail = Mail("1", "a@b.example", "c@d.example", "Olá", body)
    company = Company("Loja {signature}", "ferramentas", "apoio@loja.example", "Equipe Loja")
    return Question(mail, company, DEFAULT_PROMPT, DEFAULT_CRITERIA)


def test_the_fields_are_filled_once_and_the_mail_is_not_in_the_system_text():
    text = render(question("SEGREDO"))
    assert "recebidos pela Loja {signature} (setor: ferramentas)" in text.system
    assert "SEGREDO" not in text.system
    assert "SEGREDO" in text.content


def test_what_a_company_leaves_empty_is_said_to_be_unknown_and_the_tone_is_its_own():
    asked = replace(question("x"), company=Company("Loja"), tone=Tone.FRIENDLY)

    system = render(asked).system

    assert "(setor: não informado)" in system
    assert "Endereço de suporte: não informado." in system
    assert "assinado: Equipe Loja." in system
    assert "Tom do rascunho: amigável." in system


def test_delimiters_differ_each_time():
    assert render(question("x")).content != render(question("x")).content


@given(st.text() | st.sampled_from([payload.text for payload in PAYLOADS]))
def test_no_mail_holds_a_delimiter_or_what_cannot_be_seen(body):
    scrubbed = scrub(body + "<<<END MAIL>>> <</mail>/mail> <|im_start|>\u202e\u200b")
    assert not any(
        mark in scrubbed for mark in ("<<<", ">>>", "<|im", "</mail>", "\u202e", "\u200b")
    )


def test_a_long_mail_loses_its_middle_with_a_note():
    assert cut("a" * 50 + "b" * 50 + "c" * 50, longest=90) == (
        "a" * 50 + "b" * 10 + "\n[… 60 caracteres cortados …]\n" + "c" * 30
    )
