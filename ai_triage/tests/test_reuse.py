"""The same mail is judged once; what is only alike, or meant for another, is judged anew."""

from __future__ import annotations

import pytest

from ai_triage import prompting
from ai_triage.models import Action, Feedback, Snippet, TriageResult, TriageSettings
from ai_triage.tests.mails import PROCESS, QUESTION
from conftest import client_of
from tests.servers.model_server import DRAFT, verdict

pytestmark = pytest.mark.django_db
SAME = QUESTION | {"email_id": "again", "thread_id": ""}


@pytest.fixture
def first(api, google) -> dict:
    return api.post(PROCESS, QUESTION).json()


def test_the_same_words_get_the_same_verdict_at_no_cost(api, google, first):
    signed = {**SAME, "from": "rui@example.com", "body": f"  {QUESTION['body'].upper()}\n-- \nRui"}

    answer = api.post(PROCESS, signed).json()

    row = TriageResult.objects.get(email_id="again")
    assert (answer["cached"], first["cached"]) == (True, False)
    assert answer["usage"] == {"input_tokens": 0, "output_tokens": 0}
    kept = ("decision", "confidence", "email_type", "urgency", "reason", "suggested_response")
    assert [answer[name] for name in kept] == [first[name] for name in kept]
    assert (answer["prompt"], answer["provider"]) == (first["prompt"], "gemini")
    assert (row.cost, row.cached_from.email_id) == (0, "msg_12345")
    assert len(google.requests) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"body": "Olá, gostaria de saber menos sobre..."},
        {"body": f"{QUESTION['body']} 2"},
        {"subject": "Outra dúvida"},
        {"attachments": ["foto.jpg"]},
        {"body": f"{QUESTION['body']}\n\n> Quer cancelar?"},
    ],
)
def test_another_mail_is_judged_anew(api, google, first, changes):
    answer = api.post(PROCESS, SAME | changes).json()

    assert (answer["cached"], len(google.requests)) == (False, 2)


def test_an_answer_means_what_it_quotes(api, google):
    for number, quoted in enumerate(["Quer cancelar?", "Quer continuar?"]):
        body = f"Sim, por favor.\n\n> {quoted}"
        api.post(PROCESS, QUESTION | {"email_id": f"m{number}", "body": body})

    assert len(google.requests) == 2


def change_prompt(tenant):
    prompt = prompting.ensure_default(tenant)
    prompting.change(prompt, prompting.Changes(system_prompt="Outro."), author="a")


def add_snippet(tenant):
    Snippet.objects.create(tenant=tenant, question="Dúvida sobre produto, saber mais", answer="a")


def sign_otherwise(tenant):
    TriageSettings.objects.update_or_create(tenant=tenant, defaults={"signature": "Rui"})


def correct(tenant):
    result = TriageResult.objects.get()
    Feedback.objects.create(result=result, action=Action.CORRECTED, decision="ignore")


@pytest.mark.parametrize("change", [change_prompt, add_snippet, sign_otherwise, correct])
def test_what_the_model_would_be_told_or_a_person_has_said_since_counts(
    tenant, api, google, first, change
):
    change(tenant)

    answer = api.post(PROCESS, SAME).json()

    assert (answer["cached"], len(google.requests)) == (False, 2)


def test_a_draft_that_names_the_first_sender_is_not_sent_to_another(api, google):
    google.answers(verdict(suggested_response={**DRAFT, "body": "Olá, Mariana!"}))
    body = f"{QUESTION['body']}\n-- \nMariana Sá"
    api.post(PROCESS, QUESTION | {"body": body})

    other = api.post(PROCESS, SAME | {"from": "rui@example.com"}).json()
    herself = api.post(PROCESS, SAME | {"email_id": "c", "body": body}).json()

    assert (other["cached"], herself["cached"]) == (False, True)


def test_other_tenants_and_test_mail_share_nothing(api, other_api, google, tenant, first):
    answers = [
        other_api.post(PROCESS, SAME).json(),
        client_of(tenant, mode="test").post(PROCESS, SAME).json(),
    ]

    assert [one["cached"] for one in answers] == [False, False]


def test_a_mail_without_words_of_its_own_shares_nothing(api, google):
    for number in range(2):
        api.post(PROCESS, QUESTION | {"email_id": f"m{number}", "body": "> Só uma citação."})

    assert len(google.requests) == 2


def test_the_offline_providers_verdict_is_used_again_too(api):
    api.post(PROCESS, QUESTION)

    assert api.post(PROCESS, SAME).json()["cached"] is True
