"""The offline provider judges, and its drafts bring no link or address of their own."""

import time

import pytest

from ai_triage import linear
from ai_triage.drafts import strangers
from ai_triage.evaluation.mails import read_mails
from ai_triage.evaluation.measures import Judged, measure
from ai_triage.kinds import Decision, EmailType
from ai_triage.providers.base import Company, Mail
from ai_triage.providers.rules import RulesProvider, Settled
from ai_triage.training import train
from ai_triage.training.mails import samples

LOJA = Company("Loja", signature="Equipa Loja")


def mail(subject, body, **headers):
    return Mail("1", "ana@example.pt", "loja@example.com", subject, body, headers)


def test_headers_settle_an_automatic_reply():
    away = mail("Re: x", "?", **{"auto-submitted": "auto-replied"})
    verdict = RulesProvider().judge(away, company=LOJA)
    assert (verdict.decision, verdict.email_type) == (Decision.IGNORE, EmailType.AUTO_REPLY)


def test_another_gate_decides_instead():
    gate = lambda mail: Settled(EmailType.OTHER, "gate")  # noqa: E731
    assert RulesProvider(gate).judge(mail("a", "b?"), company=LOJA).reason == "gate"


def test_a_mail_without_content_is_ignored():
    assert RulesProvider().judge(mail("", ""), company=LOJA).decision is Decision.IGNORE


@pytest.mark.parametrize(
    "body", ["Hello", "Bom dia", "Hi,", "", "?", "Olá!\n\nRui Silva", "See subject.\n--\nAna Silva"]
)
@pytest.mark.parametrize(
    "subject",
    [
        "Order 123 not arrived?",
        "Encomenda 123 não chegou?",
        "Do you ship to Spain?",
        "Refund?",
        "Password not working?",
        "Têm isto em azul?",
    ],
)
def test_a_question_in_the_subject_is_answered_where_the_body_only_greets(subject, body):
    verdict = RulesProvider().judge(mail(subject, body), company=LOJA)

    assert verdict.decision is Decision.RESPOND
    assert verdict.suggested_response.subject == f"Re: {subject}"


@pytest.mark.parametrize(
    ("subject", "body", "sender"),
    [
        ("Re: Where is my order?", "Thanks!", "ana@example.pt"),
        ("Ready for 50% off?", "Hi, everything at https://x.example", "ana@example.pt"),
        ("Ready for 50% off?", "Hello", "newsletter@example.pt"),
        ("Summer sale", "Hello", "ana@example.pt"),
    ],
)
def test_that_is_so_for_questions_of_people_alone(subject, body, sender):
    given = Mail("1", sender, "loja@example.com", subject, body)

    assert RulesProvider().judge(given, company=LOJA).decision is Decision.IGNORE


@pytest.mark.parametrize(
    ("body", "language"),
    [
        ("Onde está a minha encomenda? Podem dizer-me a morada de entrega?", "pt-PT"),
        ("Cadê meu pedido? Vocês podem me avisar pelo celular?", "pt-BR"),
        ("Where is my order? Could you please check the delivery?", "en"),
    ],
)
def test_a_question_gets_a_draft_in_its_language(body, language):
    draft = RulesProvider().judge(mail("Re: 12", body), company=LOJA).suggested_response
    assert draft.language == language
    assert draft.subject == "Re: 12"
    assert draft.body.endswith("Equipa Loja")


def test_no_draft_brings_a_link_or_address_of_its_own():
    for labelled in read_mails():
        verdict = RulesProvider().judge(labelled.mail, company=LOJA)
        assert 0.5 <= verdict.confidence <= 1
        if verdict.suggested_response:
            assert strangers(verdict.suggested_response.body, sources=[]) == []


def test_a_foreign_link_in_a_draft_is_found():
    draft = "See https://evil.example/x or write to me@evil.example."
    assert strangers(draft, sources=["https://shop.example"]) == [
        "https://evil.example/x",
        "me@evil.example",
    ]


@pytest.mark.parametrize(("language", "accuracy"), [("en", 0.85), ("pt", 0.80)])
def test_most_of_the_own_set_is_judged_right_and_the_confidence_is_honest(language, accuracy):
    judged = [
        Judged(
            labelled.decision,
            said.decision,
            said.confidence,
            labelled.email_type,
            said.email_type,
            labelled.urgency,
            said.urgency,
        )
        for labelled in read_mails()
        if labelled.language == language
        for said in [RulesProvider().judge(labelled.mail, company=LOJA)]
    ]
    figures = measure(judged)
    assert figures.accuracy.value >= accuracy
    assert figures.calibration_error <= 0.08


def test_the_weights_were_made_from_these_templates_and_features():
    assert linear.load().stamp == train.stamp(), "run python -m ai_triage.training.train"


def test_no_mail_of_the_own_set_is_among_those_learnt_from():
    learnt = {mail.body for mail in samples(per_template=1, seed=1)}
    assert not learnt & {labelled.mail.body for labelled in read_mails()}


def test_a_long_mail_of_one_endless_word_is_judged_in_time():
    started = time.monotonic()
    RulesProvider().judge(mail("a" * 5_000_000, "a" * 5_000_000), company=LOJA)
    assert time.monotonic() - started < 20  # not hours


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("Dúvida sobre produto", "Olá, gostaria de saber mais sobre..."),
        ("Question about product", "Hello, I would like to know more about..."),
        ("Produto", "Gostaria de saber mais sobre o produto"),
        ("URGENTE", "Preciso de ajuda urgente, o sistema está em baixo"),
    ],
)
def test_a_short_general_enquiry_is_answered(subject, body):
    assert RulesProvider().judge(mail(subject, body), company=LOJA).decision == "respond"
