"""``/templates`` as an integrator sees it."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import client_of
from logs.models import EmailContent
from templates_app.models import EmailTemplate
from tests.factories import make_account, make_domain, make_template

URL = "/api/v1/templates"
NEW = {
    "name": "Order confirmation",
    "subject": "Order {{ number }}",
    "html_content": "<p>{{ customer.name }}</p>{% for p in products %}{{ p.price }}{% endfor %}",
}
FIELDS = {
    "id", "slug", "name", "subject", "html_content", "source_format", "text_content",
    "template_type", "default_account", "variables", "track_opens", "track_clicks", "is_active",
    "usage_count", "version", "created_at", "updated_at",
}  # fmt: skip
BOMB = "{% for a in x %}" * 12 + "{{ a }}" + "{% endfor %}" * 12


def created(api, **fields):
    response = api.post(URL, NEW | fields)
    assert response.status_code == 201, response.content
    return response.json()


def errors(response, status=422):
    assert response.status_code == status, response.content
    return [(error["code"], error["attr"]) for error in response.json()["errors"]]


def slugs(api, query):
    response = api.get(f"{URL}?{query}")
    assert response.status_code == 200, response.content
    return [row["slug"] for row in response.json()["results"]]


# Writing and reading


def test_a_created_template_shows_every_field_of_the_contract(api):
    data = created(api)

    assert set(data) == FIELDS
    assert data["slug"] == "order-confirmation"
    assert data["variables"] == ["number", "customer.name", "products", "products[].price"]
    assert (data["version"], data["usage_count"], data["is_active"]) == (1, 0, True)
    assert (data["text_content"], data["source_format"]) == ("", "html")
    assert (data["track_opens"], data["default_account"]) == (None, None)


def test_half_a_character_in_a_string_of_the_source_is_an_error_of_the_template(api):
    response = api.post(URL, NEW | {"html_content": r'{{ "\ud800" }}'})

    assert errors(response) == [("template_error", "html_content")]


@pytest.mark.parametrize("by", ["id", "slug"])
def test_it_is_read_by_id_and_by_slug(api, by):
    data = created(api)

    assert api.get(f"{URL}/{data[by]}").json() == data


def test_the_default_account_is_given_by_address_or_number_and_shown_by_address(api, account):
    by_address = created(api, slug="a", default_account=account.email_address)
    by_number = created(api, slug="b", default_account=account.pk)

    assert by_address["default_account"] == account.email_address
    assert by_number["default_account"] == account.email_address


def test_mjml_becomes_html(api):
    source = (
        "<mjml><mj-body><mj-section><mj-column><mj-text>Hello {{ name }}</mj-text>"
        "</mj-column></mj-section></mj-body></mjml>"
    )
    data = created(api, html_content=source, source_format="mjml")

    shown = api.post(f"{URL}/{data['id']}/render", {"variables": {"name": "Ana", "number": 1}})

    assert data["html_content"] == source
    assert "<mj-" not in shown.json()["html"]
    assert "Hello Ana" in shown.json()["html"]
    assert "Hello Ana" in shown.json()["text"]


def test_a_patch_of_the_subject_makes_a_version_and_a_patch_of_the_name_none(api):
    slug = created(api)["slug"]

    by_subject = api.patch(f"{URL}/{slug}", {"subject": "New {{ other }}"}).json()
    by_name = api.patch(f"{URL}/{slug}", {"name": "New"}).json()

    assert (by_subject["version"], by_name["version"]) == (2, 2)
    assert "other" in by_subject["variables"]
    assert by_name["name"] == "New"


def test_put_keeps_what_is_left_out(api):
    data = created(api, template_type="newsletter")

    changed = api.put(f"{URL}/{data['id']}", NEW | {"name": "Other"}).json()

    assert changed["name"] == "Other"
    assert (changed["template_type"], changed["slug"]) == ("newsletter", data["slug"])
    assert changed["version"] == 1


def test_versions_are_listed_and_restored(api):
    slug = created(api)["slug"]
    api.patch(f"{URL}/{slug}", {"subject": "New"})

    restored = api.post(f"{URL}/{slug}/versions/1/restore")
    listed = api.get(f"{URL}/{slug}/versions").json()["results"]

    assert restored.status_code == 200
    assert (restored.json()["version"], restored.json()["subject"]) == (3, NEW["subject"])
    assert [row["number"] for row in listed] == [3, 2, 1]
    assert set(listed[0]) == {
        "number",
        "subject",
        "html_content",
        "source_format",
        "text_content",
        "author",
        "created_at",
    }
    assert {row["author"] for row in listed} == {"test"}
    assert [row["subject"] for row in listed] == [NEW["subject"], "New", NEW["subject"]]


def test_render_lists_what_is_missing(api):
    slug = created(api)["slug"]

    response = api.post(f"{URL}/{slug}/render", {"variables": {"customer": {"name": "<Ana>"}}})

    assert response.status_code == 200
    assert response.json() == {
        "subject": "Order ",
        "html": "<p>&lt;Ana&gt;</p>",
        "text": "<Ana>\n\n",
        "missing_variables": ["number", "products"],
    } | {"text": response.json()["text"]}
    assert "<Ana>" in response.json()["text"]


def test_render_needs_no_variables(api):
    slug = created(api)["slug"]

    assert api.post(f"{URL}/{slug}/render", {}).json()["missing_variables"] == [
        "number",
        "customer.name",
        "products",
    ]


def test_a_template_with_messages_is_not_deleted(api, tenant):
    used, unused = make_template(tenant, "used"), make_template(tenant, "unused")
    EmailContent.objects.create(tenant=tenant, template_version=used.current)

    assert errors(api.delete(f"{URL}/used"), 409) == [("in_use", None)]
    assert api.delete(f"{URL}/{unused.pk}").status_code == 204
    assert api.get(f"{URL}/unused").status_code == 404


# Refusals


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, ("blank", "name")),
        ({"name": "  "}, ("blank", "name")),
        ({"name": 5}, ("invalid", "name")),
        ({"name": "a\nb"}, ("invalid", "name")),
        ({"name": "x" * 201}, ("max_length", "name")),
        ({"subject": ""}, ("blank", "subject")),
        ({"subject": "a\nb"}, ("invalid", "subject")),
        ({"subject": "x" * 999}, ("max_length", "subject")),
        ({"html_content": None}, ("null", "html_content")),
        ({"html_content": ""}, ("required", "html_content")),
        ({"html_content": "a\0"}, ("null_characters_not_allowed", "html_content")),
        ({"slug": "5"}, ("invalid", "slug")),
        ({"slug": "a b"}, ("invalid", "slug")),
        ({"slug": "order\n"}, ("invalid", "slug")),
        ({"slug": "x" * 101}, ("max_length", "slug")),
        ({"source_format": "pdf"}, ("invalid_choice", "source_format")),
        ({"template_type": "x" * 51}, ("max_length", "template_type")),
        ({"is_active": "yes"}, ("invalid", "is_active")),
        ({"is_active": None}, ("null", "is_active")),
        ({"track_opens": 1}, ("invalid", "track_opens")),
        ({"default_account": "nobody@shop.test"}, ("not_found", "default_account")),
        ({"default_account": 999999}, ("not_found", "default_account")),
        ({"default_account": 2**70}, ("invalid", "default_account")),
        ({"default_account": "9" * 5000}, ("invalid", "default_account")),
        ({"default_account": True}, ("invalid", "default_account")),
        ({"default_account": "a\0b"}, ("invalid", "default_account")),
        ({"html_content": "{% if %}"}, ("template_error", "html_content")),
        ({"subject": "{{ a.__class__ }}"}, ("template_error", "subject")),
        ({"text_content": "{% include '/etc/passwd' %}"}, ("template_error", "text_content")),
        ({"source_format": "mjml", "html_content": "<p>x"}, ("template_error", "html_content")),
    ],
)
def test_what_can_not_be_stored_is_refused_by_its_field(api, fields, error):
    assert errors(api.post(URL, NEW | fields)) == [error]
    assert not EmailTemplate.objects.exists()


def test_a_taken_slug_is_refused_on_create_and_on_change(api):
    created(api, slug="a")
    created(api, slug="b")

    assert errors(api.post(URL, NEW | {"slug": "a"})) == [("unique", "slug")]
    assert errors(api.patch(f"{URL}/b", {"slug": "a"})) == [("unique", "slug")]
    assert api.patch(f"{URL}/b", {"slug": "b"}).status_code == 200


@pytest.mark.parametrize(
    "field", ["id", "variables", "usage_count", "version", "created_at", "updated_at"]
)
def test_what_is_read_only_is_refused(api, field):
    created(api, slug="a")

    assert errors(api.post(URL, NEW | {field: 5})) == [("read_only", field)]
    assert errors(api.patch(f"{URL}/a", {field: 5})) == [("read_only", field)]


@pytest.mark.parametrize("field", ["tenant", "tenant_id", "versions", "author", "is_staff"])
def test_what_is_not_a_field_is_refused(api, field):
    created(api, slug="a")

    assert errors(api.post(URL, NEW | {field: 5})) == [("unknown_field", field)]
    assert errors(api.patch(f"{URL}/a", {field: 5})) == [("unknown_field", field)]
    assert errors(api.post(f"{URL}/a/render", {field: 5})) == [("unknown_field", field)]


@pytest.mark.parametrize("variables", [None, [], "x", 5])
def test_variables_are_an_object(api, variables):
    created(api, slug="a")

    [(_code, attr)] = errors(api.post(f"{URL}/a/render", {"variables": variables}))

    assert attr == "variables"


@pytest.mark.parametrize("ref", ["9" * 18, "9" * 400, "no-such", "%00", "a%20b", "١"])
def test_what_is_not_there_is_a_404(api, ref):
    assert api.get(f"{URL}/{ref}").status_code == 404


def test_a_version_that_is_not_there_is_a_404(api):
    created(api, slug="a")

    assert api.post(f"{URL}/a/versions/2/restore").status_code == 404
    assert api.post(f"{URL}/a/versions/{2**70}/restore").status_code == 404


@pytest.mark.parametrize(
    "source",
    [
        BOMB.replace("{% for a in x %}", "{% for a in range(100000) %}"),
        "{% if a %}" * 5000 + "{% endif %}" * 5000,
        "{{ 'x' * 300000000 }}",
        "{{ 'x'|center(300000000) }}",
        "{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}",
        "{{ a" + ".b" * 5000 + " }}",
        "{{ a }}" * 100_000,
    ],
)
def test_a_bomb_is_refused_when_it_is_saved(api, source):
    started = time.monotonic()

    assert errors(api.post(URL, NEW | {"html_content": source})) == [
        ("template_error", "html_content")
    ]
    assert errors(api.post(URL, NEW | {"html_content": "x", "text_content": source})) == [
        ("template_error", "text_content")
    ]
    assert time.monotonic() - started < 60  # a hang, no measure


def test_a_bomb_in_the_variables_is_refused_when_it_is_rendered(api):
    created(api, slug="a", html_content=BOMB)

    response = api.post(f"{URL}/a/render", {"variables": {"x": ["x" * 50] * 1000, "number": 1}})

    assert errors(response) == [("template_error", "html_content")]


def test_a_line_break_in_a_subjects_variable_is_refused(api):
    created(api, slug="a")

    response = api.post(f"{URL}/a/render", {"variables": {"number": "1\r\nBcc: evil@x.test"}})

    assert errors(response) == [("invalid", "subject")]


# Lists


def test_a_list_is_filtered(api, tenant):
    make_template(tenant, "a", template_type="newsletter")
    make_template(tenant, "b", is_active=False)
    created(api, slug="c", name="Third")

    assert slugs(api, "slug=a") == ["a"]
    assert slugs(api, "name=third") == ["c"]
    assert slugs(api, "template_type=newsletter") == ["a"]
    assert slugs(api, "is_active=false") == ["b"]
    assert slugs(api, "source_format=mjml") == []


def test_a_list_is_ordered(api, tenant):
    for slug in ("b", "a", "c"):
        make_template(tenant, slug, usage_count=ord(slug))

    assert slugs(api, "ordering=name") == ["a", "b", "c"]
    assert slugs(api, "ordering=-usage_count") == ["c", "b", "a"]
    assert slugs(api, "") == ["c", "a", "b"]


@pytest.mark.parametrize(
    "query", ["is_active=maybe", "source_format=x", "ordering=html_content", "tenant=1", "x=1"]
)
def test_a_bad_query_is_a_400(api, query):
    assert api.get(f"{URL}?{query}").status_code == 400


def test_versions_have_no_search(api, tenant):
    make_template(tenant, "a")

    assert api.get(f"{URL}/a/versions?slug=a").status_code == 400


@pytest.mark.django_db(transaction=True)  # FULLTEXT sees committed rows only
def test_search_finds_words_of_name_subject_and_html(api, tenant):
    make_template(tenant, "order", subject="Encomenda {{ n }}", html="<p>Obrigado pela compra</p>")
    make_template(tenant, "news", subject="The summer sale", html="<p>Até 50 % off</p>")

    assert slugs(api, "search=order") == ["order"]
    assert slugs(api, "search=encomenda") == ["order"]
    assert slugs(api, "search=compra Obrigado") == ["order"]
    assert slugs(api, "search=encom") == ["order"]
    assert slugs(api, "search=compra summer") == []
    assert slugs(api, "search=the summer") == ["news"]
    assert slugs(api, "search=50") == ["news"]
    assert slugs(api, "search=Até") == ["news"]
    assert sorted(slugs(api, "search=")) == ["news", "order"]


@pytest.mark.parametrize(
    "words",
    [
        '"',
        '"""',
        "+++",
        "+a -b",
        "(x",
        "***",
        "a@b.c",
        "~order*",
        "%25%25",
        "'",
        "\\",
        "<p>",
        "@@@",
    ],
)
def test_search_takes_any_characters(api, template, words):
    assert api.get(URL, {"search": words}).status_code == 200


def test_a_list_of_fifty_costs_as_many_queries_as_one_of_two(api, tenant, account):
    def queries(path):
        with CaptureQueriesContext(connection) as seen:
            assert api.get(path).status_code == 200
        return len(seen)

    for number in range(2):
        make_template(tenant, f"t{number}", default_account=account)
    queries(URL)  # notes the key's use, once a minute
    few = queries(URL), queries(f"{URL}/t0/versions")

    for number in range(2, 50):
        make_template(tenant, f"t{number}", default_account=account)
        api.patch(f"{URL}/t0", {"subject": f"S{number}"})

    assert len(api.get(URL).json()["results"]) == 50
    assert (queries(URL), queries(f"{URL}/t0/versions")) == few


# Walls


@pytest.mark.parametrize("by", ["slug", "pk"])
def test_another_tenant_finds_nothing(template, other_api, by):
    ref = getattr(template, by)
    answers = [
        other_api.get(f"{URL}/{ref}"),
        other_api.put(f"{URL}/{ref}", NEW),
        other_api.patch(f"{URL}/{ref}", {"subject": "x"}),
        other_api.delete(f"{URL}/{ref}"),
        other_api.get(f"{URL}/{ref}/versions"),
        other_api.post(f"{URL}/{ref}/versions/1/restore"),
        other_api.post(f"{URL}/{ref}/render", {}),
        other_api.post(f"{URL}/{ref}/test", {"to_address": "a@example.com"}),
    ]

    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert {answer.content for answer in answers} == {other_api.get(f"{URL}/no-such").content}
    assert slugs(other_api, "") == []
    assert slugs(other_api, "search=order") == []
    template.refresh_from_db()
    assert template.version == 1


def test_a_slug_leads_to_the_tenants_own_template(api, other_api):
    mine, theirs = created(api, slug="a"), created(other_api, slug="a")

    assert api.get(f"{URL}/a").json()["id"] == mine["id"]
    assert other_api.get(f"{URL}/a").json()["id"] == theirs["id"]


def test_another_tenants_account_is_refused(api, other_tenant):
    foreign = make_account(make_domain(other_tenant))

    for reference in (foreign.pk, foreign.email_address):
        response = api.post(URL, NEW | {"default_account": reference})
        assert errors(response) == [("not_found", "default_account")]


def test_a_key_without_the_scope_is_refused(tenant, template):
    sender = client_of(tenant, scopes=["emails:send"])
    writer = client_of(tenant, scopes=["templates:write"])

    assert sender.get(f"{URL}/order").status_code == 403
    assert sender.get(f"{URL}/order/versions").status_code == 403
    assert sender.post(f"{URL}/order/test", {}).status_code == 403
    assert writer.get(f"{URL}/order").status_code == 200
    assert writer.get(f"{URL}/order/versions").status_code == 200


@pytest.mark.django_db
def test_a_template_that_is_not_there_is_a_404_whatever_the_body(api):
    response = api.patch("/api/v1/templates/nothing", {"colour": "red"})

    assert response.status_code == 404
