"""Opens and clicks of a real message, from the bytes at its server to the figures in the API."""

from __future__ import annotations

import email
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from email import policy
from html import unescape
from urllib.parse import urlsplit

import pytest
import requests

from tests.browser import chromium
from tests.installation import Installation, production_like
from tests.servers.waiting import until

pytestmark = pytest.mark.journey

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
SHOP, TERMS = "https://shop.example/o?a=1&b=2#top", "https://shop.example/termos-ç"
HTML = """<html><body><a href="https://shop.example/o?a=1&amp;b=2#top">Encomenda</a>
<a href='https://shop.example/termos-ç'>Termos</a> <a href="mailto:loja@shop.test">Loja</a>
<a data-no-track href="https://bank.example/pay">Pagar</a> <a href="#top">Topo</a></body></html>"""


@pytest.fixture(scope="module", params=["embedded", "production"])
def shop(request, tmp_path_factory):
    """A running shop installation behind a proxy that it trusts."""
    folder = tmp_path_factory.mktemp("tracking")
    with ExitStack() as stack:
        env = {"TRUSTED_PROXIES": "127.0.0.0/8"}
        if request.param == "production":
            env |= stack.enter_context(production_like(folder))
        installation = Installation(folder, env=env)
        installation.set_up()
        stack.enter_context(installation.running())
        yield installation


@pytest.fixture(scope="module")
def sink():
    from tests.servers.smtp_sink import SmtpSink

    with SmtpSink() as found:
        yield found


@pytest.fixture(scope="module")
def sender(shop, sink):
    return shop.account("loja@shop.test", port=sink.port)["email_address"]


class Mail:
    """What a recipient got of a message, and his mail program."""

    def __init__(self, shop: Installation, sink, sender: str, **fields) -> None:
        request = {
            "from_account": sender,
            "to_address": "ana@example.com",
            "subject": "Encomenda",
            "html": HTML,
            **fields,
        }
        self.shop = shop
        self.id = shop.made("/emails/send", request, status=202)["tracking_id"]
        shop.wait_settled(self.id)
        (received,) = (one for one in sink.received if self.id.encode() in one.data)
        parsed = email.message_from_bytes(received.data, policy=policy.default)
        self.html = parsed.get_body(("html",)).get_content().replace("\r\n", "\n")
        self.links = [unescape(link) for link in re.findall(r"""href=["']([^"']+)""", self.html)]
        self.images = re.findall(r'<img src="([^"]+)"', self.html)

    def get(self, url: str, *, agent: str, method: str = "GET") -> requests.Response:
        """Ask as a stranger, at the address where the server really is."""
        return requests.request(
            method,
            f"{self.shop.url}{urlsplit(url).path}",
            headers={"User-Agent": agent, "X-Forwarded-For": "8.8.8.8"},
            allow_redirects=False,
            timeout=30,
        )

    def events(self, count: int) -> list[dict]:
        """The opens and clicks in the message's history, once there are so many."""

        def found() -> list[dict] | None:
            events = self.shop.call("GET", f"/logs/{self.id}/events").json()["results"]
            mine = [event for event in events if event["type"] in ("opened", "clicked")]
            return mine if len(mine) >= count else None

        return until(found, timeout=20, what=f"{count} opens and clicks")

    def figures(self) -> list[int]:
        names = ("opens_count", "clicks_count", "machine_opens_count", "machine_clicks_count")
        message = self.shop.message(self.id)
        return [message[name] for name in names]


@pytest.fixture
def mail(shop, sink, sender):
    return Mail(shop, sink, sender)


def test_a_readers_open_and_click_stand_on_the_message(shop, mail):
    (pixel,) = mail.images
    image = mail.get(pixel, agent=FIREFOX)
    answer = mail.get(mail.links[0], agent=FIREFOX)
    events = mail.events(2)

    message = shop.message(mail.id)
    assert (image.status_code, image.headers["Content-Type"]) == (200, "image/gif")
    assert (answer.status_code, answer.headers["Location"]) == (302, SHOP)
    assert [event["type"] for event in events] == ["opened", "clicked"]
    assert mail.figures() == [1, 1, 0, 0]
    assert message["first_opened_at"] == message["last_opened_at"] == events[0]["at"]
    assert (message["user_agent"], message["ip_address"]) == (FIREFOX, "8.8.8.8")
    assert message["country"] == events[1]["data"]["country"] == "US"
    assert (events[1]["data"]["url"], events[1]["data"]["machine"]) == (SHOP, False)
    assert message["status"] == "sent"


def test_only_web_links_that_may_are_tracked_and_the_record_shows_what_was_written(shop, mail):
    where = [urlsplit(link).path[:5] for link in mail.links[:2]]

    terms = mail.get(mail.links[1], agent=FIREFOX).headers["Location"]
    content = shop.call("GET", f"/logs/{mail.id}/content").json()
    restored = mail.html
    for link, was in zip(mail.links, (SHOP.replace("&", "&amp;"), TERMS), strict=False):
        restored = restored.replace(link, was)
    restored = re.sub(r"<img [^>]+>", "", restored)

    assert where == ["/t/c/", "/t/c/"]
    assert terms.encode("latin-1").decode() == TERMS
    assert mail.links[2:] == ["mailto:loja@shop.test", "https://bank.example/pay", "#top"]
    assert restored.strip() == HTML.replace("data-no-track ", "").strip()
    assert content["html_content"].strip() == HTML


def test_a_scanners_visit_leaves_the_figures_of_people_at_zero(mail):
    mail.get(mail.images[0], agent=GMAIL)
    mail.get(mail.links[0], agent="scanner", method="HEAD")
    with ThreadPoolExecutor(3) as pool:  # the pixel and every link at once, as a browser would
        urls = [mail.images[0], *mail.links[:2]]
        list(pool.map(lambda url: mail.get(url, agent=FIREFOX + " Edg/1"), urls))

    events = mail.events(5)

    assert mail.figures() == [0, 0, 2, 3]
    assert {event["data"]["machine_reason"] for event in events} == {
        "gmail_proxy",
        "head",
        "many_links",
    }


def test_a_browser_shows_the_image_and_ends_where_the_link_led(shop, sink, sender):
    """Chromium takes the target's bytes as it would have taken the link's own."""
    target = f"{shop.url}/healthz?q=ção&x=%C3%A7"
    mail = Mail(shop, sink, sender, html=f'<p>Olá <a href="{target}">saúde</a></p>')

    with chromium() as browser:
        page = browser.new_page()
        page.set_content(mail.html, wait_until="networkidle")
        page.click("a")
        page.wait_for_url("**/healthz*")
        shown, cookies = page.url, page.context.cookies()

    mail.events(2)
    assert shown == f"{shop.url}/healthz?q=%C3%A7%C3%A3o&x=%C3%A7"
    assert cookies == []
    assert mail.figures() == [1, 1, 0, 0]


def test_a_message_may_go_without(shop, sink, sender):
    plain = Mail(shop, sink, sender, track_opens=False, track_clicks=False)
    clicks = Mail(shop, sink, sender, track_opens=False)

    assert plain.html.strip() == HTML
    assert clicks.images == []
    assert urlsplit(clicks.links[0]).path.startswith("/t/c/")


def test_a_tracking_host_serves_its_domains_links(shop, sink, sender):
    domain = shop.call("GET", "/domains?name=shop.test").json()["results"][0]
    path = f"/domains/{domain['id']}"
    assert shop.call("PATCH", path, {"tracking_host": "links.shop.test"}).status_code == 200

    mail = Mail(shop, sink, sender)
    shop.call("PATCH", path, {"tracking_host": ""})

    port = urlsplit(shop.url).port
    assert mail.images[0].startswith(f"http://links.shop.test:{port}/t/o/")
    assert mail.links[0].startswith(f"http://links.shop.test:{port}/t/c/")
    assert mail.get(mail.links[0], agent=FIREFOX).headers["Location"] == SHOP


def test_a_graceful_stop_loses_no_hit_and_no_broker_is_needed(shop, mail):
    """A second web process whose broker answers nowhere is stopped while hits are under way."""
    from tests.servers.processes import web_server
    from tests.servers.waiting import free_ports

    (port,) = free_ports(1)
    env = {**shop.env, "BROKER_URL": "redis://127.0.0.1:1/0", "CACHE_URL": "redis://127.0.0.1:1/0"}
    path, answered = urlsplit(mail.images[0]).path, 0
    with web_server(port=port, env=env) as web, requests.Session() as session:
        session.headers["User-Agent"] = FIREFOX
        for number in range(2_000):
            try:
                session.get(f"http://127.0.0.1:{port}{path}", timeout=60).raise_for_status()
            except requests.ConnectionError:
                break
            answered += 1
            if number == 50:
                web.signal(signal.SIGTERM)
        until(lambda: not web.is_running(), timeout=30, what="web stopped")

    mail.events(1)
    until(lambda: mail.figures()[0] >= answered, timeout=30, what="all opens counted")
    assert answered > 50
    assert mail.figures()[0] - answered in (0, 1)  # the last answer may not have come
