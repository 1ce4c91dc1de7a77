"""Rendering escapes, refuses what is missing or too large, and shares nothing between messages."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from common.errors import Refused, RefusedTogether
from templates_app.compilation import compile_template
from templates_app.rendering import Subjects, render

MANY = list(range(100_000))
BOMBS = {
    "nested loops": ("{% for a in xs %}{% for b in xs %}{{ a }}{% endfor %}{% endfor %}", MANY),
    "text in loops": ("{% for a in xs %}" + "y" * 900_000 + "{% endfor %}", MANY),
    "a long string again and again": ("{% for a in xs %}{{ s }}{% endfor %}", MANY),
    "reading a long string": ("{% for a in xs %}{% if s %}{% endif %}{% endfor %}", MANY),
    "reading a very long string": (
        "{% for a in xs %}{% if s %}{% endif %}{% endfor %}",
        MANY[:20_000],  # no bomb with a short string
    ),
    "long filters": ("{% for a in xs %}{% if s|title|striptags %}{% endif %}{% endfor %}", MANY),
    "join in a loop": ("{% for a in xs %}{{ xs|join(', ') }}{% endfor %}", MANY),
    "sort in a loop": ("{% for a in xs %}{% if xs|sort %}{% endif %}{% endfor %}", MANY),
    "search in a loop": ("{% for a in xs %}{% if 'z' in s %}{% endif %}{% endfor %}", MANY),
    "replace upon replace": (
        "{{ s" + ("|replace('<', '" + "<" * 100 + "')") * 6 + " }}",
        [],
    ),
    "a huge number": ("{% for a in xs %}{{ n }}{% endfor %}", MANY),
}


def compiled(html="x", subject="s", text=""):
    return compile_template(subject=subject, html_content=html, text_content=text)


def test_html_is_escaped_and_subject_and_text_are_not():
    template = compiled("<p>{{ n }}</p>{{ n|safe }}", "{{ n }}", "{{ n }}")

    message = render(template, variables={"n": "<b>'/"}, language="en")

    assert message.html == "<p>&lt;b&gt;&#39;/</p><b>'/"
    assert message.subject == "<b>'/"
    assert message.text == "<b>'/"


def test_every_missing_variable_is_named():
    template = compiled("{{ customer.name }}{{ total }}")

    with pytest.raises(RefusedTogether) as refused:
        render(template, variables={"customer": {}}, language="en")

    found = [(one.code, one.attr) for one in refused.value.refusals]
    assert found == [
        ("missing_variable", "variables.customer.name"),
        ("missing_variable", "variables.total"),
    ]


def test_a_preview_shows_what_is_missing_as_nothing():
    template = compiled("a{{ customer.name|upper }}{{ total|money }}b")

    assert render(template, variables={}, language="en", allow_missing=True).html == "ab"


@pytest.mark.parametrize("character", "\n\r\x00\x0b\x0c\x1c\x1e\x85\u2028\u2029\x7f")
def test_a_control_character_in_a_rendered_subject_is_refused(character):
    template = compiled(subject="\n Hello {{ name }} \n")

    with pytest.raises(Refused) as refused:
        Subjects(template, shared={}, language="en").of({"name": f"x{character}Bcc: e@x.test"})

    assert (refused.value.code, refused.value.attr) == ("invalid", "subject")
    assert Subjects(template, shared={}, language="en").of({"name": "Ana"}) == "Hello Ana"


OWN_VARIABLES = [
    {},
    {"name": "Ana"},
    {"name": "Ana", "shop": {"city": "Porto"}},
    {"name": "Ana", "shop": {}},
    {"name": "Ana", "shop": None, "items": [{}]},
    {"name": "Ana", "items": [{"price": "1"}], "unread": 1},
]


@pytest.mark.parametrize("shared", [{"shop": {"city": "Lisboa"}, "items": [{"price": 2}]}, {}])
def test_a_subject_of_many_is_that_of_one_message_with_all_variables(shared):
    html = "{{ name }}{{ shop.city }}{% for item in items %}{{ item.price }}{% endfor %}"
    template = compiled(html, "{{ name }} in {{ shop.city }}")
    subjects = Subjects(template, shared=shared, language="en")

    def outcome(subject):
        try:
            return subject()
        except RefusedTogether as refused:
            return [(one.code, one.attr) for one in refused.refusals]

    for own in OWN_VARIABLES:
        alone = outcome(
            lambda own=own: render(template, variables=shared | own, language="en").subject
        )
        assert outcome(lambda own=own: subjects.of(own)) == alone


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name):
    html, many = BOMBS[name]
    variables = {"xs": many, "s": "<a " * 1_000_000, "n": 10**4000}

    with pytest.raises(Refused) as refused:
        render(compiled(html, text="x"), variables=variables, language="en")

    assert refused.value.code == "template_error"
    assert refused.value.attr == "html_content"


def test_a_report_of_two_thousand_rows_is_no_bomb():
    html = "{% for r in rows %}<tr><td>{{ r.a }}</td><td>{{ r.b|money }}</td></tr>{% endfor %}"
    rows = [{"a": f"item {n}", "b": n} for n in range(2000)]

    message = render(compiled(f"<table>{html}</table>"), variables={"rows": rows}, language="pt")

    assert message.html.count("<tr>") == 2000
    assert "1.999,00 €" in message.text


def test_only_plain_data_reaches_a_template():
    class Account:
        password = "canary"

    with pytest.raises(Refused) as refused:
        render(compiled("{{ a.password }}"), variables={"a": Account()}, language="en")

    assert refused.value.attr == "variables"


def test_decimals_and_dates_read_as_they_are_stored():
    variables = {"d": Decimal("1.50"), "t": datetime(2026, 1, 2, 3, 4, tzinfo=UTC)}

    message = render(
        compiled("{{ d }} {{ d|money }} {{ t|date }}"), variables=variables, language="pt"
    )

    assert message.html == "1.50 1,50 € 02/01/2026"


def test_what_json_would_store_differently_is_shown_as_it_is_stored():
    class Name(str):
        def __html__(self):
            return "<b>trusted?</b>"

    variables = {"name": Name("<i>"), "pair": (1, 2), "by_number": {1: "one"}, "long": 10**18}
    template = compiled(
        "{{ name }} {{ pair|join('-') }} {% for k in by_number %}{{ k is string }}{% endfor %}"
        " {{ long is string }}"
    )

    assert render(template, variables=variables, language="en").html == "&lt;i&gt; 1-2 True True"


def test_numbers_truth_and_nothing_print_the_same_in_html_and_text():
    template = compiled("{{ i }}|{{ f }}|{{ yes }}|{{ none }}|{{ s }}", text="{{ i }}|{{ s }}")
    variables = {"i": -7, "f": 1e20, "yes": True, "none": None, "s": "é" * 120 + "&"}

    message = render(template, variables=variables, language="en")

    assert message.html == "-7|1e+20|True||" + "é" * 120 + "&amp;"
    assert message.text == "-7|" + "é" * 120 + "&"


def test_a_render_leaves_the_variables_as_they_were():
    template = compiled(
        "{{ xs|sort|join(',') }}{{ xs|reverse|join(',') }}{{ xs|unique|join(',') }}"
        "{% for r in rows|sort(attribute='a', reverse=true) %}{{ r.a }}{% endfor %}"
    )
    variables = {"xs": [2, 1, 2], "rows": [{"a": 1}, {"a": 2}]}
    before = deepcopy(variables)

    assert render(template, variables=variables, language="en").html == "1,2,22,1,22,121"
    assert variables == before


def test_variables_that_hold_themselves_are_refused():
    xs = []
    xs.append(xs)

    with pytest.raises(Refused) as refused:
        render(compiled("{{ xs|length }}"), variables={"xs": xs}, language="en")

    assert refused.value.attr == "variables"


def test_what_a_template_does_not_read_does_not_matter():
    assert render(compiled("a"), variables={"unused": object()}, language="en").html == "a"


def test_messages_rendered_at_once_keep_to_themselves():
    template = compiled("{% for t in ts %}{{ t|money }} {{ w }} {% endfor %}", "{{ w }}")

    def one(number):
        language = "pt" if number % 2 else "en"
        variables = {"w": f"token{number}", "ts": [number] * 20}
        return render(template, variables=variables, language=language, cache_key="k")

    with ThreadPoolExecutor(4) as pool:
        messages = list(pool.map(one, range(200)))

    for number, message in enumerate(messages):
        amount = f"{number},00 €" if number % 2 else f"€{number}.00"
        assert message.subject == f"token{number}"
        assert message.html == f"{amount} token{number} " * 20


def test_each_cache_key_has_its_own_template():
    first = render(compiled("one"), variables={}, language="en", cache_key="version:1")
    second = render(compiled("two"), variables={}, language="en", cache_key="version:2")

    assert (first.html, second.html) == ("one", "two")
