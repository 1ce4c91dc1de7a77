"""What a sender is told of a mail before it goes."""

from __future__ import annotations

import time

import pytest

from templates_app import checks
from templates_app.checks import Level, Mail, findings

GOOD = (
    '<html lang="en"><head><meta name="color-scheme" content="light dark"></head><body>'
    '<table role="presentation"><tr><td>Thank you for your order, it is on its way to you.'
    '<a href="https://shop.example/orders/1?a=b#c">Follow it</a> '
    '<a href="mailto:help@shop.example">Ask us</a> <a href="tel:+351210000000">Call</a>'
    '<img src="https://shop.example/a.png" alt="A drill" width="100"></td></tr></table>'
    "</body></html>"
)


def mail(html: str, **fields) -> Mail:
    about = {"subject": "Your order", "text": "", "source": html, "reads": ("unsubscribe_url",)}
    return Mail(html=html, **(about | fields))


def codes(html: str, **fields) -> dict[str, int | None]:
    return {found.code: found.line for found in findings(mail(html, **fields))}


def in_body(html: str) -> str:
    return GOOD.replace("</body>", f"{html}</body>")


def test_nothing_is_said_of_a_good_mail():
    assert findings(mail(GOOD)) == []


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ('<img src="https://a.example/x.png" width="1">', "no_alt"),
        ('<img alt="a" width="1">', "broken_image"),
        ('<img src="/x.png" alt="a" width="1">', "broken_image"),
        ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="a" width="1">', "data_image"),
        ('<img src="http://a.example/x.png" alt="a" width="1">', "http_image"),
        ('<img src="https://a.example/x.svg?v=1" alt="a" width="1">', "svg_image"),
        ('<img src="https://a.example/x.png" alt="a">', "no_width"),
        (
            '<a href="https://a.example"><img src="https://a.example/x.png" alt="" width="1"></a>',
            "silent_link",
        ),
        ('<a href="">x</a>', "broken_link"),
        ('<a href="#">x</a>', "broken_link"),
        ('<a href="www.shop.example">x</a>', "broken_link"),
        ('<a href="/orders">x</a>', "broken_link"),
        ('<a href="https://">x</a>', "broken_link"),
        ('<a href="https://shop">x</a>', "broken_link"),
        ('<a href="https://shop.example/a b">x</a>', "broken_link"),
        ('<a href="https://[::1/">x</a>', "broken_link"),
        ('<a href="https://shop.example:x/">x</a>', "broken_link"),
        ('<a href="mailto:nobody">x</a>', "broken_link"),
        ('<a href="javascript:alert(1)">x</a>', "broken_link"),
        ('<a href="http://shop.example/">x</a>', "http_link"),
        ("<form></form>", "unsupported"),
        ("<script></script>", "unsupported"),
        ("<video></video>", "unsupported"),
        ('<link rel="stylesheet" href="https://a.example/x.css">', "remote_style"),
        ('<div style="color:red; display: flex">x</div>', "modern_layout"),
        ("<mj-foo></mj-foo>", "unknown_mjml"),
        ("<table><tr><td>x</td></tr></table>", "table_role"),
    ],
)
def test_what_clients_hide_refuse_or_mistrust_is_found(html, code):
    assert list(codes(in_body(html))) == [code]


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://a.example/x.png" alt="" width="1">',
        '<img src="cid:logo" alt="Logo" width="1">',
        '<a name="top">Top</a><a href="#top">Up</a>',
        '<a href="https://xn--caf-dma.example/%C3%A9">x</a>',
        '<a href="https://a.example"><img src="https://a.example/a.png" alt="A" width="1"></a>',
        '<table><tr><th scope="col">Product</th></tr></table>',
    ],
)
def test_what_is_right_is_left_alone(html):
    assert codes(in_body(html)) == {}


def test_a_finding_names_its_line():
    source = '<p>\n<img src="https://a.example/x.png" width="1">\n<a href="http://b.example">b</a>'

    lines = codes(GOOD.replace("</body>", source), source=source)

    assert lines == {"no_alt": 2, "http_link": 3}


def test_a_link_from_a_variable_is_found_by_its_label():
    html, source = in_body('<a href="">Pay</a>'), '<p>\n<a href="{{ url }}">Pay</a>'

    assert codes(html, source=source) == {"broken_link": 2}


def test_our_own_links_may_lead_where_we_are():
    html = in_body('<a href="http://127.0.0.1:8000/u/preview">Unsubscribe</a>')

    assert codes(html, own_url="http://127.0.0.1:8000") == {}
    assert "http_link" in codes(html, own_url="https://mail.example")


def test_gmail_clips_beyond_102_kilobytes():
    filler = "ã" * ((102 * 1024 - len(GOOD.encode())) // 2)

    assert "clipped" not in codes(in_body(filler))
    assert "clipped" in codes(in_body(filler + "xxx"))


def test_a_newsletter_needs_a_way_out():
    [warning] = findings(mail(GOOD, reads=(), template_type=" Newsletter "))
    [note] = findings(mail(GOOD, reads=(), template_type="transactional"))

    assert (warning.code, warning.level) == ("no_unsubscribe", Level.WARNING)
    assert (note.code, note.level) == ("no_unsubscribe", Level.NOTE)


def test_the_subject_is_looked_at():
    assert "no_subject" in codes(GOOD, subject=" ")
    assert "long_subject" in codes(GOOD, subject="x" * 71)
    assert "long_subject" not in codes(GOOD, subject="x" * 70)


def test_a_mail_of_pictures_alone_is_found():
    html = '<html lang="en"><meta name="color-scheme" content="light">{}</html>'
    image = '<img src="https://a.example/x.png" alt="a" width="1">'

    assert list(codes(html.format(image))) == ["only_images"]
    assert codes(html.format(f"{'word ' * 20}{image}")) == {}


def test_language_and_dark_mode_are_asked_for():
    assert list(codes("<html><body>Text enough.</body></html>")) == ["no_language", "no_dark_mode"]
    assert "no_language" in codes('<html lang="und"></html>')


def test_warnings_come_before_notes():
    levels = [found.level for found in findings(mail("<table></table><a href=''>x</a>"))]

    assert levels == sorted(levels, key=lambda level: level is Level.NOTE)


def test_a_mail_without_html_has_a_subject_only():
    assert codes("") == {}
    assert codes(" \n") == {}
    assert codes("<!-- -->") == {}


@pytest.mark.parametrize(
    "html",
    [
        '<img src="a">' * 100_000,
        "<a>" + '<img alt="" src="a">' * 70_000,
        "<div>" * 200_000,
        "<table>" * 100_000,
        '<a href="x">' * 100_000,
        '<p style=";' + " ;" * 500_000 + '">',
    ],
)
def test_the_largest_mail_takes_no_time_and_few_lines(html):
    started = time.monotonic()

    found = findings(mail(html))

    assert len(found) <= 5 * checks.MOST_OF_A_KIND
    assert time.monotonic() - started < 20  # a hang, no measure
