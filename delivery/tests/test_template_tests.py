"""Sending a draft to oneself from the studio."""

from __future__ import annotations

import pytest

from delivery.models import Suppression
from logs.models import EmailLog
from tenants.models import Role
from tests.factories import make_template
from tests.staff import staff

URL = "/admin/delivery/sendbatch/test-template/{}"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def editor(tenant):
    return staff(tenant, Role.EDITOR)


@pytest.fixture
def template(tenant, account):
    return make_template(tenant, default_account=account)


def send(client, template, **fields):
    given = {"to_address": "ana@example.com", **fields}
    return client.post(URL.format(template.pk), given, headers=HTMX)


def test_the_draft_goes_out_as_it_is_written(editor, template, account):
    response = send(
        editor,
        template,
        subject="Hi {{ name }}",
        html_content="<b>{{ total|money }}</b>",
        sample_data='{"name": "Ana", "total": 2}',
    )

    email = EmailLog.objects.get()
    assert (email.to_address, email.subject, email.tags) == ("ana@example.com", "Hi Ana", ["test"])
    assert (email.account, email.template) == (account, None)
    assert email.content.html == "<b>2,00 €</b>"
    assert f"/admin/logs/emaillog/{email.pk}/change/" in response.content.decode()
    template.refresh_from_db()
    assert template.version == 1


def test_without_a_script_the_stored_version_goes(editor, template):
    response = editor.post(URL.format(template.pk), {"to_address": "ana@example.com"})

    assert response.status_code == 302
    assert response["Location"] == f"/admin/templates_app/emailtemplate/{template.pk}/change/"
    assert EmailLog.objects.get().content.html == "<p>Hello name</p>"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"to_address": ""}, "address"),
        ({"to_address": "no address"}, "address"),
        ({"html_content": "{% foo %}"}, "unknown tag"),
        ({"sample_data": '{"name": 1}'}, "number"),
        ({"sample_data": "x"}, "Expecting value"),
        ({"subject": "{{ x }}", "sample_data": '{"x": "a\\nb", "name": 1}'}, "control character"),
        ({"to_address": "gone@example.com"}, "suppressed"),
        ({"html_content": "", "text_content": ""}, "nothing to send"),
    ],
)
def test_what_can_not_be_sent_says_why(editor, tenant, template, fields, why):
    Suppression.objects.create(tenant=tenant, address="gone@example.com", reason="manual")

    body = send(editor, template, **fields).content.decode()

    assert 'role="alert"' in body
    assert why in body
    assert not EmailLog.objects.exists()


def test_without_an_account_it_is_refused(editor, tenant):
    body = send(editor, make_template(tenant)).content.decode()

    assert "account" in body
    assert not EmailLog.objects.exists()


def test_only_who_may_change_the_template_sends_it(tenant, other_tenant, template):
    viewer, owner = staff(tenant, Role.VIEWER), staff(other_tenant, Role.OWNER)

    unknown = owner.post(URL.format(999_999), headers=HTMX)
    assert [send(client, template).status_code for client in (viewer, owner)] == [404, 404]
    assert send(owner, template).content == unknown.content
    assert not EmailLog.objects.exists()


def test_it_takes_a_post(editor, template):
    assert editor.get(URL.format(template.pk)).status_code == 405
