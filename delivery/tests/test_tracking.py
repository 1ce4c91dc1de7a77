"""What tracking changes in a message's HTML, and that it changes nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.tracking import tracked

PIXEL = '<img src="https://t.test/o.gif" alt="" width="1" height="1" style="border:0">'


def with_links(html: str) -> tuple[str, list[str]]:
    """The HTML with ``[n]`` for each link, and the targets that were asked about."""
    targets: list[str] = []

    def link_of(target: str) -> str | None:
        targets.append(target)
        return f"[{len(targets)}]" if target.lower().startswith("http") else None

    return tracked(html, link_of=link_of, pixel=""), targets


@pytest.mark.parametrize(
    ("html", "expected", "target"),
    [
        ('<a href="https://x.test/">x</a>', '<a href="[1]">x</a>', "https://x.test/"),
        ("<A HREF = 'HTTPS://x.test/'>", "<A HREF = '[1]'>", "HTTPS://x.test/"),
        ("<a class=b href=http://x.test/a/>", "<a class=b href=[1]>", "http://x.test/a/"),
        ('<area\nhref="https://x.test"/>', '<area\nhref="[1]"/>', "https://x.test"),
        ('<a href=" https://x.test ">', '<a href="[1]">', "https://x.test"),
        ('<a title="a > b" href="http://x">', '<a title="a > b" href="[1]">', "http://x"),
        ("<a title=it's href='http://x'>", "<a title=it's href='[1]'>", "http://x"),
        ('<a href="http://x" href="http://y">', '<a href="[1]" href="http://y">', "http://x"),
        ('<a href="http://x?a=1&amp;b=2">', '<a href="[1]">', "http://x?a=1&b=2"),
        ('<a href="http://x?a=1&b=2">', '<a href="[1]">', "http://x?a=1&b=2"),
        ('<a href="http://x?a&copy=1&region=2">', '<a href="[1]">', "http://x?a&copy=1&region=2"),
        ('<a href="http://x?q=&quot;&#39;&lt;">', '<a href="[1]">', "http://x?q=\"'<"),
        ('<a href="http://x/ção">', '<a href="[1]">', "http://x/ção"),
        ("1 < 2 <a href='http://x'>", "1 < 2 <a href='[1]'>", "http://x"),
        ("<!--[if !mso]><!--><a href='http://x'>", "<!--[if !mso]><!--><a href='[1]'>", "http://x"),
    ],
)
def test_the_target_of_a_link_is_replaced_and_nothing_else(html, expected, target):
    assert with_links(html) == (expected, [target])


def test_a_link_is_tracked_wherever_it_stands_again_and_however_long_its_tag_is():
    tag = '<a class="button" href="https://x.test/a">'
    long = f'<a title="{"t" * 5_000}" href="https://x.test/b">'

    html, targets = with_links(f"{tag}one</a> and {tag}two</a>{long}three</a>{tag}")

    assert targets == [f"https://x.test/{which}" for which in "aaba"]
    assert html == (
        '<a class="button" href="[1]">one</a> and <a class="button" href="[2]">two</a>'
        f'<a title="{"t" * 5_000}" href="[3]">three</a><a class="button" href="[4]">'
    )


@pytest.mark.parametrize(
    "html",
    [
        '<a href="mailto:ana@example.com">',
        '<a href="tel:+351">',
        '<a href="#top">',
        '<a href="/relative">',
        '<a href="//evil.test">',
        '<a href="javascript:alert(1)">',
        '<a href="">',
        "<a href>",
        '<a name="x">',
        '<abbr href="https://x.test">',
        '<link href="https://x.test">',
        '<img src="https://x.test">',
        '<!-- <a href="https://x.test"> -->',
        '<!--[if mso]><a href="https://x.test"><![endif]-->',
        '<style>a:after{content:"<a href=https://x.test>"}</style>',
        '<textarea><a href="https://x.test"></textarea>',
        "<td title='<a href=\"https://x.test\">'>",
        '</a href="https://x.test">',
        '<a href="https://x.test',
        '<!-- <a href="https://x.test">',
        "https://x.test in words",
    ],
)
def test_what_is_no_web_link_stays(html):
    assert with_links(html)[0] == html


def test_a_link_that_asks_for_it_is_not_tracked_and_loses_the_question():
    html = '<a data-no-track href="https://x.test">a</a> <a href="http://y" DATA-NO-TRACK="1">b</a>'

    assert with_links(html) == ('<a href="https://x.test">a</a> <a href="http://y">b</a>', [])


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<body><p>x</p></body></html>", f"<body><p>x</p>{PIXEL}</body></html>"),
        ("<BODY>x</BODY>", f"<BODY>x{PIXEL}</BODY>"),
        ("<body>x</Body >", f"<body>x{PIXEL}</Body >"),
        ("</body><body></body>", f"</body><body>{PIXEL}</body>"),
        ("İ<p>x</p>", f"İ<p>x</p>{PIXEL}"),
    ],
)
def test_the_pixel_stands_at_the_end_of_the_body(html, expected):
    assert tracked(html, link_of=None, pixel="https://t.test/o.gif") == expected


PARTS = st.sampled_from(
    [
        *("<a ", "<a", "href=", '"', "'", ">", "<", "/", "=", " ", "https://x.test", "<!--", "-->"),
        *("<style>", "</style>", "<title ", "<p ", "x", "é", "\0", "</body>", "&#x0", "\r\n"),
        *("<area/", "&amp;"),
    ]
)


@given(st.lists(PARTS, max_size=60).map("".join) | st.text())
def test_no_html_breaks_it_and_only_links_change(html):
    mark = "\ue000"

    made = tracked(html, link_of=lambda target: mark, pixel="")

    pieces = (re.escape(piece) for piece in made.split(mark))
    assert re.fullmatch(".*".join(pieces), html, re.DOTALL)
    assert tracked(html, link_of=lambda target: None, pixel="") == html


@pytest.mark.parametrize(
    "part",
    [
        *("<", "<a ", '<a href="', "<a b=c ", "<a/", "<!--", "<p ", "<p =", '<p="', "<style>"),
        *("</body", "<a      ", "<a href='https://x'>", "<a ='<!--\"", "&amp", '<a href="&'),
    ],
)
def test_long_hostile_html_takes_time_by_its_length_alone(part):
    """A pass that looked back would take minutes for these, and the suite's limit would end it."""
    html = part * (2_000_000 // len(part))

    assert len(tracked(html, link_of=lambda target: None, pixel="x")) > len(html)
