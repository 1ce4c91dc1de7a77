"""What the template language takes and refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Refused
from templates_app.compilation import compile_template
from templates_app.rendering import render

SSTI = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ x['_private'] }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__ }}",
    "{{ request.application.__globals__ }}",
    "{{ config.items() }}",
    "{{ debug() }}",
    "{% debug %}",
    "{% load log %}",
    '{% include "/etc/passwd" %}',
    '{% import "os" as os %}',
    '{% from "os" import path %}',
    '{% extends "base.html" %}',
    "{% block x %}{% endblock %}",
    "{% macro m() %}{% endmacro %}",
    "{% call x() %}{% endcall %}",
    "{% set a = 1 %}",
    "{% set a %}1{% endset %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with a = 1 %}{% endwith %}",
    "{% do x %}",
    "{{ x|attr('__class__') }}",
    "{{ x|map('attr', '__class__') }}",
    "{{ x|map(attribute='__class__') }}",
    "{{ x|tojson }}",
    "{{ x|pprint }}",
    "{{ range(10) }}",
    "{{ x.upper() }}",
    "{{ dict(a=1) }}",
    "{{ loop.cycle }}{% for a in x %}{{ loop.cycle }}{% endfor %}",
    "{% for a in x recursive %}{{ loop(a) }}{% endfor %}",
]
BOMBS = [
    '{{ "x" * 300000000 }}',
    '{{ "x"|center(300000000) }}',
    '{{ "%300000000d"|format(1) }}',
    '{{ "x"|indent(200000000) }}',
    '{{ "x" % 1 }}',
    "{{ 9 ** 99999999 }}",
    "{{ a ~ a }}",
    "{{ a|join('" + "x" * 17 + "') }}",
    "{{ a|replace('', 'x') }}",
    "{{ a|replace('a', b) }}",
    "{{ a|truncate(99999999) }}",
    "{{ a|number(99999999) }}",
    "{% if a %}" * 2000 + "{% endif %}" * 2000,
    "{{ " + "(" * 20000 + " }}",
    "{{ a" + " + a" * 20000 + " }}",
    "{{ " + "-" * 20000 + "1 }}",
    "{{ " + "not " * 20000 + "1 }}",
    "{{ a" + ".a" * 20000 + " }}",
    "{{ a" + "|upper" * 20000 + " }}",
    "{{ " + "9" * 6000 + " }}",
    "{{ a }}" * 200_000,
    "x" * 1_000_001,
]


def compiled(html, **other):
    return compile_template(subject="s", html_content=html, **other)


def shown(html, /, language="en", **variables):
    return render(compiled(html), variables=variables, language=language).html


@pytest.mark.parametrize("source", SSTI + BOMBS, ids=lambda source: source[:40])
def test_what_could_leak_or_grow_is_refused_when_saved(source):
    with pytest.raises(Refused) as refused:
        compiled(source)

    assert refused.value.code == "template_error"
    assert refused.value.attr == "html_content"


def test_an_error_names_its_field_and_line():
    with pytest.raises(Refused) as refused:
        compile_template(subject="s", html_content="x", text_content="one\ntwo\n{{ a b }}")

    assert refused.value.attr == "text_content"
    assert str(refused.value).startswith("line 3: ")


@pytest.mark.parametrize(
    "source",
    [
        r'{{ "\ud800" }}',
        r'{{ "\ud83d\ude00" }}',
        r'{{ a["\udfff"] }}',
        r'{{ a|default("\ud800") }}',
        r'{{ a|date("\ud800") }}',
        r'{{ "\ud800" if a else "b" }}',
        r'{% for b in ["\ud800"] %}{% endfor %}',
        r'{% if a == "\ud800" %}{% endif %}',
    ],
)
def test_half_a_character_is_refused_wherever_a_string_stands(source):
    with pytest.raises(Refused) as refused:
        compiled(f"one\n{source}")

    assert str(refused.value) == "line 2: half of a surrogate pair is no character"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ name }}", "Ana"),
        ("{{ '😀' }}{{ '\\U0001f600' }}", "😀😀"),
        ("{{- name -}}  !", "Ana!"),
        ("{# nothing #}{{ name|upper }}", "ANA"),
        ("{% if n > 2 and not empty %}yes{% else %}no{% endif %}", "yes"),
        ("{% if n < 2 %}a{% elif n == 3 %}b{% else %}c{% endif %}", "b"),
        ("{% for i in items %}{{ loop.index }}{{ i }}{{ ',' if not loop.last }}{% endfor %}",
         "1a,2b"),
        ("{% for i in empty %}x{% else %}none{% endfor %}", "none"),
        ("{% for k, v in who|items %}{{ k }}={{ v }};{% endfor %}", "a=1;"),
        ("{{ 'x' if name == 'Ana' else 'y' }}", "x"),
        ("{{ 'x' if empty }}", ""),
        ("{{ nothing|default('-') }}", "-"),
        ("{{ empty|default('-', true) }}", "-"),
        ("{{ n + 2 }} {{ n - 5 }} {{ n / 2 }} {{ n // 2 }} {{ -n }}", "5 -2 1.5 1 -3"),
        ("{{ name + '!' }}", "Ana!"),
        ("{{ 'a' in items }} {{ 'z' not in items }} {{ 'n' in name }}", "True True True"),
        ("{{ n is odd }} {{ n is divisibleby 3 }} {{ nothing is not defined }}", "True True True"),
        ("{{ items[0] }}{{ (items|last) }}{{ who['a'] }}", "ab1"),
        ("{{ items|join(', ') }} {{ items|length }}", "a, b 2"),
        ("{% raw %}{{ name }}{% endraw %}", "{{ name }}"),
        ("a {name} {{ name }}{", "a {name} Ana{"),
        ("{{ '}}' }}{{ \"%}\" }}{{ 'a\\n\"' }}", "}}%}a\n&#34;"),
        ("{{ null }}|{{ none }}", "|"),
    ],
)  # fmt: skip
def test_the_language_means_what_jinja_means(source, expected):
    variables = {"name": "Ana", "n": 3, "items": ["a", "b"], "empty": [], "who": {"a": 1}}
    variables["null"] = None

    assert shown(source, **variables) == expected


def test_a_missing_key_with_the_name_of_a_python_method_is_missing():
    template = compiled(
        "{% if order.items %}!{% endif %}{{ order.copy|default('-') }}{{ order.pop is defined }}"
    )

    assert render(template, variables={"order": {}}, language="en").html == "-False"
    given = {"items": [1], "copy": 2, "pop": None}
    assert render(template, variables={"order": given}, language="en").html == "!2True"


def test_a_printed_list_is_refused_with_advice():
    with pytest.raises(Refused, match="loop over it"):
        shown("{{ items }}", items=[1])


FRAGMENTS = st.sampled_from(
    [
        *["{{ ", " }}", "{% if ", "{% for a in ", " %}", "{% endif %}", "{% endfor %}", "{{ a }}"],
        *["{% else %}", "{% if a %}", "{% for p in a.b %}{{ p.c }}{% endfor %}", "{% raw %}"],
        *["a", "a.b", "|upper", "|default(", "'", '"', "(", ")", "{#", "#}", "-", "1", " == "],
        *["<table>", "<tr>", "<td ", ">", "</td>", "<!--", "-->", "<style", "\n", "é", "{", "}"],
        *[" and ", "[0]", "\\"],
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAGMENTS, max_size=14).map("".join) | st.text(max_size=60))
def test_whatever_is_written_either_compiles_and_renders_or_is_refused(source):
    try:
        template = compile_template(subject=source, html_content=source, text_content=source)
        render(template, variables={"a": {"b": [{"c": 1}]}}, language="pt", allow_missing=True)
    except Refused:
        pass


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["{", "%", "}", "{{", "#", "'", '"', "-", "raw", "x"]), max_size=9))
def test_text_in_a_raw_block_comes_out_as_it_went_in(parts):
    text = "a" + "".join(parts) + "z"

    assert shown("{% raw %}" + text + "{% endraw %}") == text
