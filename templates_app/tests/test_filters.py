"""Filters write what people of that language expect, and say what is wrong with a value."""

import pytest

from common.errors import Refused
from templates_app.compilation import compile_template
from templates_app.rendering import render


def shown(expression, value=None, *, language="pt"):
    template = compile_template(
        subject="s", html_content="x", text_content=f"{{{{ {expression} }}}}"
    )
    return render(template, variables={"x": value}, language=language).text


@pytest.mark.parametrize(
    ("language", "expression", "value", "expected"),
    [
        ("pt", "x|money", 1234.5, "1.234,50 €"),
        ("pt", "x|money", "1234.505", "1.234,51 €"),
        ("pt", "x|money", -0.004, "0,00 €"),
        ("pt", "x|money", -12, "-12,00 €"),
        ("pt-PT", "x|money", 0, "0,00 €"),
        ("pt-br", "x|money('BRL')", 1234.5, "R$ 1.234,50"),
        ("pt_BR", "x|money(currency='BRL')", -1, "-R$ 1,00"),
        ("en", "x|money", 1234.5, "€1,234.50"),
        ("en", "x|money('JPY')", 1234.5, "¥1,235"),
        ("en", "x|money('SEK')", 1, "SEK 1.00"),
        ("pt", "x|money", None, ""),
        ("pt", "x|number", 1234567, "1.234.567"),
        ("pt", "x|number(2)", 0.125, "0,13"),
        ("en", "x|number(decimals=1)", "1234", "1,234.0"),
        ("pt", "x|date", "2026-01-31", "31/01/2026"),
        ("pt", "x|date('long')", "2026-03-01T10:30:00Z", "1 de março de 2026"),
        ("pt-br", "x|date(style='long')", "2026-12-01", "1 de dezembro de 2026"),
        ("en", "x|date", "2026-01-31", "Jan 31, 2026"),
        ("en", "x|date('long')", "2026-01-31", "January 31, 2026"),
        ("pt", "x|datetime", "2026-01-31T09:05:00+01:00", "31/01/2026 09:05"),
        ("en", "x|datetime('long')", "2026-01-31T09:05:00", "January 31, 2026, 09:05"),
        ("xx", "x|money", 1, "€1.00"),
    ],
)
def test_values_are_written_as_the_language_writes_them(language, expression, value, expected):
    assert shown(expression, value, language=language) == expected


@pytest.mark.parametrize(
    ("expression", "value", "expected"),
    [
        ("x|title", "joão d'ávila", "João D'ávila"),
        ("x|capitalize", "OLÁ", "Olá"),
        ("x|trim|lower", "  A ", "a"),
        ("x|truncate(5)", "abcdefgh", "abcd…"),
        ("x|truncate(8)", "abcdefgh", "abcdefgh"),
        ("x|replace('a', 'bb')", "aXa", "bbXbb"),
        ("x|urlencode", "a b/é&", "a%20b%2F%C3%A9%26"),
        ("x|striptags", "<p>a<br>b &amp; c</p>", "a b & c"),
        ("x|nl2br", "a<\nb", "a&lt;<br>\nb"),
        ("x|first", [1, 2], "1"),
        ("x|last", [], ""),
        ("x|join('-', attribute='n')", [{"n": 1}, {"n": "b"}], "1-b"),
        ("x|map(attribute='n')|join", [{"n": 1}, {"n": 2}], "12"),
        ("x|sort|join(' ')", ["b", "A", "c"], "A b c"),
        ("x|sort(attribute='n', reverse=true)|map(attribute='n')|join", [{"n": 1}, {"n": 9}], "91"),
        ("x|unique|reverse|join", ["a", "b", "a"], "ba"),
        ("x|round(1)", 2.25, "2.3"),
        ("x|round", "2.5", "3"),
        ("x|int + 1", "41", "42"),
        ("x|int(7)", "no", "7"),
        ("x|float", "1.5", "1.5"),
        ("x|abs", -2, "2"),
        ("x|length", "abc", "3"),
    ],
)
def test_a_filter_gives_what_its_name_says(expression, value, expected):
    assert shown(expression, value) == expected


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("x|money", "many"),
        ("x|money", [1]),
        ("x|money", True),
        ("x|money", 1e300),
        ("x|money", "9" * 100),
        ("x|number", "nan"),
        ("x|date", "31/01/2026"),
        ("x|date", 20260131),
        ("x|upper", {"a": 1}),
        ("x|join", 3),
        ("x|items", [1]),
        ("x / 0", 1),
        ("x < 'a'", 1),
        ("x == x", [1]),
        ("x - 1", "a"),
        ("x|unique", [[1]]),
    ],
)
def test_an_unsuitable_value_is_refused_with_the_line(expression, value):
    with pytest.raises(Refused) as refused:
        shown(expression, value)

    assert refused.value.code == "template_error"
    assert refused.value.attr == "text_content"
    assert str(refused.value).startswith("line 1: ")


@pytest.mark.parametrize(
    "expression",
    [
        *["x|money('euro')", "x|money(y)", "x|date('medium')", "x|round(99)", "x|upper(1)"],
        *["x|replace('a')", "x|map('upper')", "x|money('EUR', currency='EUR')", "x|join(sep='x')"],
    ],
)
def test_unsuitable_arguments_are_refused_when_saved(expression):
    with pytest.raises(Refused, match="line 1: "):
        shown(expression, 1)
