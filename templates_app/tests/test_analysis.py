"""Which variables a template reads, needs and misses."""

import pytest

from templates_app.compilation import compile_template
from templates_app.rendering import missing_variables


def compiled(html):
    return compile_template(subject="s", html_content=html)


@pytest.mark.parametrize(
    ("html", "variables", "needs"),
    [
        ("{{ a }}{{ b.c.d }}{{ a }}", ["a", "b.c.d"], ["a", "b.c.d"]),
        ("{{ a['first name'] }}{{ b[0] }}", ["a.first name", "b.0"], ["a.first name", "b.0"]),
        ("{{ a|default('x') }}{{ b.c|d(c) }}", ["a", "b.c", "c"], ["c"]),
        ("{{ a|upper|default('x') }}", ["a"], []),
        ("{% if a %}{{ a }}{% endif %}", ["a"], []),
        ("{% if a %}{{ a }}{% else %}{{ a }}{% endif %}", ["a"], ["a"]),
        ("{% if not a %}x{% else %}{{ a }}{% endif %}", ["a"], []),
        ("{% if a %}x{% elif b %}{{ b }}{% else %}{{ c }}{% endif %}", ["a", "b", "c"], ["c"]),
        ("{% if a.b %}{{ a.b }}{{ a.c }}{% endif %}", ["a.b", "a.c"], ["a?.c"]),
        ("{% if a is defined %}{{ a }}{% endif %}", ["a"], []),
        ("{% if a is not defined %}x{% else %}{{ a }}{% endif %}", ["a"], []),
        ("{% if a is undefined %}x{% else %}{{ a }}{% endif %}", ["a"], []),
        ("{% if a and b %}{{ a }}{{ b }}{% endif %}", ["a", "b"], []),
        ("{% if a or b %}{{ a }}{% endif %}", ["a", "b"], ["a"]),
        ("{% if a > 3 %}x{% endif %}", ["a"], ["a"]),
        ("{% if b %}{{ a }}{% endif %}", ["b", "a"], ["a"]),
        ("{{ a if a else b }}{{ c if d }}", ["a", "b", "d", "c"], ["b", "c"]),
        ("{{ a or b }}", ["a", "b"], ["b"]),
        ("{{ a and a.b }}", ["a", "a.b"], ["a", "a?.b"]),
        ("{% for p in ps %}{{ p.n }}{{ loop.index }}{% endfor %}", ["ps", "ps[].n"],
         ["ps", "ps[].n"]),
        ("{% for p in ps|default([]) %}{{ p.n }}{% endfor %}", ["ps", "ps[].n"], ["ps?[].n"]),
        ("{% if ps %}{% for p in ps %}{{ p.n }}{% endfor %}{% endif %}", ["ps", "ps[].n"],
         ["ps?[].n"]),
        ("{% for p in ps|sort(attribute='n') %}{{ p }}{% endfor %}{{ p }}",
         ["ps", "ps[].n", "ps[]", "p"], ["ps", "ps[].n", "p"]),
        ("{% for p in ps if p.n %}{{ p.n }}{% endfor %}", ["ps", "ps[].n"], ["ps"]),
        ("{% for p in a %}{% if p.n %}{% for q in a %}{{ q.n }}{% endfor %}{% endif %}{% endfor %}",
         ["a", "a[].n"], ["a", "a[].n"]),
        ("{% for o in os %}{% for l in o.ls %}{{ l.n }}{{ o.n }}{% endfor %}{% endfor %}",
         ["os", "os[].ls", "os[].ls[].n", "os[].n"], ["os", "os[].ls", "os[].ls[].n", "os[].n"]),
        ("{% for p in p %}{{ p.n }}{% endfor %}", ["p", "p[].n"], ["p", "p[].n"]),
        ("{% for k, v in m|items %}{{ k }}{{ v.n }}{% endfor %}", ["m"], ["m"]),
        ("{{ ps|map(attribute='n')|join }}{{ (ps|first).m }}", ["ps", "ps[].n", "ps.0.m"],
         ["ps", "ps[].n", "ps.0.m"]),
        ("{{ loop }}", ["loop"], ["loop"]),
        ("{{ unsubscribe_url }}", ["unsubscribe_url"], []),
    ],
)  # fmt: skip
def test_what_is_read_and_needed(html, variables, needs):
    template = compiled(html)

    assert list(template.variables) == variables
    assert list(template.needs) == needs


@pytest.mark.parametrize(
    ("html", "data", "missing"),
    [
        ("{{ a }}", {}, ["a"]),
        ("{{ a }}", {"a": None}, []),
        ("{{ c.n }}{{ c.m }}", {"c": {}}, ["c.n", "c.m"]),
        ("{{ c.n }}", {"c": None}, ["c.n"]),
        ("{{ c.n }}", {"c": "text"}, ["c.n"]),
        ("{{ c.n }}{{ c.m.o }}", {}, ["c.n", "c.m.o"]),
        ("{% if c %}{{ c.n }}{% endif %}", {}, []),
        ("{% if c %}{{ c.n }}{% endif %}", {"c": {"x": 1}}, ["c.n"]),
        ("{% if c %}{{ c.n }}{% endif %}", {"c": {}}, []),
        ("{% for p in ps %}{{ p.n }}{% endfor %}", {}, ["ps"]),
        ("{% for p in ps %}{{ p.n }}{% endfor %}", {"ps": []}, []),
        ("{% for p in ps %}{{ p.n }}{% endfor %}", {"ps": [{"n": 1}, {}, "x"]},
         ["ps.1.n", "ps.2.n"]),
        ("{% for o in os %}{% for l in o.ls %}{{ l.n }}{% endfor %}{% endfor %}",
         {"os": [{"ls": [{"n": 1}, {}]}, {}]}, ["os.0.ls.1.n", "os.1.ls"]),
        ("{{ a[1] }}", {"a": [1]}, ["a.1"]),
        ("{{ a.items }}", {"a": {}}, ["a.items"]),
    ],
)  # fmt: skip
def test_what_is_missing(html, data, missing):
    assert missing_variables(compiled(html), data) == missing


def test_a_thousand_items_without_a_field_make_a_short_list():
    template = compiled("{% for p in ps %}{{ p.n }}{% endfor %}")

    assert len(missing_variables(template, {"ps": [{}] * 1000})) == 100


def test_subject_and_text_count_too():
    template = compile_template(subject="{{ a }}", html_content="x", text_content="{{ b }}")

    assert template.needs == ("a", "b")
