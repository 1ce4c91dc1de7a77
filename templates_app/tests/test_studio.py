"""A draft as it would look, within the bounds of a stored template."""

from __future__ import annotations

import json
import time

import pytest

from common.errors import Refused
from templates_app import samples, studio
from templates_app.studio import Draft, Problem, show


def shown(html: str = "", **fields: str) -> studio.Shown:
    return show(Draft(html_content=html, **fields), language="pt")


def test_a_draft_is_rendered_with_its_sample_data():
    found = shown(
        "<p>{{ total|money }}</p>", subject="Hi {{ name }}", sample='{"name":"Ana","total":2.5}'
    )

    assert found.rendered.subject == "Hi Ana"
    assert found.rendered.html == "<p>2,50 €</p>"
    assert found.rendered.text == "2,50 €\n"
    assert (found.problems, found.variables, found.missing) == ((), ("name", "total"), ())


def test_without_sample_data_values_are_made():
    found = shown("{{ name }} {{ total|money }} {{ pay_url }} {{ unsubscribe_url }}")

    assert found.sample == {"name": "name", "total": 2, "pay_url": "https://example.com/pay_url"}
    assert found.rendered.html.startswith("name 2,00 € https://example.com/pay_url http")
    assert found.variables == ("name", "total", "pay_url")


def test_what_the_sample_data_lack_is_named_and_can_be_added():
    found = shown(
        "{% for p in products %}{{ p.name }} {{ p.price|money }}{% endfor %}{{ who.name }}",
        sample='{"products": [{"name": "Drill"}, {}], "own": 1}',
    )

    assert found.missing == ("products.0.price", "products.1.name", "products.1.price", "who.name")
    assert found.completed == {
        "products": [{"name": "Drill", "price": 2}, {"name": "name", "price": 2}],
        "own": 1,
        "who": {"name": "name"},
    }


def test_every_text_tells_its_first_problem_at_its_line():
    found = shown("<p>\n{% foo %}", subject="{{ a", text_content="\n\n{{ b", sample='{"a":\n}')

    assert [(one.field, one.line) for one in found.problems] == [
        ("subject", 1),
        ("html_content", 2),
        ("text_content", 3),
        ("sample_data", 2),
    ]


def test_what_only_rendering_finds_has_its_line_too():
    [problem] = shown("<p>\n\n{{ total|money }}", sample='{"total": "x"}').problems

    assert problem == Problem(field="html_content", text="this is not a number", line=3)


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [
        ("<mjml>\n<mj-body>\n<mj-section>\n</mj-body></mjml>", 4, "of line 3"),
        ("<mjml>\n<mj-body>\n<mj-section a=></mj-section></mj-body></mjml>", 3, "attribute"),
        ("<mjml>\n<mj-body>", 2, "<mj-body> is not closed"),
        (
            "<mjml>\n{{\na }}<mj-body>\n{% if x %}{% endif %}<mj-text></mj-body></mjml>",
            4,
            "mj-text",
        ),
        ("<mjml><mj-body>\n<!-- </mj-body></mjml>", 2, "comment"),
        ("<p>no MJML</p>", 1, "no <mjml>"),
        ("</mj-text>", 1, "closes nothing"),
    ],
)
def test_broken_mjml_is_told_at_its_line(source, line, text):
    [problem] = shown(source, source_format="mjml").problems

    assert (problem.field, problem.line) == ("html_content", line)
    assert text in problem.text


def test_an_unknown_mjml_element_is_found():
    source = (
        "<mjml><mj-body>\n<mj-section><mj-column><mj-foo />"
        "</mj-column></mj-section></mj-body></mjml>"
    )

    found = {one.code: one.line for one in shown(source, source_format="mjml").findings}

    assert found["unknown_mjml"] == 2


def test_nothing_is_said_of_a_template_not_yet_written():
    assert shown(" ", subject="Hello") == studio.Shown()


@pytest.mark.parametrize(
    "text",
    ["[1]", "1", "{", '{"a": NaN}', '{"a":1}}', "[" * 60_000, '{"a":"' + "x" * 100_000 + '"}'],
)
def test_sample_data_are_an_object_of_bounded_size(text):
    with pytest.raises(Refused) as refused:
        studio.read_sample(text)

    assert refused.value.attr == "sample_data"


def test_no_sample_data_are_none():
    assert studio.read_sample(" \n") == {}


def test_a_mail_too_large_to_be_shown_is_not():
    big = json.dumps({"big": "x" * 40_000, "list": list(range(50))})

    [problem] = shown("{% for one in list %}{{ big }}{% endfor %}", sample=big).problems

    assert (problem.field, problem.text) == ("html_content", "The result is too large to be shown.")


MANY = '{"x": [' + ",".join(["1"] * 2000) + "]}"
LOOPS = "{% for a in x %}{% for b in x %}{% for c in x %}{{ a }}" + "{% endfor %}" * 3


@pytest.mark.parametrize(
    "fields",
    [
        {"html": LOOPS, "sample": MANY},
        {"html": "{% for a in x %}" + "y" * 5000 + "{% endfor %}", "sample": MANY},
        {"html": "<div>" * 200_000},
        {"html": "<mjml><mj-body>" + "<mj-section>" * 60_000, "source_format": "mjml"},
        {"html": "<mjml>" + '<mj-text "' * 80_000, "source_format": "mjml"},
        {"html": "<mjml>" + "<mj-raw>{% if a %}<!--" * 3_000, "source_format": "mjml"},
        {"html": "<style>" + "a{b:c}" * 100_000 + "</style>" + "<p>x</p>" * 2000},
        {"html": "{{ a" * 200_000},
        {"html": "(" * 1_000_001},
        {"html": "{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}"},
    ],
)  # fmt: skip
def test_no_draft_takes_long_or_ends_the_process(fields):
    html = fields.pop("html")
    started = time.monotonic()

    shown(html, **fields)

    assert time.monotonic() - started < 20  # a hang, no measure


def test_samples_complete_what_is_given():
    assert samples.completed(
        {"a": {"b": 1}, "l": [], "n": [1]}, {"a": {"c": 2}, "l": [3], "z": 4}
    ) == {
        "a": {"c": 2, "b": 1},
        "l": [],
        "n": [1],
        "z": 4,
    }
