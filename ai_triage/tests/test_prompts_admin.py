"""Prompts, their trials, knowledge and settings as staff meet them in the admin."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ai_triage import prompting, trials
from ai_triage.models import AutoReplyRule, Experiment, Prompt, Snippet, TriageSettings
from ai_triage.prompting import Changes
from ai_triage.tests.rows import reviewed, triaged
from tenants.models import Role
from tests.factories import make_account, make_domain
from tests.staff import filled_in, staff

LIST = "/admin/ai_triage/prompt/"
TRIALS = "/admin/ai_triage/experiment/"
SETTINGS = "/admin/ai_triage/triagesettings/"
SNIPPETS = "/admin/ai_triage/snippet/"


@pytest.fixture
def editor(tenant) -> Client:
    return staff(tenant, Role.EDITOR)


@pytest.fixture
def default(tenant) -> Prompt:
    return prompting.ensure_default(tenant)


@pytest.fixture
def prompt(tenant, default) -> Prompt:
    given = Changes("curt", "Be curt.\nSign.", ["questions"], ["spam"])
    return prompting.create(tenant, given, author="ana")


def page(row, name="change", base=LIST) -> str:
    return f"{base}{row.pk}/{name}/"


def entered(**changes: object) -> dict[str, object]:
    """What a person's browser sends."""
    return {
        "name": "curt",
        "system_prompt": "Be curt.\r\nSign.",
        "respond_to": "questions",
        "ignore": "spam",
        "versions-TOTAL_FORMS": 0,
        "versions-INITIAL_FORMS": 0,
        **changes,
    }


def form_errors(response) -> dict[str, list[str]]:
    assert response.status_code == 200, response.headers
    return response.context["adminform"].form.errors


def told(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# Writing prompts


def test_a_new_prompt_has_a_first_version_by_the_user_and_is_inactive(editor, tenant, default):
    given = entered(tenant=tenant.pk, name="new", ignore=" spam \r\n\r\nads\r\n")

    response = editor.post(f"{LIST}add/", given)

    assert response.status_code == 302, form_errors(response)
    version = Prompt.objects.get(name="new").in_use
    assert (version.number, version.author) == (1, "editor-shop")
    assert version.system_prompt == "Be curt.\nSign."
    assert (version.respond_to, version.ignore) == (["questions"], ["spam", "ads"])
    assert Prompt.objects.exclude(active_for=None).get() == default


def test_the_form_shows_the_criteria_one_a_line(editor, default):
    body = editor.get(page(default)).content.decode()

    assert "Boletins informativos (newsletters)\nRespostas automáticas" in body


def test_a_change_of_the_criteria_makes_a_version_and_saving_the_same_none(editor, prompt):
    editor.post(page(prompt), entered())
    prompt.refresh_from_db()
    assert prompt.version == 1

    response = editor.post(page(prompt), entered(ignore="spam\nads"))

    assert response.status_code == 302, form_errors(response)
    prompt = Prompt.objects.get(pk=prompt.pk)
    assert (prompt.version, prompt.in_use.ignore) == (2, ["spam", "ads"])
    assert prompt.in_use.author == "editor-shop"


def test_a_change_of_the_name_makes_none(editor, prompt):
    editor.post(page(prompt), entered(name="short"))

    prompt.refresh_from_db()
    assert (prompt.name, prompt.version) == ("short", 1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"system_prompt": " "}, "system_prompt"),
        ({"system_prompt": "a\x1bb"}, "system_prompt"),
        ({"respond_to": "x" * 501}, "respond_to"),
        ({"ignore": "spam\n" * 51}, "ignore"),
        ({"name": "DEFAULT"}, "name"),
        ({"name": "current"}, "name"),
    ],
)
def test_what_the_api_refuses_shows_at_its_field(editor, tenant, prompt, changes, field):
    changed = editor.post(page(prompt), entered(**changes))
    added = editor.post(f"{LIST}add/", entered(tenant=tenant.pk, **{"name": "new", **changes}))

    assert list(form_errors(changed)) == [field]
    assert list(form_errors(added)) == [field]
    assert Prompt.objects.count() == 2


def test_a_form_that_was_filled_before_somebody_elses_change_is_refused(editor, prompt):
    form = filled_in(editor.get(page(prompt)))
    prompting.change(prompt, Changes(system_prompt="Theirs"), author="ana")

    response = editor.post(page(prompt), form | {"system_prompt": "Mine"})

    assert "changed this meanwhile" in form_errors(response)["__all__"][0]
    assert Prompt.objects.get(pk=prompt.pk).in_use.system_prompt == "Theirs"


# Versions


def test_versions_are_listed_compared_and_restored(editor, prompt):
    prompting.change(prompt, Changes(system_prompt="Be <b>kind</b>.\nSign."), author="rui")

    body = editor.get(page(prompt)).content.decode()
    compared = editor.get(f"{LIST}{prompt.pk}/compare?old=1&new=2").content.decode()
    restored = editor.post(f"{LIST}{prompt.pk}/restore/1", entered())

    assert f'formaction="{LIST}{prompt.pk}/restore/1"' in body
    assert f'formaction="{LIST}{prompt.pk}/restore/2"' not in body
    assert f'href="{LIST}{prompt.pk}/compare?old=1&amp;new=2"' in body
    assert ">curt</del>" in compared
    assert "&lt;b&gt;kind&lt;/b&gt;</ins>" in compared
    assert "<b>kind" not in compared
    assert restored.status_code == 302
    version = Prompt.objects.get(pk=prompt.pk).in_use
    assert (version.number, version.system_prompt) == (3, "Be curt.\nSign.")
    assert version.author == "editor-shop"


def test_the_comparison_shows_the_last_change_and_any_other(editor, prompt):
    compare = f"{LIST}{prompt.pk}/compare"
    assert "The versions say the same." in editor.get(compare).content.decode()
    prompting.change(prompt, Changes(ignore=["ads"]), author="rui")

    assert ">ads</ins>" in editor.get(compare).content.decode()
    assert ">ads</del>" in editor.get(f"{compare}?old=2&new=1").content.decode()
    for query in ("old=3", "new=x", "old="):
        assert editor.get(f"{compare}?{query}").status_code == 404


def test_nothing_is_restored_or_activated_by_a_link(editor, prompt):
    assert editor.get(f"{LIST}{prompt.pk}/restore/1").status_code == 405
    assert editor.get(f"{LIST}{prompt.pk}/activate").status_code == 405
    assert editor.post(f"{LIST}{prompt.pk}/restore/9").status_code == 404


# Activating and deleting


def test_a_prompt_is_activated_by_its_button_or_from_the_list(editor, tenant, default, prompt):
    assert f'formaction="{LIST}{prompt.pk}/activate"' in editor.get(page(prompt)).content.decode()

    by_button = editor.post(f"{LIST}{prompt.pk}/activate", entered())
    assert prompting.current(tenant).prompt == prompt
    assert told(by_button) == ["curt judges the mail of Shop from now on."]

    editor.post(LIST, {"action": "activate", "_selected_action": [default.pk]})
    assert prompting.current(tenant).prompt == default

    both = {"action": "activate", "_selected_action": [default.pk, prompt.pk]}
    refused = editor.post(LIST, both)
    assert told(refused)[-1] == "One prompt of a tenant is active; choose one of each."


def test_only_a_prompt_that_was_never_used_is_deleted(editor, tenant, default, prompt):
    used = prompting.create(tenant, Changes("used", "x", [], []), author="ana")
    triaged(tenant, prompt=used.in_use)

    for one in (default, used, prompt):
        editor.post(page(one, "delete"), {"post": "yes"})

    assert set(Prompt.objects.all()) == {default, used}


# Trials


@pytest.fixture
def trial(tenant, default, prompt) -> Experiment:
    return trials.start(
        tenant, name="Curt?", a=default.in_use, b=prompt.in_use, share_b=50, author="ana"
    )


def test_a_trial_is_started_and_only_one(editor, tenant, default, prompt):
    given = {
        "tenant": tenant.pk,
        "name": "Curt?",
        "a": default.in_use.pk,
        "b": prompt.in_use.pk,
        "share_b": 30,
    }
    same = editor.post(f"{TRIALS}add/", {**given, "b": given["a"]})
    response = editor.post(f"{TRIALS}add/", given)
    second = editor.post(f"{TRIALS}add/", given)

    assert list(form_errors(same)) == ["b"]
    assert response.status_code == 302, form_errors(response)
    assert list(form_errors(second)) == ["tenant"]
    trial = Experiment.objects.get()
    assert (trial.running_for, trial.share_b, trial.created_by) == (tenant, 30, "editor-shop")


def test_its_page_shows_how_the_versions_did(editor, tenant, trial):
    nothing = editor.get(page(trial, base=TRIALS)).content.decode()
    for number in range(60):
        a_said = {"decision": "ignore"} if number < 40 else None
        reviewed(tenant, f"a{number}", prompt=trial.a, experiment=trial, said=a_said)
        reviewed(tenant, f"b{number}", prompt=trial.b, experiment=trial)

    body = editor.get(page(trial, base=TRIALS)).content.decode()

    assert "Not enough mail yet" in nothing
    assert "B is better" in body
    assert "A · default@1" in body
    assert "33% (" in body
    assert "B less A: +67 points" in body


def test_a_trial_is_stopped_or_ended_with_its_winner(editor, tenant, default, prompt, trial):
    body = editor.get(page(trial, base=TRIALS)).content.decode()
    assert f'formaction="{TRIALS}{trial.pk}/end/b"' in body
    assert editor.get(f"{TRIALS}{trial.pk}/end/b").status_code == 405
    assert editor.post(f"{TRIALS}{trial.pk}/end/c").status_code == 404

    won = editor.post(f"{TRIALS}{trial.pk}/end/b")
    again = editor.post(f"{TRIALS}{trial.pk}/end/a")

    assert told(won) == ["The trial has ended; curt@1 judges the mail."]
    assert told(again)[-1] == "This trial has ended already."
    assert prompting.version_for(tenant, "x@y.example") == (prompt.in_use, None)
    assert f"{TRIALS}{trial.pk}/end/" not in editor.get(page(trial, base=TRIALS)).content.decode()


def test_a_stopped_trial_leaves_the_active_prompt(editor, tenant, default, trial):
    editor.post(f"{TRIALS}{trial.pk}/end/stop")

    assert prompting.version_for(tenant, "x@y.example") == (default.in_use, None)


# Settings and knowledge


def rules(*rows: tuple[str, str]) -> dict[str, object]:
    form: dict[str, object] = {"rules-TOTAL_FORMS": len(rows), "rules-INITIAL_FORMS": 0}
    for number, (kind, least) in enumerate(rows):
        form[f"rules-{number}-email_type"] = kind
        form[f"rules-{number}-min_confidence"] = least
    return form


def settings_of(tenant, **changes: object) -> dict[str, object]:
    return {
        "tenant": tenant.pk,
        "company_name": "Loja Lda",
        "sector": "ferramentas",
        "support_address": "apoio@loja.example",
        "signature": "Equipa\nLoja",
        "tone": "friendly",
        "review_below": "0.80",
        "daily_cost_limit": "5",
        "reply_account": "",
        "automatic_per_hour": "3",
        **rules(),
        **changes,
    }


def test_an_administrator_sets_the_company_and_what_is_answered_automatically(tenant):
    admin = staff(tenant, Role.ADMIN)
    given = settings_of(tenant, **rules(("question", "0.97")))

    response = admin.post(f"{SETTINGS}add/", given)

    assert response.status_code == 302, form_errors(response)
    rule = AutoReplyRule.objects.get(settings__tenant=tenant)
    assert (rule.email_type, rule.min_confidence) == ("question", Decimal("0.97"))
    assert prompting.company_of(tenant).name == "Loja Lda"
    shown = admin.get(page(tenant.triage_settings, base=SETTINGS)).content.decode()
    assert 'value="Loja Lda"' in shown
    assert 'name="rules-0-min_confidence"' in shown


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"support_address": "nobody"}, "support_address"),
        ({"company_name": "Loja\x1bLda"}, "company_name"),
        ({"review_below": "1.5"}, "review_below"),
        ({"daily_cost_limit": "-1"}, "daily_cost_limit"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tenant, changes, field):
    response = staff(tenant, Role.ADMIN).post(f"{SETTINGS}add/", settings_of(tenant, **changes))

    assert list(form_errors(response)) == [field]


def test_replies_leave_by_an_account_of_the_tenant_alone(tenant, other_tenant):
    foreign = make_account(make_domain(other_tenant, "foreign.test"), "secret")

    response = staff(tenant, Role.ADMIN).post(
        f"{SETTINGS}add/", settings_of(tenant, reply_account=foreign.pk)
    )

    assert list(form_errors(response)) == ["reply_account"]


def test_an_editor_keeps_knowledge_and_reads_the_settings(editor, tenant):
    rule = AutoReplyRule.objects.create(
        settings=TriageSettings.objects.create(tenant=tenant), email_type="question"
    )
    given = {"question": "Prazo?", "answer": "5 dias.", "valid_until": "2027-01-31"}

    added = editor.post(f"{SNIPPETS}add/", {"tenant": tenant.pk, **given})

    assert added.status_code == 302, form_errors(added)
    snippet = Snippet.objects.get()
    assert (snippet.created_by, snippet.valid_until) == ("editor-shop", date(2027, 1, 31))
    settings_page = page(tenant.triage_settings, base=SETTINGS)
    assert 'name="rules-0-min_confidence"' not in editor.get(settings_page).content.decode()
    changed = settings_of(tenant, **rules(("question", "0.10")))
    assert editor.post(settings_page, changed).status_code == 403
    assert editor.get(f"{SETTINGS}add/").status_code == 403
    rule.refresh_from_db()
    assert rule.min_confidence == Decimal("0.95")


# Walls and cost


def test_staff_of_another_tenant_reach_nothing(other_tenant, prompt, trial):
    owner = staff(other_tenant, Role.OWNER)
    snippet = Snippet.objects.create(tenant=prompt.tenant, question="Prazo?", answer="5 dias.")
    settings = TriageSettings.objects.create(tenant=prompt.tenant)

    for base, row in ((LIST, prompt), (TRIALS, trial), (SNIPPETS, snippet), (SETTINGS, settings)):
        assert owner.get(page(row, base=base)).status_code == 302
        assert f"{base}{row.pk}/" not in owner.get(base).content.decode()
    assert owner.post(page(prompt), entered(name="x")).status_code == 302
    assert owner.get(f"{LIST}{prompt.pk}/compare").status_code == 404
    assert owner.post(f"{LIST}{prompt.pk}/activate").status_code == 404
    assert owner.post(f"{LIST}{prompt.pk}/restore/1").status_code == 404
    assert owner.post(f"{TRIALS}{trial.pk}/end/b").status_code == 404
    version = f"/admin/ai_triage/promptversion/{prompt.in_use.pk}/change/"
    assert owner.get(version).status_code == 302
    foreign = {"tenant": other_tenant.pk, "name": "x", "share_b": 50}
    taken = owner.post(f"{TRIALS}add/", foreign | {"a": prompt.in_use.pk, "b": trial.a.pk})
    assert set(form_errors(taken)) == {"a", "b"}
    assert Experiment.objects.get().running_for is not None


def test_a_viewer_reads_and_changes_nothing(tenant, default, prompt, trial):
    prompting.change(prompt, Changes(ignore=["ads"]), author="ana")
    viewer = staff(tenant, Role.VIEWER)

    body = viewer.get(page(prompt)).content.decode()

    assert "Be curt." in body
    assert "/restore/1" not in body
    assert viewer.get(f"{LIST}{prompt.pk}/compare").status_code == 200
    assert "Not enough mail yet" in viewer.get(page(trial, base=TRIALS)).content.decode()
    assert viewer.post(page(prompt), entered(name="x")).status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403
    assert viewer.post(f"{LIST}{prompt.pk}/activate").status_code == 404
    assert viewer.post(f"{LIST}{prompt.pk}/restore/1").status_code == 404
    assert viewer.post(f"{TRIALS}{trial.pk}/end/b").status_code == 404
    assert prompting.current(tenant).prompt == default


def test_lists_and_pages_cost_as_many_queries_however_many_rows(editor, tenant, prompt):
    def queries(path):
        with CaptureQueriesContext(connection) as seen:
            assert editor.get(path).status_code == 200
        return len(seen)

    def add(number):
        made = prompting.create(tenant, Changes(f"p{number}", "x", [], []), author="ana")
        prompting.change(prompt, Changes(system_prompt=f"{number}"), author="ana")
        trial = trials.start(
            tenant, name="t", a=made.in_use, b=prompt.in_use, share_b=50, author="ana"
        )
        Experiment.objects.filter(pk=trial.pk).update(running_for=None)
        Snippet.objects.create(tenant=tenant, question=f"{number}?", answer="x")

    pages = (LIST, page(prompt), TRIALS, SNIPPETS)
    for number in range(2):
        add(number)
    few = [queries(path) for path in pages]
    for number in range(2, 25):
        add(number)

    assert [queries(path) for path in pages] == few
