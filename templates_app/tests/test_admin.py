"""Templates as staff meet them in the admin."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from logs.models import EmailContent
from templates_app import services
from templates_app.models import EmailTemplate
from tenants.models import Role
from tests.factories import make_account, make_domain, make_template
from tests.staff import filled_in, staff

LIST = "/admin/templates_app/emailtemplate/"
ADD = f"{LIST}add/"
ANA = services.Author(user=None, name="ana")


@pytest.fixture
def editor(tenant) -> Client:
    return staff(tenant, Role.EDITOR)


def page(template, name="change") -> str:
    return f"{LIST}{template.pk}/{name}/"


def entered(**changes: object) -> dict[str, object]:
    """What a person's browser sends; a box that is not ticked is left out."""
    form = {
        "name": "Order",
        "slug": "order",
        "template_type": "",
        "default_account": "",
        "subject": "Order {{ number }}",
        "source_format": "html",
        "html_content": "<p>Hello {{ name }}</p>",
        "text_content": "",
        "is_active": "on",
        "track_opens": "unknown",
        "track_clicks": "unknown",
        "versions-TOTAL_FORMS": 0,
        "versions-INITIAL_FORMS": 0,
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def form_errors(response) -> dict[str, list[str]]:
    assert response.status_code == 200, response.headers
    return response.context["adminform"].form.errors


def told(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# Writing


def test_a_new_template_has_a_first_version_by_the_user(editor, tenant):
    response = editor.post(ADD, entered(tenant=tenant.pk, slug="", name="Order confirmation"))

    assert response.status_code == 302, form_errors(response)
    template = EmailTemplate.objects.get()
    assert (template.slug, template.version) == ("order-confirmation", 1)
    assert template.current.author_name == "editor-shop"
    assert template.variables == ["number", "name"]


def test_a_change_of_the_source_makes_a_version(editor, template):
    response = editor.post(page(template), entered(html_content="<b>{{ name }}</b>"))

    assert response.status_code == 302, form_errors(response)
    template.refresh_from_db()
    assert (template.version, template.current.html_content) == (2, "<b>{{ name }}</b>")
    assert template.current.author_name == "editor-shop"


def test_a_change_of_the_name_makes_none(editor, template):
    editor.post(page(template), entered(name="Renamed", track_opens="false"))

    template.refresh_from_db()
    assert (template.name, template.track_opens, template.version) == ("Renamed", False, 1)


def test_an_error_shows_its_line_at_its_field(editor, template):
    response = editor.post(page(template), entered(html_content="<p>\n{% include 'x' %}</p>"))

    [error] = form_errors(response)["html_content"]
    assert error.startswith("line 2: ")
    template.refresh_from_db()
    assert template.version == 1


def test_a_taken_slug_shows_at_its_field(editor, tenant, template):
    make_template(tenant, "other")

    changed = editor.post(page(template), entered(slug="other"))
    added = editor.post(ADD, entered(tenant=tenant.pk, slug="other"))

    assert list(form_errors(changed)) == ["slug"]
    assert list(form_errors(added)) == ["slug"]


def test_a_form_that_was_filled_before_somebody_elses_change_is_refused(editor, template):
    form = filled_in(editor.get(page(template)))
    services.update_template(template, author=ANA, changes={"subject": "Theirs"})

    response = editor.post(page(template), form | {"subject": "Mine"})

    assert "changed this meanwhile" in form_errors(response)["__all__"][0]
    template.refresh_from_db()
    assert template.subject == "Theirs"


def test_who_loses_a_race_after_the_check_is_told(editor, template):
    def somebody_is_faster(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "templates_app_emailtemplate" in sql:
            execute("UPDATE templates_app_emailtemplate SET version = 7", (), False, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(somebody_is_faster):
        response = editor.post(page(template), entered(subject="Mine"))

    assert response.status_code == 302
    assert "changed or deleted" in told(response)[-1]
    template.refresh_from_db()
    assert template.subject != "Mine"


def test_tracking_may_be_left_to_the_tenant(editor, template):
    assert "As the tenant" in editor.get(page(template)).content.decode()


# Versions


def test_versions_are_listed_with_author_and_a_button(editor, template):
    services.update_template(template, author=ANA, changes={"subject": "New"})

    body = editor.get(page(template)).content.decode()

    assert "ana" in body
    assert f'formaction="{LIST}{template.pk}/restore/1"' in body
    assert f'formaction="{LIST}{template.pk}/restore/2"' not in body


def test_restoring_makes_a_new_version(editor, template):
    old = template.subject
    services.update_template(template, author=ANA, changes={"subject": "New"})

    response = editor.post(f"{LIST}{template.pk}/restore/1", entered())

    assert response.status_code == 302
    template.refresh_from_db()
    assert (template.version, template.subject) == (3, old)
    assert template.current.author_name == "editor-shop"


def test_restoring_needs_a_post_a_role_and_a_version(editor, tenant, other_tenant, template):
    services.update_template(template, author=ANA, changes={"subject": "New"})
    url = f"{LIST}{template.pk}/restore/1"

    assert editor.get(url).status_code == 405
    assert editor.post(f"{LIST}{template.pk}/restore/9").status_code == 404
    assert staff(tenant, Role.VIEWER).post(url).status_code == 404
    assert staff(other_tenant, Role.OWNER).post(url).status_code == 404
    assert Client(enforce_csrf_checks=True).post(url).status_code in (302, 403)
    template.refresh_from_db()
    assert template.version == 2


def test_an_old_version_is_read_and_never_changed(editor, tenant, template):
    version = template.current
    url = f"/admin/templates_app/templateversion/{version.pk}/change/"

    response = editor.get(url)

    assert response.status_code == 200
    assert "&lt;p&gt;Hello {{ name }}&lt;/p&gt;" in response.content.decode()
    assert editor.post(url, {"subject": "x"}).status_code == 403
    assert editor.post(url.replace("change", "delete"), {"post": "yes"}).status_code == 403


# Preview


def test_the_preview_shows_names_numbers_and_dates(editor, tenant):
    template = make_template(
        tenant,
        subject="{{ customer.name }}",
        html="{% for p in products %}<p>{{ p.name }} {{ p.price|money }}</p>{% endfor %}"
        "{% if count > 1 %}{{ at|date }}{% endif %}{{ unsubscribe_url }} {{ first.lines[0].text }}",
    )

    body = editor.get(f"{LIST}{template.pk}/html").content.decode()

    assert body.count("<p>name 2,00") == 2
    assert "2026" in body
    assert "/u/preview" in body
    assert body.endswith("text")


def test_the_preview_is_a_sandboxed_answer_of_its_own(editor, tenant):
    template = make_template(tenant, html="<script>alert(1)</script><img src='https://x.test/a'>")

    shown = editor.get(page(template)).content.decode()
    answer = editor.get(f"{LIST}{template.pk}/html")

    assert f'<iframe sandbox="" src="{LIST}{template.pk}/html"' in shown
    assert "<script>alert(1)" not in shown
    assert answer.headers["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_a_preview_that_can_not_be_made_says_why(editor, tenant):
    template = make_template(tenant, html="{% for x in name %}{{ x }}{% endfor %}{{ name|upper }}")

    assert "line 1: " in editor.get(f"{LIST}{template.pk}/html").content.decode()
    assert "line 1: " in editor.get(page(template)).content.decode()


# Lists


def test_a_list_of_fifty_costs_as_many_queries_as_one_of_two(editor, tenant, account):
    def queries(path):
        with CaptureQueriesContext(connection) as seen:
            assert editor.get(path).status_code == 200
        return len(seen)

    templates = [make_template(tenant, f"t{n}", default_account=account) for n in range(2)]
    few = queries(LIST), queries(page(templates[0]))
    for number in range(2, 50):
        make_template(tenant, f"t{number}", default_account=account)
        templates[0] = services.update_template(
            templates[0], author=ANA, changes={"subject": str(number)}
        )

    assert (queries(LIST), queries(page(templates[0]))) == few


@pytest.mark.django_db(transaction=True)  # FULLTEXT sees committed rows only
def test_the_list_is_searched_by_words(editor, tenant):
    make_template(tenant, "order", html="<p>Obrigado pela compra</p>")
    make_template(tenant, "news", html="<p>Summer</p>")

    body = editor.get(LIST, {"q": "compra"}).content.decode()

    assert "order</a>" in body
    assert "news</a>" not in body
    assert editor.get(LIST, {"q": '"+('}).status_code == 200


# Deleting


def test_a_template_in_use_is_not_deleted(editor, tenant, template):
    unused = make_template(tenant, "unused")
    EmailContent.objects.create(tenant=tenant, template_version=template.current)

    editor.post(page(template, "delete"), {"post": "yes"})
    editor.post(page(unused, "delete"), {"post": "yes"})

    assert list(EmailTemplate.objects.all()) == [template]


def test_several_are_deleted_only_together(editor, tenant, template):
    others = [make_template(tenant, "a"), make_template(tenant, "b")]
    EmailContent.objects.create(tenant=tenant, template_version=template.current)
    body = {"action": "delete_selected", "post": "yes"}

    editor.post(LIST, body | {"_selected_action": [row.pk for row in (template, *others)]})
    assert EmailTemplate.objects.count() == 3
    editor.post(LIST, body | {"_selected_action": [row.pk for row in others]})
    assert list(EmailTemplate.objects.all()) == [template]


# Walls


def test_staff_of_another_tenant_reach_nothing(other_tenant, template):
    owner = staff(other_tenant, Role.OWNER)

    assert "order</a>" not in owner.get(LIST).content.decode()
    assert owner.get(page(template)).status_code == 302
    assert owner.post(page(template), entered(name="x")).status_code == 302
    assert owner.get(f"{LIST}{template.pk}/html").status_code == 404
    version = f"/admin/templates_app/templateversion/{template.current.pk}/change/"
    assert owner.get(version).status_code == 302
    template.refresh_from_db()
    assert template.name == "order"


def test_another_tenants_account_is_neither_offered_nor_taken(editor, other_tenant, template):
    foreign = make_account(make_domain(other_tenant, "foreign.test"), "secret")

    body = editor.get(page(template)).content.decode()
    response = editor.post(page(template), entered(default_account=foreign.pk))

    assert "secret@foreign.test" not in body
    assert list(form_errors(response)) == ["default_account"]


def test_a_viewer_reads_and_changes_nothing(tenant, template):
    services.update_template(template, author=ANA, changes={"text_content": "New"})
    viewer = staff(tenant, Role.VIEWER)

    assert viewer.get(page(template)).status_code == 200
    assert viewer.get(f"{LIST}{template.pk}/html").status_code == 200
    assert viewer.post(page(template), entered(name="x")).status_code == 403
    assert viewer.get(ADD).status_code == 403
    assert viewer.post(page(template, "delete"), {"post": "yes"}).status_code == 403
    assert "/restore/1" not in viewer.get(page(template)).content.decode()


def test_who_is_not_signed_in_sees_no_preview(template):
    assert Client().get(f"{LIST}{template.pk}/html").status_code == 302
