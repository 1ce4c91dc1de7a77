"""The lists of the admin as people get them, drawn with little work for each row."""

from __future__ import annotations

import pytest
from django.utils.translation import gettext, override
from lxml import html

from logs.tests.builders import an_email
from tests.staff import staff

pytestmark = pytest.mark.django_db
BOX = "django/forms/widgets/checkbox.html"
LIST = "/admin/logs/emaillog/"


@pytest.fixture
def editor(tenant):
    return staff(tenant, "editor")


def boxes(answer) -> list[html.HtmlElement]:
    return html.fromstring(answer.content).xpath("//input[@name='_selected_action']")


def test_each_rows_box_chooses_that_row_and_names_itself_in_the_readers_language(
    editor, tenant, account
):
    emails = [an_email(tenant, account=account) for _ in range(3)]

    for language in ("en", "pt", "en"):
        answer = editor.get(LIST, headers={"Accept-Language": language})
        with override(language):
            label = gettext("Select record")
        assert {box.get("value") for box in boxes(answer)} == {str(one.pk) for one in emails}
        assert {box.get("aria-label") for box in boxes(answer)} == {label}


def test_an_empty_list_says_only_what_can_be_done(editor, tenant):
    empty = editor.get(LIST).content.decode()
    narrowed = editor.get(f"{LIST}?status__exact=failed").content.decode()

    assert "There is nothing here yet." in empty
    assert "Create a new item" not in empty + narrowed
    assert "reset the filters" not in empty
    assert "Look for something else, or reset the filters." in narrowed
    assert "Reset filters" in narrowed


def test_more_rows_draw_no_more_heads_and_boxes(editor, tenant, account):
    def drawn() -> int:
        templates = [one.name for one in editor.get(LIST).templates]
        return sum(name == BOX for name in templates)

    an_email(tenant, account=account)
    editor.get(LIST)  # draws the boxes of this language
    few = drawn()
    for _ in range(5):
        an_email(tenant, account=account)

    assert 0 < few == drawn()
