"""The starting points are good mails in every language."""

from __future__ import annotations

import itertools

import pytest

from templates_app import starting, studio
from templates_app.clients import Client, as_shown_by

CODES = [f"{name}.{code}" for name, code in itertools.product(starting.NAMES, starting.LANGUAGES)]


def shown(point: starting.StartingPoint) -> studio.Shown:
    draft = studio.Draft(
        subject=point.subject,
        html_content=point.html_content,
        source_format="mjml",
        sample=studio.written(point.sample_data),
        template_type=point.template_type,
    )
    return studio.show(draft, language=point.language)


@pytest.mark.parametrize("code", CODES)
def test_it_renders_without_a_warning_and_without_a_gap(code):
    found = shown(starting.starting_point(code))

    assert (found.problems, found.missing) == ((), ())
    assert {one.code for one in found.findings} <= {"no_unsubscribe"}
    assert [one.level for one in found.findings if one.level == "warning"] == []
    assert "[[" not in found.rendered.html + found.rendered.subject + found.rendered.text
    assert len(found.rendered.html) < 30_000


@pytest.mark.parametrize("code", CODES)
def test_outlook_gets_tables_and_the_dark_its_colours(code):
    html = shown(starting.starting_point(code)).rendered.html

    assert 'width="600"' in as_shown_by(Client.OUTLOOK, html)
    assert "@media (min-width: 0)" in as_shown_by(Client.DARK, html)
    assert f'lang="{code.partition(".")[2].lower()}"' in html.lower()


def test_the_sample_data_hold_nothing_that_is_not_read():
    for code in CODES:
        point = starting.starting_point(code)
        read = {path.partition(".")[0].partition("[")[0] for path in shown(point).variables}
        assert read == set(point.sample_data), code


def test_a_company_signs_it_whatever_it_is_called():
    point = starting.starting_point("invitation.pt", company="Ferro & {{ 7*7 }}<b>{% x %}")

    html = shown(point).rendered.html
    assert "Ferro &amp;  7*7 &lt;b&gt; x" in html
    assert "49" not in html.partition("Ferro")[2][:30]


@pytest.mark.parametrize(
    "code", ["", "x", "newsletter", "newsletter.xx", "../newsletter.pt", "newsletter.pt\n"]
)
def test_there_are_no_others(code):
    assert starting.starting_point(code) is None
    assert starting.rendered(code) is None
