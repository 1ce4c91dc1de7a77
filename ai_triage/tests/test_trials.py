"""A trial runs, is compared on reviewed mail, and ends with or without a winner."""

from __future__ import annotations

import pytest
from django.db.models import RestrictedError
from django.utils import timezone

from ai_triage import prompting, trials
from ai_triage.comparison import Outcome
from ai_triage.models import Experiment, Prompt
from ai_triage.prompting import Changes
from ai_triage.tests.rows import reviewed, triaged
from common.deletion import is_used
from common.errors import Conflict, Refused
from tenants.models import Mode

pytestmark = pytest.mark.django_db


@pytest.fixture
def versions(tenant):
    prompt = prompting.ensure_default(tenant)
    a = prompt.in_use
    return a, prompting.change(prompt, Changes(system_prompt="B"), author="ana")


@pytest.fixture
def trial(tenant, versions):
    a, b = versions
    return trials.start(tenant, name="Short or long", a=a, b=b, share_b=50, author="ana")


def mails(trial, version, *, right, wrong, **fields):
    for number in range(right + wrong):
        said = {"decision": "ignore"} if number >= right else None
        name = f"{version.number}-{number}-{fields.get('mode', '')}"
        reviewed(trial.tenant, name, said=said, prompt=version, experiment=trial, **fields)


def test_it_is_compared_on_what_people_said_of_its_results(trial):
    mails(trial, trial.a, right=20, wrong=30)
    mails(trial, trial.b, right=48, wrong=2)

    found = trials.comparison(trial)

    assert (found.a.right, found.a.reviewed) == (20, 50)
    assert (found.b.right, found.b.reviewed) == (48, 50)
    assert found.outcome is Outcome.BETTER


def test_other_mail_does_not_count(trial, other_tenant):
    mails(trial, trial.a, right=1, wrong=0)
    original = triaged(trial.tenant, "unseen", prompt=trial.a, experiment=trial)
    mails(trial, trial.b, right=1, wrong=0, mode=Mode.TEST)
    reviewed(trial.tenant, "copy", prompt=trial.b, experiment=trial, cached_from=original)
    reviewed(trial.tenant, "before", prompt=trial.a)
    reviewed(trial.tenant, "by rule", experiment=trial)
    triaged(trial.tenant, "no word", prompt=trial.a, experiment=trial, reviewed_at=timezone.now())

    found = trials.comparison(trial)

    assert (found.a.reviewed, found.b.reviewed) == (1, 0)


def test_one_runs_at_a_time(tenant, other_tenant, versions, trial):
    a, b = versions
    with pytest.raises(Conflict):
        trials.start(tenant, name="2", a=a, b=b, share_b=50, author="ana")

    assert trials.stop(trial, at=timezone.now())
    assert not trials.stop(trial, at=timezone.now())
    trials.start(tenant, name="2", a=a, b=b, share_b=50, author="ana")


def test_what_makes_no_trial_is_refused(tenant, other_tenant, versions):
    a, b = versions
    foreign = prompting.current(other_tenant)

    for given in ({"a": a, "b": a}, {"a": a, "b": foreign}, {"a": foreign, "b": b}):
        with pytest.raises(Refused):
            trials.start(tenant, name="x", share_b=50, author="ana", **given)
    for share in (0, 100):
        with pytest.raises(Refused):
            trials.start(tenant, name="x", a=a, b=b, share_b=share, author="ana")
    assert not Experiment.objects.exists()


def test_the_winner_judges_all_mail(tenant, trial):
    kept = trials.adopt(trial, trial.b, author="ana", at=timezone.now())

    assert kept == trial.b
    assert prompting.version_for(tenant, "x@y.example") == (trial.b, None)
    with pytest.raises(Conflict):
        trials.adopt(trial, trial.a, author="ana", at=timezone.now())


def test_an_older_winner_becomes_a_new_version(tenant, trial):
    kept = trials.adopt(trial, trial.a, author="rui", at=timezone.now())

    assert (kept.number, kept.author, kept.system_prompt) == (3, "rui", trial.a.system_prompt)
    assert prompting.current(tenant) == kept


def test_a_winner_of_another_prompt_becomes_the_active_one(tenant, versions):
    other = prompting.create(tenant, Changes("other", "C", [], []), author="ana")
    trial = trials.start(tenant, name="x", a=versions[1], b=other.in_use, share_b=10, author="ana")

    trials.adopt(trial, trial.b, author="ana", at=timezone.now())

    assert prompting.current(tenant).prompt == other


def test_a_tenant_goes_with_its_trials(tenant, other_tenant, trial):
    kept = prompting.ensure_default(other_tenant)
    triaged(tenant, prompt=trial.b, experiment=trial)
    assert not is_used(tenant)

    tenant.delete()

    assert list(Prompt.objects.all()) == [kept]
    assert not Experiment.objects.exists()


def test_a_prompt_does_not_go_with_its_trials(tenant, trial):
    prompt = trial.a.prompt
    trials.stop(trial, at=timezone.now())
    assert is_used(prompt)

    with pytest.raises(RestrictedError):
        prompt.delete()

    assert Experiment.objects.get() == trial


def test_comparing_costs_two_queries_however_much_was_reviewed(trial, django_assert_num_queries):
    mails(trial, trial.a, right=5, wrong=5)

    with django_assert_num_queries(2):
        trials.comparison(trial)
