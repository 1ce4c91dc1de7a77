"""A tenant's prompts: versions that never change, one active, a trial of two."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from threading import Barrier

import pytest
from django.apps import apps
from django.db import connection

from ai_triage import prompting
from ai_triage.models import Experiment, Prompt, PromptVersion, TriageSettings
from ai_triage.prompt_text import DEFAULT_CRITERIA, DEFAULT_PROMPT
from ai_triage.prompting import Changes
from ai_triage.tests.rows import triaged
from common.errors import Conflict, Refused
from tenants.models import Tenant
from tenants.services import create_tenant

pytestmark = pytest.mark.django_db
GIVEN = Changes("curt", "Be curt.", ["questions"], ["spam"])


@pytest.fixture
def prompt(tenant):
    return prompting.create(tenant, GIVEN, author="ana")


def at_once(*work):
    """Run all of ``work`` in threads that start together; an error of one is the caller's."""
    barrier = Barrier(len(work))

    def run(one):
        barrier.wait(timeout=20)
        try:
            one()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as pool:
        list(pool.map(run, work))


# The default


def test_a_new_tenant_starts_with_an_active_default_prompt():
    tenant = create_tenant("new", name="New")

    version = tenant.active_prompt.versions.get()
    assert (tenant.active_prompt.name, version.number) == ("default", 1)
    assert (version.system_prompt, version.criteria) == (DEFAULT_PROMPT, DEFAULT_CRITERIA)


def test_a_tenant_from_before_gets_it_with_the_migration_or_the_first_mail(tenant, other_tenant):
    migration = import_module("ai_triage.migrations.0002_prompts_default")

    version, experiment = prompting.version_for(tenant, "a@b.example")
    migration.add(apps, None)

    assert (version.prompt.name, version.number, experiment) == ("default", 1, None)
    assert prompting.current(other_tenant).criteria == DEFAULT_CRITERIA
    assert Prompt.objects.count() == PromptVersion.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_first_mails_at_once_make_one_default(tenant):
    at_once(*[lambda: prompting.version_for(tenant, "a@b.example")] * 4)

    assert Prompt.objects.get(tenant=tenant).versions.count() == 1


def test_the_default_is_made_active_again_only_where_no_prompt_is(tenant, prompt):
    default = prompting.ensure_default(tenant)
    prompting.activate(prompt)

    assert prompting.ensure_default(tenant) == prompt
    Prompt.objects.update(active_for=None)
    assert prompting.ensure_default(tenant) == default


@pytest.mark.parametrize(
    "word",
    [
        "produtos ou serviços",
        "suporte",
        "Reclamações",
        "urgentes ou importantes",
        "orçamento ou de informação comercial",
        "Confirmações",
        "Spam e promoções",
        "newsletters",
        "Respostas automáticas",
        "já respondidos na mesma conversa",
        "Notificações de sistemas",
        "sem conteúdo",
        "português do Brasil",
        "língua do\n   e-mail",
        "profissional e cordial",
        "próximos passos",
        "{signature}",
        "{company_name}",
        "{sector}",
        "{support_address}",
    ],
)
def test_the_default_prompt_names_all_that_it_must(word):
    rules = DEFAULT_CRITERIA.respond_to + DEFAULT_CRITERIA.ignore

    assert any(word in text for text in (DEFAULT_PROMPT, *rules))


def test_the_company_is_the_settings_and_without_a_name_the_tenants(tenant):
    assert prompting.company_of(tenant).name == "Shop"

    TriageSettings.objects.create(tenant=tenant, company_name="Loja Lda", sector="ferramentas")

    company = prompting.company_of(tenant)
    assert (company.name, company.sector, company.signature) == ("Loja Lda", "ferramentas", "")


# Versions


def test_a_change_makes_a_version_and_leaves_the_old_ones_alone(prompt):
    changed = prompting.change(prompt, Changes(ignore=["ads"]), author="rui")

    old, new = prompt.versions.order_by("number")
    assert changed == new
    assert (old.system_prompt, old.ignore, old.author) == ("Be curt.", ["spam"], "ana")
    assert (new.system_prompt, new.respond_to, new.ignore) == ("Be curt.", ["questions"], ["ads"])
    assert (new.number, new.author, prompt.version) == (2, "rui", 2)


def test_the_same_content_again_is_a_version_too_and_a_new_name_none(prompt):
    prompting.change(prompt, replace(GIVEN, name=None), author="ana")
    version = prompting.change(prompt, Changes(name="short"), author="ana")

    assert (prompt.name, version.number) == ("short", 2)


def test_restoring_makes_a_new_version_with_the_old_content(prompt):
    prompting.change(prompt, Changes(system_prompt="Be long."), author="ana")

    restored = prompting.restore(prompt.versions.get(number=1), author="rui")

    assert (restored.number, restored.system_prompt, restored.author) == (3, "Be curt.", "rui")


@pytest.mark.django_db(transaction=True)
def test_changes_at_once_get_numbers_of_their_own(prompt):
    def change(word):
        mine = Prompt.objects.get(pk=prompt.pk)
        return lambda: prompting.change(mine, Changes(system_prompt=word), author=word)

    at_once(*map(change, "abcdef"))

    stored = prompt.versions.filter(number__gt=1).order_by("number")
    assert [version.number for version in stored] == [2, 3, 4, 5, 6, 7]
    assert {version.system_prompt for version in stored} == set("abcdef")
    prompt.refresh_from_db()
    assert prompt.version == 7


def test_windows_line_ends_are_stored_as_others_are(tenant):
    made = prompting.create(tenant, replace(GIVEN, system_prompt="One\r\nTwo\tx"), author="ana")

    assert made.in_use.system_prompt == "One\nTwo\tx"


@pytest.mark.parametrize(
    ("changes", "code", "attr"),
    [
        ({"system_prompt": " \n"}, "required", "system_prompt"),
        ({"system_prompt": "x" * 20_001}, "max_length", "system_prompt"),
        ({"system_prompt": "a\0b"}, "invalid", "system_prompt"),
        ({"system_prompt": "a\x1bb"}, "invalid", "system_prompt"),
        ({"respond_to": ["x"] * 51}, "max_length", "decision_criteria.respond_to"),
        ({"respond_to": ["a", "x" * 501]}, "max_length", "decision_criteria.respond_to.1"),
        ({"ignore": ["a\nb"]}, "invalid", "decision_criteria.ignore.0"),
        ({"ignore": [" "]}, "blank", "decision_criteria.ignore.0"),
        ({"name": "current"}, "invalid", "name"),
        ({"name": "0191f0a0-0000-7000-8000-000000000000"}, "invalid", "name"),
        ({"name": "OTHER"}, "unique", "name"),
    ],
)
def test_what_is_no_prompt_is_refused_and_nothing_is_stored(tenant, prompt, changes, code, attr):
    prompting.create(tenant, replace(GIVEN, name="other"), author="ana")

    with pytest.raises(Refused) as on_change:
        prompting.change(prompt, Changes(**changes), author="ana")
    with pytest.raises(Refused) as on_create:
        prompting.create(tenant, replace(GIVEN, **{"name": "new", **changes}), author="ana")

    assert (on_change.value.code, on_change.value.attr) == (code, attr)
    assert (on_create.value.code, on_create.value.attr) == (code, attr)
    assert set(PromptVersion.objects.values_list("prompt__name", "number")) == {
        ("default", 1),
        ("curt", 1),
        ("other", 1),
    }


def test_a_prompt_of_the_same_name_in_another_tenant_is_no_obstacle(other_tenant, prompt):
    assert prompting.create(other_tenant, GIVEN, author="eva").name == prompt.name


def test_what_was_deleted_meanwhile_is_a_conflict(prompt):
    gone = Prompt.objects.get(pk=prompt.pk)
    prompting.delete(prompt)

    with pytest.raises(Conflict):
        prompting.change(gone, Changes(ignore=["ads"]), author="ana")
    with pytest.raises(Conflict):
        prompting.activate(gone)


# Activating and deleting


def test_the_active_prompt_judges_and_its_new_version_at_once(tenant, prompt):
    prompting.ensure_default(tenant)

    prompting.activate(prompt)
    prompting.change(prompt, Changes(ignore=["ads"]), author="ana")

    version, _ = prompting.version_for(tenant, "a@b.example")
    assert (version.prompt, version.number) == (prompt, 2)
    assert Prompt.objects.exclude(active_for=None).get() == prompt


@pytest.mark.django_db(transaction=True)
def test_one_prompt_is_active_after_several_were_activated_at_once(tenant):
    made = [prompting.create(tenant, replace(GIVEN, name=name), author="a") for name in "abcd"]

    at_once(*[lambda one=one: prompting.activate(one) for one in made])

    assert Prompt.objects.filter(active_for=tenant).count() == 1


def test_a_prompt_that_is_active_has_judged_mail_or_is_on_trial_stays(tenant, prompt):
    other = prompting.create(tenant, replace(GIVEN, name="other"), author="ana")
    used = prompting.create(tenant, replace(GIVEN, name="used"), author="ana")
    triaged(tenant, prompt=used.in_use)
    a, b = other.in_use, prompting.current(tenant)
    Experiment.objects.create(tenant=tenant, name="t", a=a, b=b)

    for one in (other, used, tenant.active_prompt):
        with pytest.raises(Conflict) as conflict:
            prompting.delete(one)
        assert conflict.value.code == "in_use"
    prompting.delete(prompt)
    assert Prompt.objects.count() == 3


# Trials


def trial(tenant: Tenant, prompt: Prompt, **fields) -> Experiment:
    a, b = prompting.current(tenant), prompt.in_use
    return Experiment.objects.create(
        tenant=tenant, name="t", a=a, b=b, running_for=tenant, **fields
    )


def test_a_trial_divides_senders_by_its_share_and_keeps_each_with_one_version(tenant, prompt):
    running = trial(tenant, prompt, share_b=25)
    senders = [f"c{number}@x.example" for number in range(800)]

    chosen = {sender: prompting.version_for(tenant, sender) for sender in senders}

    counts = Counter(version.pk for version, _ in chosen.values())
    assert 160 < counts[running.b.pk] < 240
    assert counts[running.a.pk] == 800 - counts[running.b.pk]
    assert {experiment for _, experiment in chosen.values()} == {running}
    for sender in senders[:20]:
        assert prompting.version_for(tenant, f" {sender.upper()}") == chosen[sender]


def test_another_trial_divides_them_anew(tenant, prompt):
    senders = [f"c{number}@x.example" for number in range(100)]

    def in_b():
        running = trial(tenant, prompt)
        chosen = [prompting.version_for(tenant, sender)[0] == running.b for sender in senders]
        Experiment.objects.update(running_for=None)
        return chosen

    assert 25 < sum(one != other for one, other in zip(in_b(), in_b(), strict=True)) < 75


def test_a_trial_that_has_ended_or_is_another_tenants_chooses_nothing(tenant, other_tenant, prompt):
    running = trial(tenant, prompt)

    assert prompting.version_for(other_tenant, "a@b.example")[1] is None
    Experiment.objects.filter(pk=running.pk).update(running_for=None)
    assert prompting.version_for(tenant, "a@b.example") == (prompting.current(tenant), None)


def test_which_version_judges_costs_two_queries(tenant, django_assert_num_queries):
    prompting.ensure_default(tenant)

    with django_assert_num_queries(2):
        assert prompting.version_for(tenant, "a@b.example")[0].prompt.name == "default"
