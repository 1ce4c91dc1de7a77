"""A mail as other clients show it, and where its frame scrolls to."""

from __future__ import annotations

import time

import pytest

from templates_app.clients import MARK, Client, as_shown_by, marked

STYLED = (
    "<style>@media (prefers-color-scheme: dark) { p { color: white } }"
    "@media (max-width: 480px) { p { color: red } }</style><p>x</p>"
)


def test_a_mail_without_colours_of_its_own_stays_as_it_is():
    assert as_shown_by(Client.USUAL, "<p>x</p>") == "<p>x</p>"


def test_light_is_light_on_a_dark_screen_too():
    declared = '<meta name="color-scheme" content="light dark">'

    shown = as_shown_by(Client.USUAL, declared + STYLED)

    assert "@media (max-width: 0) { p { color: white } }" in shown
    assert "@media (max-width: 480px) { p { color: red } }" in shown
    assert shown.endswith(":root{color-scheme:light}</style>")


def test_in_the_dark_the_dark_rules_count():
    dark = as_shown_by(Client.DARK, STYLED + "<style>@media (prefers-color-scheme:light){}</style>")

    assert "@media (min-width: 0) { p { color: white } }" in dark
    assert "@media (max-width: 0){}" in dark


def test_the_canvas_is_dark_only_for_a_mail_that_knows_it():
    declared = '<meta name="color-scheme" content="light dark">'

    assert ":root{color-scheme:dark}" in as_shown_by(Client.DARK, declared)
    assert ":root{color-scheme:dark}" not in as_shown_by(Client.DARK, "<p>x</p>")


def test_inverted_colours_leave_pictures_alone():
    assert "img,video,[background]{filter:invert(1)" in as_shown_by(Client.INVERTED, "<p>x</p>")


def test_outlook_reads_its_own_comments_and_no_media_queries():
    html = (
        "<!--[if mso | IE]><table><tr><td><![endif]--><p>a</p>"
        "<!--[if !mso]><!--><b>others</b><!--<![endif]-->"
        "<!--[if lte mso 11]><i>old</i><![endif]-->"
        '<td style="mso-padding-alt:10px 25px">' + STYLED
    )

    shown = as_shown_by(Client.OUTLOOK, html)

    assert shown.startswith("<table><tr><td><p>a</p><!--[if lte mso 11]>")
    assert "others" not in shown
    assert 'style="padding:10px 25px"' in shown
    assert "@media (max-width: 480px)" not in shown
    assert "border-radius:0!important" in shown


@pytest.mark.parametrize("client", list(Client))
@pytest.mark.parametrize(
    "part",
    [
        "<!--[if mso]>",
        "<!--[if !mso]><!-->",
        "<!--[if ",
        "@media",
        "color-scheme",
        "(   ",
        "<!--[if mso",
    ],
)
def test_no_mail_takes_long(client, part):
    started = time.monotonic()

    as_shown_by(client, part * (1_500_000 // len(part)))

    assert time.monotonic() - started < 20  # a hang, no measure


HTML = (
    "<head><title>Your order</title></head>"
    '<body><p title="Your order">Hi</p><p>Your order</p></body>'
)


@pytest.mark.parametrize(
    ("near", "before"),
    [
        ("<p>\n  <td class='x'>Your order", "<p>Your order</p></body>"),
        ("<p>Your order</p>\n<p>{{ name }}{% if a %}", "<p>Your order</p></body>"),
        ("Nowhere in it", None),
        ("", None),
        ("Hi", None),
    ],
)
def test_the_frame_scrolls_to_the_words_before_the_cursor(near, before):
    shown = marked(HTML, near)

    assert shown.replace(MARK, "") == HTML
    assert (MARK in shown) is (before is not None)
    if before:
        assert f"<p>{MARK}Your order</p></body>" in shown
