"""Compiling keeps template tags where they stood, in HTML, MJML and the text made from them."""

import pytest

from common.errors import Refused
from templates_app.compilation import compile_template
from templates_app.rendering import render

SHOP = {
    "name": "Ana & Zé",
    "url": "https://shop.test/?a=1&b=2",
    "color": "#123456",
    "vip": True,
    "products": [{"name": "Saw", "price": 10}, {"name": "Nail", "price": 0.5}],
}
FOSTERED = "<table>{% for p in products %}<p>{{ p.name }}</p>{% endfor %}</table>"
ROWS = (
    "{% for p in products %}<tr><td>{{ p.name }}</td><td>{{ p.price|money }}</td></tr>{% endfor %}"
)


def message(html, source_format="html", text=""):
    template = compile_template(
        subject="s", html_content=html, source_format=source_format, text_content=text
    )
    return render(template, variables=SHOP, language="en")


def refusal(html, source_format="html"):
    with pytest.raises(Refused) as refused:
        message(html, source_format)
    assert (refused.value.code, refused.value.attr) == ("template_error", "html_content")
    return str(refused.value)


def test_html_without_a_style_sheet_stays_as_written():
    html = "<!DOCTYPE html>\n<HTML><body ><p>a<br/>&nbsp;b</P>"

    assert message(html).html == html


def test_a_loop_over_rows_survives_inlining():
    html = message(f"<style>td {{ color: red }}</style><table>{ROWS}</table>").html

    assert html.count('<tr><td style="color: red;">') == 2
    assert html.index("<table>") < html.index("Saw") < html.index("Nail") < html.index("</table>")
    assert "<style>" not in html


def test_tags_survive_wherever_they_stand():
    html = message(
        "<html><head><title>{{ name }}</title>"
        "<style>p { color: {{ color }} } @media (max-width: 9px) { p { margin: 0 } }</style></head>"
        "<body><!-- {{ name }} --><p {% if vip %}id=\"v\"{% endif %} "
        "class=\"{% if vip %}a{% else %}b{% endif %}\" "
        "{% if not vip %}dir=ltr{% else %}dir=rtl{% endif %}>"
        "{% if 2 > 1 %}&lt;{{ name }}{% endif %}</p>"
        '<a href="{{ url }}">x</a></body></html>'
    ).html  # fmt: skip

    assert "<title>Ana &amp; Zé</title>" in html
    assert 'class="a"' in html
    assert 'id="v"' in html
    assert " dir=rtl" in html
    assert 'style="color: #123456;"' in html
    assert ">&lt;Ana &amp; Zé</p>" in html
    assert 'href="https://shop.test/?a=1&amp;b=2"' in html
    assert "@media" in html


def test_mjml_is_compiled_around_its_tags():
    html = message(
        "<mjml><mj-head><mj-style>p { margin: 1px }</mj-style></mj-head><mj-body>"
        "{% if vip %}<mj-section><mj-column>"
        "<mj-text>Hi {{ name }} {% if vip %}<p>!</p>{% endif %}</mj-text>"
        f"<mj-table>{ROWS}</mj-table>"
        '<mj-button href="{{ url }}">Pay {{ name }}</mj-button>'
        "<mj-raw>{% for p in products %}<b>{{ p.name }}</b>{% endfor %}</mj-raw>"
        "</mj-column></mj-section>{% endif %}</mj-body></mjml>",
        "mjml",
    ).html

    assert "<mj-" not in html
    assert "Hi Ana &amp; Zé" in html
    assert html.index("<table") < html.index("Saw</td>") < html.index("Nail</td>")
    assert 'href="https://shop.test/?a=1&amp;b=2"' in html
    assert "<b>Saw</b><b>Nail</b>" in html
    assert "fonts.googleapis.com" not in html


def test_a_style_sheet_elsewhere_is_not_fetched():
    html = message(
        '<link rel="stylesheet" href="http://127.0.0.1:9/a.css"><style>p{}</style><p>a'
    ).html

    assert "<p>a</p>" in html


@pytest.mark.parametrize(
    ("html", "source_format"),
    [
        ('<mjml><mj-body><mj-include path="/etc/passwd" /></mj-body></mjml>', "mjml"),
        ("<mjml><mj-body>", "mjml"),
        ("<mjml><mj-body>" + "<mj-wrapper>" * 20_000, "mjml"),
        ("<style>p{}</style>" + "<div>" * 150_000, "html"),
        ("<style>{% if vip %}p { color: red }{% endif %}</style>", "html"),
        ("<style>p{}</style>" + FOSTERED, "html"),
        ("<style>p{}</style><p {% if vip %}class=a>{% else %}class=b>{% endif %}", "html"),
    ],
)
def test_what_cannot_be_compiled_is_refused(html, source_format):
    assert refusal(html, source_format).startswith("line 1: ")


def test_the_text_is_derived_with_its_loops_and_links():
    text = message(
        "<html><head><title>no</title><style>p{}</style></head><body><h1>Hello   {{ name }}</h1>"
        "<p>First<br>second {% if vip %}<b>line</b>{% endif %}</p>"
        f"<table><tr><th>Name</th><th>Price</th></tr>{ROWS}</table>"
        "<ul><li>one<li>two</ul><p><a href='{{ url }}'>Pay</a> "
        "<a href='mailto:a@b.test'>a@b.test</a></p><img alt='Logo' src='x'></body></html>"
    ).text

    assert text == (
        "Hello Ana & Zé\n\nFirst\nsecond line\n\nName Price\nSaw €10.00\nNail €0.50\n\n"
        "- one\n- two\n\nPay (https://shop.test/?a=1&b=2) a@b.test\n\nLogo\n"
    )


def test_a_tag_around_the_whole_page_reaches_the_text():
    text = message("{% if vip %}<!doctype html><html><body>a</body></html>{% endif %}").text

    assert text.strip() == "a"


def test_html_filters_leave_no_trace_in_the_derived_text():
    text = message("<p>{{ name|e }}</p><p>{{ name|nl2br }}</p>{{ '<b>bold</b>'|safe }}").text

    assert "&amp;" not in text
    assert "<b>" not in text
    assert "bold" in text


def test_a_text_of_ones_own_wins():
    assert message("<p>html</p>", text="own {{ name }}").text == "own Ana & Zé"
