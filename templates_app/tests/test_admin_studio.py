"""The template studio as staff of a tenant meet it."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from templates_app import services
from templates_app.models import EmailTemplate
from templates_app.studio import written
from templates_app.tests.test_admin import ADD, ANA, LIST, entered, form_errors, page
from tenants.models import Role
from tests.factories import make_template
from tests.staff import staff

IMAGE = '<img src="https://shop.example/a.png">'


@pytest.fixture
def editor(tenant) -> Client:
    return staff(tenant, Role.EDITOR)


@pytest.fixture
def viewer(tenant) -> Client:
    return staff(tenant, Role.VIEWER)


def preview(client: Client, template: EmailTemplate | None = None, **fields: object) -> str:
    url = f"{LIST}{template.pk}/preview" if template else f"{LIST}preview"
    response = client.post(url, fields)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


# The draft


def test_a_draft_is_shown_without_being_saved(editor, template):
    body = preview(
        editor,
        template,
        html_content="<p>Dear {{ name }}, {{ total|money }}</p>",
        sample_data='{"name": "<Ana>", "number": 7}',
    )

    assert "&lt;p&gt;Dear &amp;lt;Ana&amp;gt;, &lt;/p&gt;" in body
    assert "<code>total</code>" in body
    assert "&quot;total&quot;: 2" in body
    template.refresh_from_db()
    assert (template.version, template.sample_data) == (1, {})


def test_what_is_not_entered_is_as_stored(viewer, template):
    assert "&lt;p&gt;Hello name&lt;/p&gt;" in preview(viewer, template)


def test_errors_are_listed_with_field_and_line(editor, template):
    body = preview(editor, template, html_content="<p>\n{% foo %}", subject="{{ x")

    assert 'data-field="html_content" data-level="error" data-line="2"' in body
    assert 'data-field="subject" data-level="error" data-line="1"' in body
    assert 'data-outcome="shown"' not in body


def test_warnings_are_listed_with_their_line(editor, template):
    body = preview(editor, template, html_content=f"<p>\n{IMAGE}")

    assert 'data-level="warning" data-line="2" data-code="no_alt"' in body


def test_a_new_template_is_shown_in_the_language_of_its_tenant(editor, tenant):
    tenant.language = "pt"
    tenant.save()

    body = preview(editor, html_content="{{ a|money }}", sample_data='{"a": 1.5}', tenant=tenant.pk)

    assert "1,50 €" in body
    assert "1.50" in preview(editor, html_content="{{ a|money }}", sample_data='{"a": 1.5}')


def test_a_draft_that_does_too_much_is_an_error_like_another(editor, template):
    many = json.dumps({"x": list(range(3000))})
    loops = "{% for a in x %}{% for b in x %}{{ a }}{{ b }}{% endfor %}{% endfor %}"

    body = preview(editor, template, html_content=loops, sample_data=many)

    assert "too much work" in body


# The frame


def test_the_frame_is_an_answer_that_runs_nothing(viewer):
    answer = viewer.post(f"{LIST}html", {"html": f"<script>alert(1)</script>{IMAGE}"})

    assert answer.content.decode() == f"<script>alert(1)</script>{IMAGE}"
    assert answer["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_pictures_are_loaded_only_when_asked_for(viewer):
    answer = viewer.post(f"{LIST}html", {"html": IMAGE, "images": "1"})

    assert answer["Content-Security-Policy"].endswith("img-src data: https:")


def test_the_frame_shows_the_mail_as_the_chosen_client_would(viewer, template):
    html = "<style>@media (prefers-color-scheme: dark) {}</style>"

    dark = viewer.post(f"{LIST}html", {"html": html, "client": "dark"}).content.decode()
    usual = viewer.post(f"{LIST}html", {"html": html, "client": "x"}).content.decode()
    stored = viewer.get(f"{LIST}{template.pk}/html", {"client": "inverted"}).content.decode()

    assert "@media (min-width: 0)" in dark
    assert "@media (max-width: 0)" in usual
    assert "invert(1)" in stored


def test_the_frame_scrolls_to_where_the_author_types(viewer):
    answer = viewer.post(f"{LIST}html", {"html": "<p>Hello there</p>", "near": "<p>Hello there"})

    assert '<a id="here"' in answer.content.decode()


# Sample data


def test_sample_data_are_kept_and_make_no_version(editor, template):
    response = editor.post(page(template), entered(sample_data='{"name": "Ana"}'))

    assert response.status_code == 302, form_errors(response)
    template.refresh_from_db()
    assert (template.sample_data, template.version) == ({"name": "Ana"}, 1)
    assert "Hello Ana" in editor.get(f"{LIST}{template.pk}/html").content.decode()


def test_samples_that_were_made_and_left_alone_are_not_kept(editor, template):
    shown = editor.get(page(template)).content.decode()
    editor.post(page(template), entered(sample_data='{"number": "number", "name": "name"}'))

    assert "&quot;name&quot;: &quot;name&quot;" in shown
    template.refresh_from_db()
    assert template.sample_data == {}


def test_sample_data_that_are_no_object_are_refused_at_their_line(editor, template):
    response = editor.post(page(template), entered(sample_data='{\n"a": }'))

    [error] = form_errors(response)["sample_data"]
    assert error.startswith("line 2: ")


@pytest.mark.parametrize("sample", ['{"name": "\\ud83d"}', '{"a": [{"\\ude00": 1}]}'])
def test_half_a_character_in_sample_data_is_refused_and_the_page_stays_open(
    editor, template, sample
):
    response = editor.post(page(template), entered(sample_data=sample))

    assert form_errors(response)["sample_data"] == ["Half of a surrogate pair is no character."]
    assert "Half of a surrogate pair" in preview(editor, template, sample_data=sample)
    template.refresh_from_db()
    assert template.sample_data == {}


def test_half_a_character_that_is_stored_already_is_shown_as_its_escape():
    assert written({"name": "\ud83d"}) == '{\n  "name": "\\ud83d"\n}'


def test_half_a_character_in_a_string_of_the_source_is_an_error_with_its_line(editor, template):
    source = '<p>\n{{ "\\ud800" }}</p>'

    response = editor.post(page(template), entered(html_content=source))

    refusal = "half of a surrogate pair is no character"
    assert form_errors(response)["html_content"] == [f"line 2: {refusal}"]
    assert refusal in preview(editor, template, html_content=source)


# Versions


def test_two_versions_are_compared(editor, template):
    services.update_template(
        template, author=ANA, changes={"html_content": "<p>Bye {{ name }}</p>"}
    )

    body = editor.get(f"{LIST}{template.pk}/compare").content.decode()

    assert "<del>Hello</del><ins>Bye</ins>" in body
    assert f'src="{LIST}{template.pk}/html?version=1"' in body
    assert f'action="{LIST}{template.pk}/restore/1"' in body
    assert "Hello name" in editor.get(f"{LIST}{template.pk}/html?version=1").content.decode()


def test_hostile_texts_are_shown_as_texts(editor, tenant):
    bad = "</pre><script>alert(1)</script>"
    template = make_template(tenant, subject=bad, html=bad, text=bad)
    services.update_template(template, author=ANA, changes={"html_content": f"x{bad}"})

    for body in (
        editor.get(f"{LIST}{template.pk}/compare").content.decode(),
        editor.get(page(template)).content.decode(),
        preview(editor, template, sample_data=json.dumps({bad: bad}), html_content=bad),
    ):
        assert "<script>alert(1)" not in body


@pytest.mark.parametrize("query", ["?old=9", "?new=x", "?new=-1", "?old=1&new=99"])
def test_a_version_that_is_not_there_is_not_found(editor, template, query):
    assert editor.get(f"{LIST}{template.pk}/compare{query}").status_code == 404
    assert editor.get(f"{LIST}{template.pk}/html?version=9").status_code == 404


def test_enter_in_a_field_presses_no_button_of_a_version(editor, template):
    services.update_template(template, author=ANA, changes={"subject": "New"})

    body = editor.get(page(template)).content.decode()

    assert '<form id="verbs" method="post"><input type="hidden" name="csrfmiddlewaretoken"' in body

    assert f'form="verbs" formaction="{LIST}{template.pk}/restore/1"' in body


# Starting points


def test_starting_points_are_offered_and_fill_the_form(editor, tenant):
    offered = editor.get(ADD).content.decode()
    filled = editor.get(f"{ADD}?start=newsletter.pt").content.decode()

    assert "?start=order_confirmation.en" in offered
    assert "?start=order_confirmation.pt" in offered
    assert "Cancelar a subscrição" in filled
    assert tenant.name in filled
    assert "As novidades da primavera" in filled
    assert "Cancelar" not in editor.get(f"{ADD}?start=nothing").content.decode()


def test_a_starting_point_is_seen_before_it_is_chosen(editor, viewer):
    url = f"{LIST}start/invitation.pt/html"

    assert "Recebeu um convite" in editor.get(url).content.decode()
    assert editor.get(f"{LIST}start/x.pt/html").status_code == 404
    assert viewer.get(url).status_code == 404


def test_a_template_made_from_a_starting_point_is_stored(editor, tenant):
    form = editor.get(f"{ADD}?start=password_reset.en").context["adminform"].form
    fields = {name: form[name].value() for name in ("subject", "html_content", "source_format")}

    response = editor.post(
        ADD,
        entered(tenant=tenant.pk, slug="reset", sample_data=form["sample_data"].value(), **fields),
    )

    assert response.status_code == 302, form_errors(response)
    template = EmailTemplate.objects.get()
    assert template.sample_data["valid_minutes"] == 60
    assert "60 minutes" in editor.get(f"{LIST}{template.pk}/html").content.decode()


# Roles and walls


def test_a_viewer_sees_the_preview_and_no_button_that_would_fail(viewer, template):
    services.update_template(template, author=ANA, changes={"subject": "New"})

    body = viewer.get(page(template)).content.decode()
    compared = viewer.get(f"{LIST}{template.pk}/compare").content.decode()

    assert 'id="studio-result"' in body
    assert "data-complete" not in preview(viewer, template, sample_data='{"number": 1}')
    assert "studio-test" not in body
    assert "/restore/" not in body + compared


def test_staff_of_another_tenant_find_nothing(other_tenant, tenant, template):
    owner = staff(other_tenant, Role.OWNER)
    unknown = owner.post(f"{LIST}999999/preview", {"html_content": "x"})

    for answer in (
        owner.post(f"{LIST}{template.pk}/preview", {"html_content": "x"}),
        owner.get(f"{LIST}{template.pk}/compare"),
        owner.get(f"{LIST}{template.pk}/html"),
        owner.post(f"{LIST}preview", {"html_content": "x", "tenant": tenant.pk}),
    ):
        assert answer.status_code == 404
        assert answer.content == unknown.content


def test_who_belongs_to_no_tenant_gets_no_frame(django_user_model):
    nobody = Client()
    nobody.force_login(django_user_model.objects.create_user("nobody", is_staff=True))

    assert nobody.post(f"{LIST}html", {"html": "x"}).status_code == 404
    assert nobody.post(f"{LIST}preview", {"html_content": "x"}).status_code == 404
    assert Client().post(f"{LIST}html", {"html": "x"}).status_code == 302


def test_parts_of_the_page_are_posted_with_a_token(template):
    strict = Client(enforce_csrf_checks=True)

    for path in ("html", "preview", f"{template.pk}/preview"):
        assert strict.post(f"{LIST}{path}", {"html": "x"}).status_code in (302, 403)
        assert strict.get(f"{LIST}{path.replace(f'{template.pk}/', '')}").status_code in (302, 405)
