"""What people decided and what they know reaches the next mail like it, and no other tenant."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_triage import learning, prompting, trials
from ai_triage.models import Action, Feedback, Snippet, TriageResult
from ai_triage.models.results import key_of
from ai_triage.prompting import Changes
from ai_triage.tests.mails import EMAILS, PROCESS, QUESTION, questions
from ai_triage.tests.rows import reviewed, triaged
from tenants.models import Mode
from tests.servers.google import content_of, system_of

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 25)
MAIL = {
    "subject": "Entrega",
    "body": "Bom dia, gostaria de saber qual o prazo de entrega para Lisboa?",
    "from_address": "rui@outro.example",
}


def ids(found):
    return [one.id for one in found]


def snippet(tenant, question, answer="…", **fields):
    return Snippet.objects.create(tenant=tenant, question=question, answer=answer, **fields)


# Examples


def test_a_correction_becomes_an_example_with_what_the_person_decided(tenant):
    said = {"decision": "ignore", "email_type": "other", "urgency": "low"}
    reviewed(tenant, "m1", said=said)

    [found] = learning.examples_for(tenant, **MAIL)

    assert found.use == {"id": "m1", "likeness": pytest.approx(found.likeness, abs=0.005)}
    example = found.content
    assert (example.decision, example.email_type, example.urgency) == ("ignore", "other", "low")
    assert example.body == "Olá, qual é o prazo de entrega para o Porto?"


def test_an_approval_is_an_example_and_what_nobody_reviewed_is_none(tenant):
    reviewed(tenant, "approved")
    triaged(tenant, "unseen")
    triaged(tenant, "said nothing", reviewed_at=timezone.now())

    assert ids(learning.examples_for(tenant, **MAIL)) == ["approved"]


def test_the_nearest_come_first_and_no_more_than_asked(tenant):
    reviewed(tenant, "far", subject="Garantia", body="O prazo da garantia do berbequim acabou?")
    reviewed(tenant, "near", subject="Entrega", body="Qual o prazo de entrega para Faro?")
    reviewed(tenant, "none", subject="Xyz", body="Podem emitir uma fatura com NIF, obrigado?")

    assert ids(learning.examples_for(tenant, **MAIL)) == ["near", "far"]
    assert ids(learning.examples_for(tenant, **MAIL, most=1)) == ["near"]


def test_another_tenants_mail_is_never_an_example(tenant, other_tenant):
    reviewed(other_tenant, "theirs")

    assert learning.examples_for(tenant, **MAIL) == []


def test_the_mail_itself_is_no_example_but_another_senders_same_words_are(tenant):
    result = reviewed(tenant, "m1")
    again = {"subject": result.subject, "body": f"{result.body}\n\n> citado"}

    same = learning.examples_for(tenant, **again, from_address=result.from_address.upper())
    other = learning.examples_for(tenant, **again, from_address="rui@outro.example")

    assert (ids(same), ids(other)) == ([], ["m1"])


def test_examples_are_of_the_mails_language(tenant):
    reviewed(
        tenant,
        "english",
        subject="Prazo de entrega",
        body="What is the prazo de entrega please, and when would you have it for me?",
    )

    assert learning.examples_for(tenant, **MAIL) == []


def test_a_mail_of_another_type_teaches_only_once_it_was_corrected_to_this_one(tenant):
    reviewed(tenant, "spam", email_type="spam")
    reviewed(tenant, "corrected", email_type="spam", said={"email_type": "question"})
    reviewed(tenant, "mistaken", said={"email_type": "spam"})

    assert sorted(ids(learning.examples_for(tenant, **MAIL))) == ["corrected", "mistaken"]


def test_test_mail_teaches_test_mail_alone(tenant):
    reviewed(tenant, "test", mode=Mode.TEST)
    reviewed(tenant, "live")

    assert ids(learning.examples_for(tenant, **MAIL)) == ["live"]
    assert sorted(ids(learning.examples_for(tenant, **MAIL, mode=Mode.TEST))) == ["live", "test"]


def test_what_was_erased_or_corrected_after_it_was_remembered_is_not_repeated(tenant):
    gone, corrected = reviewed(tenant, "gone"), reviewed(tenant, "corrected")
    assert len(learning.examples_for(tenant, **MAIL)) == 2

    gone.delete()
    Feedback.objects.create(result=corrected, action=Action.CORRECTED, urgency="high")

    [found] = learning.examples_for(tenant, **MAIL)
    assert (found.id, found.content.urgency) == ("corrected", "high")


def test_a_later_correction_of_the_type_is_heard(tenant):
    result = reviewed(tenant, "m1", email_type="spam")
    assert learning.examples_for(tenant, **MAIL) == []

    Feedback.objects.create(result=result, action=Action.CORRECTED, email_type="question")

    assert ids(learning.examples_for(tenant, **MAIL)) == ["m1"]


def test_only_the_latest_reviews_are_looked_at(tenant, monkeypatch):
    monkeypatch.setattr(learning, "MOST_REVIEWED", 2)
    for number in range(3):
        reviewed(tenant, f"m{number}")

    assert sorted(ids(learning.examples_for(tenant, **MAIL))) == ["m1", "m2"]


# Knowledge


def test_the_snippets_that_fit_are_found_by_their_question(tenant):
    fits = snippet(tenant, "Qual é o prazo de entrega?", "Cinco dias úteis.")
    snippet(tenant, "Vocês emitem nota fiscal?")
    snippet(tenant, "Qual é o horário de atendimento?")

    [found] = learning.snippets_for(tenant, subject=MAIL["subject"], body=MAIL["body"], on=TODAY)

    assert found.id == str(fits.public_id)
    assert (found.content.question, found.content.answer) == (fits.question, "Cinco dias úteis.")


def test_a_snippet_is_offered_until_its_last_day_and_to_its_tenant_alone(tenant, other_tenant):
    question = "Qual é o prazo de entrega?"
    holds = snippet(tenant, question, valid_until=TODAY)
    snippet(tenant, question, valid_until=TODAY - timedelta(days=1))
    snippet(other_tenant, question)

    found = learning.snippets_for(tenant, subject="", body=question, on=TODAY)

    assert ids(found) == [str(holds.public_id)]


def test_a_changed_snippet_is_found_by_its_new_words(tenant):
    row = snippet(tenant, "Qual é o prazo de entrega?")
    assert learning.snippets_for(tenant, subject="", body="prazo de entrega", on=TODAY)

    row.question = "Vocês emitem nota fiscal?"
    row.save()

    assert not learning.snippets_for(tenant, subject="", body="prazo de entrega", on=TODAY)
    assert learning.snippets_for(tenant, subject="", body="nota fiscal", on=TODAY)


# Speed


def test_five_hundred_reviews_and_two_hundred_snippets_take_five_questions(tenant):
    words = [
        "entrega",
        "prazo",
        "loja",
        "fatura",
        "garantia",
        "produto",
        "cliente",
        "morada",
        "troca",
        "conta",
    ]
    TriageResult.objects.bulk_create(
        TriageResult(
            tenant=tenant,
            email_id=f"m{n}",
            email_key=key_of(f"m{n}"),
            from_address=f"c{n}@x.example",
            subject=f"{words[n % 10]} {words[n // 10 % 10]}",
            body=" ".join(words[(n * k) % 10] for k in range(1, 120)),
            received_at=timezone.now(),
            reviewed_at=timezone.now() - timedelta(seconds=n),
            status="completed",
            decision="respond",
            email_type="question",
            urgency="low",
        )
        for n in range(500)
    )
    Feedback.objects.bulk_create(
        Feedback(result=result, action=Action.APPROVED) for result in TriageResult.objects.all()
    )
    for number in range(200):
        snippet(tenant, f"Qual é o prazo de {words[number % 10]} {words[number // 10 % 10]}?")

    def look_up() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert len(learning.examples_for(tenant, **MAIL)) == 4
            assert learning.snippets_for(
                tenant, subject=MAIL["subject"], body=MAIL["body"], on=TODAY
            )
        return len(queries)

    look_up()  # reads what the process keeps
    assert look_up() == 5


# In use


def test_what_was_used_reaches_the_model_and_is_shown_on_the_result(api, tenant, google):
    reviewed(tenant, "earlier", said={"urgency": "high"})
    known = snippet(tenant, "Qual é o prazo de entrega?", "Cinco dias úteis.")
    mail = QUESTION | {"subject": MAIL["subject"], "body": MAIL["body"]}

    assert api.post(PROCESS, mail).status_code == 200

    [request] = google.requests
    assert "qual é o prazo de entrega para o Porto?\n→ respond, question, high" in content_of(
        request
    )
    assert "Qual é o prazo de entrega? → Cinco dias úteis." in system_of(request)
    shown = api.get(f"{EMAILS}/{mail['email_id']}").json()
    assert [use["id"] for use in shown["used_examples"]] == ["earlier"]
    assert [use["id"] for use in shown["used_snippets"]] == [str(known.public_id)]
    assert 0.1 <= shown["used_examples"][0]["likeness"] <= 1


def test_a_trial_judges_each_sender_by_one_version_and_the_result_names_it(api, tenant, google):
    prompt = prompting.ensure_default(tenant)
    a, b = prompt.in_use, prompting.change(prompt, Changes(system_prompt="Só B."), author="ana")
    trial = trials.start(tenant, name="t", a=a, b=b, share_b=50, author="ana")

    answers = [api.post(PROCESS, mail).json() for mail in questions(12)]

    judged_by = [answer["prompt"]["version"] for answer in answers]
    assert set(judged_by) == {1, 2}
    told_b = ["Só B." in system_of(request) for request in google.requests]
    assert told_b == [version == 2 for version in judged_by]
    assert TriageResult.objects.filter(experiment=trial).count() == 12
