"""``/prompts`` as an integrator sees it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ai_triage import prompting, trials
from ai_triage.models import Prompt, PromptVersion
from ai_triage.prompt_text import DEFAULT_CRITERIA, DEFAULT_PROMPT
from ai_triage.prompting import Changes
from ai_triage.tests.rows import triaged
from conftest import client_of

URL = "/api/v1/prompts"
CRITERIA = {"respond_to": ["Perguntas"], "ignore": ["Spam"]}
TEXT = {"system_prompt": "Seja breve, {company_name}. {foo}", "decision_criteria": CRITERIA}
NEW = {"name": "curt", **TEXT}
FIELDS = {
    "id", "name", "version", "system_prompt", "decision_criteria", "active", "created_by",
    "created_at", "updated_at",
}  # fmt: skip


def created(api, **fields):
    response = api.post(URL, NEW | fields)
    assert response.status_code == 201, response.content
    return response.json()


def errors(response, status=422):
    assert response.status_code == status, response.content
    return [(error["code"], error["attr"]) for error in response.json()["errors"]]


def names(api, query=""):
    response = api.get(f"{URL}?{query}")
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


# Reading


def test_every_tenant_has_an_active_default_prompt(api):
    current = api.get(f"{URL}/current").json()

    assert set(current) == FIELDS
    assert (current["name"], current["version"], current["active"]) == ("default", 1, True)
    assert current["system_prompt"] == DEFAULT_PROMPT
    assert current["decision_criteria"] == {
        "respond_to": list(DEFAULT_CRITERIA.respond_to),
        "ignore": list(DEFAULT_CRITERIA.ignore),
    }
    assert api.get(f"{URL}/default").json() == current
    assert api.get(f"{URL}/{current['id']}").json() == current
    assert api.get(URL).json()["results"] == [current]


def test_lists_are_filtered_searched_and_ordered(api):
    created(api)
    created(api, name="long_answers")

    assert names(api) == ["long_answers", "curt", "default"]
    assert names(api, "ordering=name") == ["curt", "default", "long_answers"]
    assert names(api, "active=true") == ["default"]
    assert names(api, "active=false&ordering=name") == ["curt", "long_answers"]
    assert names(api, "name=CURT") == ["curt"]
    assert names(api, "search=answers") == ["long_answers"]


@pytest.mark.parametrize("query", ["active=maybe", "ordering=system_prompt", "tenant=1"])
def test_a_bad_query_is_a_400(api, query):
    assert api.get(f"{URL}?{query}").status_code == 400


@pytest.mark.parametrize("ref", ["no-such", "9" * 400, "%00", "a%20b", "1"])
def test_what_is_not_there_is_a_404(api, ref):
    assert api.get(f"{URL}/{ref}").status_code == 404
    assert api.post(f"{URL}/{ref}/activate").status_code == 404
    assert api.get(f"{URL}/{ref}/versions").status_code == 404


# Writing


def test_a_new_prompt_is_inactive_and_shows_what_was_given(api):
    data = created(api)

    assert {name: data[name] for name in NEW} == NEW
    assert (data["version"], data["active"], data["created_by"]) == (1, False, "test")
    assert api.get(f"{URL}/current").json()["name"] == "default"


def test_a_prompt_needs_no_criteria(api):
    response = api.post(URL, {"name": "bare", "system_prompt": "Be brief."})

    assert response.json()["decision_criteria"] == {"respond_to": [], "ignore": []}


def test_put_needs_no_name_and_is_current_at_once(api):
    changed = api.put(f"{URL}/default", TEXT)

    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["version"]) == ("default", 2)
    assert changed.json() == api.get(f"{URL}/current").json()
    assert changed.json()["system_prompt"] == TEXT["system_prompt"]


def test_put_and_patch_make_a_version_each_and_keep_what_is_left_out(api):
    data = created(api)

    put = api.put(f"{URL}/curt", {"system_prompt": "Outro."}).json()
    patched = api.patch(f"{URL}/{data['id']}", {"decision_criteria": {"ignore": []}}).json()
    same = api.put(f"{URL}/curt", {"system_prompt": "Outro."}).json()
    renamed = api.patch(f"{URL}/curt", {"name": "short"}).json()

    assert (put["version"], put["decision_criteria"]) == (2, CRITERIA)
    assert (patched["version"], patched["system_prompt"]) == (3, "Outro.")
    assert patched["decision_criteria"] == {"respond_to": ["Perguntas"], "ignore": []}
    assert same["version"] == 4
    assert (renamed["version"], renamed["name"], renamed["id"]) == (4, "short", data["id"])


def test_versions_are_listed_newest_first_and_never_change(api):
    created(api)
    api.put(f"{URL}/curt", {"system_prompt": "Outro."})

    listed = api.get(f"{URL}/curt/versions").json()["results"]

    assert [row["version"] for row in listed] == [2, 1]
    assert [row["system_prompt"] for row in listed] == ["Outro.", TEXT["system_prompt"]]
    assert set(listed[0]) == {
        "version",
        "system_prompt",
        "decision_criteria",
        "created_by",
        "created_at",
    }
    assert {row["created_by"] for row in listed} == {"test"}


def test_activating_makes_it_the_only_active_one_however_often(api):
    created(api)

    for _ in range(2):
        activated = api.post(f"{URL}/curt/activate")
        assert (activated.status_code, activated.json()["active"]) == (200, True)

    assert api.get(f"{URL}/current").json()["name"] == "curt"
    assert names(api, "active=true") == ["curt"]
    assert errors(api.post(f"{URL}/default/activate", {"x": 1})) == [("unknown_field", "x")]


def test_a_prompt_that_is_active_or_has_judged_mail_is_not_deleted(api, tenant):
    created(api)
    used = prompting.create(tenant, Changes("used", "x", [], []), author="ana")
    triaged(tenant, prompt=used.in_use)

    assert errors(api.delete(f"{URL}/default"), 409) == [("in_use", None)]
    assert errors(api.delete(f"{URL}/used"), 409) == [("in_use", None)]
    assert api.delete(f"{URL}/curt").status_code == 204
    assert api.get(f"{URL}/curt").status_code == 404


def test_a_prompt_on_trial_is_not_deleted(api, tenant):
    a = prompting.current(tenant)
    b = prompting.create(tenant, Changes("b", "x", [], []), author="ana").in_use
    trials.start(tenant, name="t", a=a, b=b, share_b=50, author="ana")

    assert errors(api.delete(f"{URL}/b"), 409) == [("in_use", None)]


# Refusals


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, ("blank", "name")),
        ({"name": "a b"}, ("invalid", "name")),
        ({"name": "x" * 101}, ("max_length", "name")),
        ({"name": "current"}, ("invalid", "name")),
        ({"name": "Default"}, ("unique", "name")),
        ({"system_prompt": ""}, ("blank", "system_prompt")),
        ({"system_prompt": " \n "}, ("required", "system_prompt")),
        ({"system_prompt": 5}, ("invalid", "system_prompt")),
        ({"system_prompt": None}, ("null", "system_prompt")),
        ({"system_prompt": "a\0b"}, ("null_characters_not_allowed", "system_prompt")),
        ({"system_prompt": "a\x1bb"}, ("invalid", "system_prompt")),
        ({"system_prompt": "x" * 20_001}, ("max_length", "system_prompt")),
        ({"decision_criteria": None}, ("null", "decision_criteria")),
        ({"decision_criteria": []}, ("invalid", "decision_criteria")),
        ({"decision_criteria": {"ignore": "spam"}}, ("not_a_list", "decision_criteria.ignore")),
        ({"decision_criteria": {"ignore": [5]}}, ("invalid", "decision_criteria.ignore.0")),
        ({"decision_criteria": {"ignore": [""]}}, ("blank", "decision_criteria.ignore.0")),
        ({"decision_criteria": {"ignore": ["a\nb"]}}, ("invalid", "decision_criteria.ignore.0")),
        ({"decision_criteria": {"ignore": ["x"] * 51}}, ("max_length", "decision_criteria.ignore")),
        ({"decision_criteria": {"other": []}}, ("unknown_field", "decision_criteria.other")),
        ({"version": 3}, ("read_only", "version")),
        ({"active": True}, ("read_only", "active")),
        ({"tenant": 1}, ("unknown_field", "tenant")),
    ],
)
def test_what_can_not_be_stored_is_refused_by_its_field(api, fields, error):
    assert errors(api.post(URL, NEW | fields)) == [error]
    if fields != {"name": "Default"}:
        assert errors(api.patch(f"{URL}/default", fields)) == [error]
    assert PromptVersion.objects.count() == 1


def test_put_needs_the_text(api):
    assert errors(api.put(f"{URL}/default", {})) == [("required", "system_prompt")]


# Walls


def test_another_tenant_finds_nothing(api, other_api):
    data = created(api)

    for ref in ("curt", data["id"]):
        answers = [
            other_api.get(f"{URL}/{ref}"),
            other_api.put(f"{URL}/{ref}", TEXT),
            other_api.patch(f"{URL}/{ref}", TEXT),
            other_api.delete(f"{URL}/{ref}"),
            other_api.post(f"{URL}/{ref}/activate"),
            other_api.get(f"{URL}/{ref}/versions"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 6
    assert names(other_api) == ["default"]
    assert Prompt.objects.get(name="curt").version == 1


def test_scopes_hold(api, tenant):
    created(api)
    reader = client_of(tenant, scopes=["triage:read"])
    writer = client_of(tenant, scopes=["prompts:write"])
    stranger = client_of(tenant, scopes=["triage:process", "emails:read"])

    for path in (URL, f"{URL}/current", f"{URL}/curt", f"{URL}/curt/versions"):
        assert reader.get(path).status_code == writer.get(path).status_code == 200
        assert stranger.get(path).status_code == 403
    for client, status in ((reader, 403), (stranger, 403), (writer, 200)):
        assert client.put(f"{URL}/curt", TEXT).status_code == status
        assert client.patch(f"{URL}/curt", TEXT).status_code == status
        assert client.post(f"{URL}/curt/activate").status_code == status
    assert reader.post(URL, NEW | {"name": "x"}).status_code == 403
    assert reader.delete(f"{URL}/curt").status_code == 403


def test_a_list_of_fifty_costs_as_many_queries_as_one_of_two(api, tenant):
    def queries(path):
        with CaptureQueriesContext(connection) as seen:
            assert api.get(path).status_code == 200
        return len(seen)

    created(api)
    queries(URL)  # notes the key's use, once a minute
    few = queries(URL), queries(f"{URL}/curt/versions")

    prompt = Prompt.objects.get(name="curt")
    for number in range(2, 50):
        prompting.create(tenant, Changes(f"p{number}", "x", [], []), author="ana")
        prompting.change(prompt, Changes(system_prompt=f"{number}"), author="ana")

    assert len(api.get(URL).json()["results"]) == 50
    assert (queries(URL), queries(f"{URL}/curt/versions")) == few
