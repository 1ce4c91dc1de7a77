"""What an endpoint may be told by whoever sets it up."""

from __future__ import annotations

import pytest

from common.errors import Refused
from common.network import NetworkPolicy
from webhooks.events import TYPES
from webhooks.rules import checked_description, checked_events, checked_url

PUBLIC = NetworkPolicy(allow_private=False)
EMBEDDED = NetworkPolicy(allow_private=True)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("https://shop.example/hooks?a=1&b=%20", "https://shop.example/hooks?a=1&b=%20"),
        ("http://shop.example", "http://shop.example"),
        ("HTTPS://Shop.Example:8443/A", "https://shop.example:8443/A"),
        ("https://bücher.example/é?q=ü", "https://xn--bcher-kva.example/%C3%A9?q=%C3%BC"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x"),
        ("https://[2606:4700::1]/x", "https://[2606:4700::1]/x"),
        ("  https://shop.example/  ", "https://shop.example/"),
    ],
)
def test_a_url_is_stored_as_it_is_asked(given, stored):
    assert checked_url(given, policy=PUBLIC) == stored


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "//shop.example/x",
        "/hooks",
        "ftp://shop.example/",
        "gopher://127.0.0.1:6379/_x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:///x",
        "https://ok@shop.example/",
        "http://ok@127.0.0.1/",
        "https://user:password@shop.example/",
        "https://evil\\@127.0.0.1/",
        "https://shop.example/#part",
        "https://shop.example:0/",
        "https://shop.example:99999/",
        "https://shop.example:x/",
        "https://shop..example/",
        "https://shop.example/\r\nHost: evil",
        "https://shop.example/\x00",
        "https://[::1",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://①②⑦.⓪.⓪.①/",
        "https://169.254.169.254/latest",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:7f00:1::]/",
        "https://[fe80::1%25lo]/",
        "https://localhost/",
        "https://localhost.:6379/",
        "https://app.localhost/",
        "https://shop.example/" + "a" * 2000,
    ],
)
def test_what_is_no_url_of_a_receiver_is_refused_by_name(url):
    with pytest.raises(Refused) as refusal:
        checked_url(url, policy=PUBLIC)

    assert refusal.value.attr == "url"


def test_an_embedded_installation_may_tell_itself():
    for url in ("http://127.0.0.1:8000/x", "http://localhost:8000/x", "http://[::1]:8000/x"):
        assert checked_url(url, policy=EMBEDDED) == url


def test_the_operators_list_allows_private_hosts():
    policy = NetworkPolicy(allow_private=False, private_hosts=("10.9.0.0/16", "localhost"))

    assert checked_url("http://10.9.1.1/", policy=policy)
    assert checked_url("http://localhost:1/", policy=policy)
    with pytest.raises(Refused):
        checked_url("http://10.8.1.1/", policy=policy)


def test_event_types_are_kept_once_each_in_our_order():
    assert checked_events(["email.sent", "triage.failed", "email.sent"]) == [
        "email.sent",
        "triage.failed",
    ]
    assert checked_events(list(reversed(TYPES))) == [*TYPES]
    assert checked_events(["email.sent", "*"]) == ["*"]


@pytest.mark.parametrize(
    ("events", "attr"),
    [([], "events"), (["email.sent", "email.lost"], "events.1"), (["webhook.test"], "events.0")],
)
def test_a_type_that_does_not_exist_is_refused_by_its_place(events, attr):
    with pytest.raises(Refused) as refusal:
        checked_events(events)

    assert refusal.value.attr == attr


def test_a_description_is_one_line_of_500_characters():
    assert checked_description(" The shop ") == "The shop"
    for text in ("a" * 501, "two\nlines"):
        with pytest.raises(Refused):
            checked_description(text)
