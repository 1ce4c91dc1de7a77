from __future__ import annotations

import pytest

from common.outside_html import outside_page


@pytest.mark.parametrize(
    "html",
    [
        "<iframe src=//evil.example></iframe>",
        "<IFRAME/src=//evil.example>",
        "<iFrame\n\tsrc=//evil.example>",
        "<iframe>",
        "<frameset><frame src=//evil.example></frameset>",
        "<ifr<iframe src=//evil.example>ame src=//evil.example>",
    ],
)
def test_a_page_from_outside_opens_no_frame(html):
    shown = outside_page(html).content.decode().lower()

    assert "<iframe" not in shown
    assert "<frame " not in shown


def test_a_page_from_outside_is_otherwise_shown_as_it_is():
    html = "<frameset></frameset><p title='iframe'>Olá <b>frame</b> &lt;iframe&gt;</p>"

    assert outside_page(html).content.decode() == html


def test_a_page_from_outside_runs_nothing_and_is_kept_nowhere():
    answer = outside_page("<p>Hi</p>")

    policy = answer["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; ")
    assert policy.endswith("img-src data:")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "private, no-store"


def test_remote_images_are_shown_only_when_asked_for_and_only_over_tls():
    answer = outside_page("<p>Hi</p>", with_images=True)

    assert answer["Content-Security-Policy"].endswith("img-src data: https:")
