"""Domain names: what is taken, how it is written down, what is refused."""

from __future__ import annotations

import pytest

from common.errors import Refused
from domains.names import display_domain, normalize_domain


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("alitools.pt", "alitools.pt"),
        ("AliTools.PT", "alitools.pt"),
        ("alitools.pt.", "alitools.pt"),
        ("mail.shop.alitools.test", "mail.shop.alitools.test"),
        ("shop.example", "shop.example"),
        ("shop.localhost", "shop.localhost"),
        ("bücher.de", "xn--bcher-kva.de"),
        ("BÜCHER.de", "xn--bcher-kva.de"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("ali\uff0etools\u3002pt", "ali.tools.pt"),
        ("straße.de", "xn--strae-oqa.de"),
        ("中国.中国", "xn--fiqs8s.xn--fiqs8s"),
        ("1and1.com", "1and1.com"),
        ("a" * 63 + ".pt", "a" * 63 + ".pt"),
    ],
)
def test_a_domain_is_kept_in_one_spelling(typed, kept):
    assert normalize_domain(typed) == kept
    assert normalize_domain(kept) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ".",
        "localhost",
        "pt.",
        "alitools..pt",
        ".alitools.pt",
        "alitools.pt..",
        "ali tools.pt",
        " alitools.pt",
        "alitools.pt\n",
        "ali\ttools.pt",
        "ali\x00tools.pt",
        "ali\u2028tools.pt",
        "ali\u200btools.pt",
        "ali\u202etools.pt",
        "ali\u200dtools.pt",
        "ali\ud800tools.pt",
        "-alitools.pt",
        "alitools-.pt",
        "ali_tools.pt",
        "user@alitools.pt",
        "https://alitools.pt",
        "alitools.pt/path",
        "alitools.pt:25",
        "*.alitools.pt",
        "127.0.0.1",
        "127.1",
        "0x7f.0x1",
        "１２７.0.0.1",
        "[127.0.0.1]",
        "::1",
        "[::1]",
        "alitools.p",
        "xn--.pt",
        "xn--999999999.pt",
        "a" * 64 + ".pt",
        ("a" * 49 + ".") * 5 + "abcd",
        "ü" * 5000 + ".pt",
    ],
)
def test_what_is_no_domain_is_refused_and_the_field_named(typed):
    with pytest.raises(Refused) as refusal:
        normalize_domain(typed, attr="domain.name")

    assert refusal.value.code == "invalid"
    assert refusal.value.attr == "domain.name"


def test_the_longest_name_has_253_characters():
    name = ("a" * 49 + ".") * 5 + "abc"

    assert len(name) == 253
    assert normalize_domain(name + ".") == name


def test_people_see_their_own_letters():
    assert display_domain("xn--bcher-kva.de") == "bücher.de"
    assert display_domain("alitools.pt") == "alitools.pt"


def test_a_name_that_does_not_decode_is_shown_as_it_is():
    assert display_domain("xn--999999999.pt") == "xn--999999999.pt"
