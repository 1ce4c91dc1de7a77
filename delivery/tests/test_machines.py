"""Who made a hit: evidence by evidence."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from delivery.machines import Clicks, Visit, machine_reason
from logs.models import EventType
from logs.tests.builders import NOON

MESSAGE, OTHER = UUID(int=1), UUID(int=2)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"

EDGE_12 = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246"
)


def visit(kind=EventType.OPENED, *, user_agent=FIREFOX, after=0.0, **fields) -> Visit:
    given = {"tracking_id": MESSAGE, "address": "203.0.113.7", **fields}
    return Visit(kind=kind, at=NOON + timedelta(seconds=after), user_agent=user_agent, **given)


def click(url: str = "https://x.test/1", **fields) -> Visit:
    return visit(EventType.CLICKED, url=url, **fields)


def reasons(*visits: Visit) -> list[str | None]:
    return [machine_reason(each, clicks=Clicks.of(visits)) for each in visits]


@pytest.mark.parametrize(
    ("user_agent", "reason"),
    [
        (GMAIL, "gmail_proxy"),
        (f"{EDGE_12} Mozilla/5.0", "gmail_proxy"),
        (f"{EDGE_12} Gmail-content-sampling", "gmail_proxy"),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "yahoo_proxy"),
        ("Mozilla/5.0", "apple_privacy"),
        ("Barracuda Sentinel (EE)", "scanner"),
        ("Microsoft Office Existence Discovery", "scanner"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "bot"),
    ],
)
def test_a_known_program_is_a_machine(user_agent, reason):
    assert reasons(visit(user_agent=user_agent)) == [reason]


@pytest.mark.parametrize(
    "user_agent",
    [
        FIREFOX,
        EDGE_12,
        "",
        "curl/8.5.0",
        "python-requests/2.32.3",
        "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
        "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/130.0.0.0",
    ],
)
def test_what_shows_no_evidence_is_a_person(user_agent):
    assert reasons(visit(user_agent=user_agent), click(user_agent=user_agent)) == [None, None]


def test_apples_proxy_loads_images_but_follows_no_link():
    assert reasons(click(user_agent="Mozilla/5.0")) == [None]


@pytest.mark.parametrize("sign", ["head", "prefetch"])
def test_a_request_that_says_it_is_no_look_is_a_machine(sign):
    assert reasons(visit(sign=sign)) == [sign]


def test_two_links_within_a_second_are_a_scanner_with_all_that_it_loads():
    made = reasons(visit(), click(), click("https://x.test/2", after=0.9))

    assert made == ["many_links"] * 3


def test_the_same_link_again_or_another_one_later_is_a_person():
    assert reasons(click(), click(after=0.2), click("https://x.test/2", after=1.5)) == [None] * 3


def test_others_at_the_same_moment_are_others():
    made = reasons(
        click(),
        click("https://x.test/2", address="198.51.100.1"),
        click("https://x.test/2", user_agent="other"),
        click("https://x.test/2", tracking_id=OTHER),
    )

    assert made == [None] * 4


def test_three_links_within_a_second_are_a_scanner_whatever_it_calls_itself():
    made = reasons(
        click(),
        click("https://x.test/2", address="198.51.100.1"),
        click("https://x.test/3", user_agent="other"),
        click("https://x.test/1", after=2.5),
        visit(address="192.0.2.9"),
    )

    assert made == ["many_links"] * 3 + [None] * 2


def test_a_scanner_that_was_counted_without_personal_data_is_known_again():
    counted = click("https://x.test/2", address=None, user_agent="")

    assert machine_reason(click(), clicks=Clicks.of([counted, click()])) == "many_links"
