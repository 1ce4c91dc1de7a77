"""The template studio in a real browser: what is typed shows, and nothing of it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Canary, Watch, is_narrow, log_in
from tests.installation import Installation
from tests.servers.smtp_sink import SmtpSink

pytestmark = pytest.mark.journey

LIST = "/admin/templates_app/emailtemplate/"
SOURCE = "<p>Dear {{ name }},</p>\n<p>your order is <b>on its way</b>.</p>\n"


@pytest.fixture(scope="module")
def canary():
    found = Canary()
    yield found
    found.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    found = Installation(tmp_path_factory.mktemp("studio"))
    found.set_up()
    with found.web(), SmtpSink() as sink:
        found.account("orders@shop.test", port=sink.port)
        yield found


@pytest.fixture(params=[("en-GB", 1280), ("pt-PT", 390)], ids=["laptop", "phone"])
def page(request, browser, shop):
    with signed_in(browser, shop, *request.param) as found:
        yield found


@contextmanager
def signed_in(browser: Browser, shop: Installation, locale: str, width: int) -> Iterator[Page]:
    size, colours = {"width": width, "height": 860}, "dark" if width < 500 else "light"
    context = browser.new_context(viewport=size, locale=locale, color_scheme=colours)
    page = context.new_page()
    log_in(page, shop.url)
    yield page
    context.close()


def make(shop: Installation, **fields: str) -> str:
    """Return the page of a new template."""
    count = len(shop.call("GET", "/templates?page_size=100").json()["results"])
    given = {"slug": f"t{count}", "name": "Order", "subject": "Order {{ number }}"}
    account = {"default_account": "orders@shop.test"}
    made = shop.made("/templates", given | account | {"html_content": SOURCE} | fields)
    return f"{shop.url}{LIST}{made['id']}/change/"


def write(page: Page, text: str, *, name: str = "html_content") -> None:
    """Replace what an editor holds, as by a keyboard."""
    page.click(f".studio-editor-{name} .CodeMirror-line >> nth=0")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def mail(page: Page):
    """The body in the newest frame."""
    return page.frame_locator("#studio-host iframe:last-of-type").locator("body")


def watched(page: Page, shop: Installation) -> Watch:
    return Watch(page, own=shop.url)


@pytest.mark.parametrize("locale", ["en-GB", "pt-PT"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_preview_follows_what_is_typed(shop, browser, locale, width):
    with signed_in(browser, shop, locale, width) as page:
        follow_what_is_typed(shop, page)


def follow_what_is_typed(shop: Installation, page: Page) -> None:
    url, watch = make(shop), watched(page, shop)
    page.goto(url)
    expect(mail(page)).to_contain_text("Dear name, your order is on its way.")

    write(page, "<p>Hello {{ name }}, it costs {{ total|money }}.</p>")
    expect(mail(page)).to_contain_text("Hello name, it costs .")
    page.click("[data-complete]")
    expect(mail(page)).to_contain_text("Hello name, it costs 2,00 €.")
    write(page, '{"name": "Ana", "total": 9, "number": 1}', name="sample_data")
    expect(mail(page)).to_contain_text("Hello Ana, it costs 9,00 €.")
    page.fill("[name=subject]", "Order {{ number }} of {{ name }}")
    expect(page.locator("#studio-subject")).to_have_text("Order 1 of Ana")

    page.click("[data-value=text]")
    expect(page.locator("#studio-result .only-text")).to_contain_text("Hello Ana")
    page.click("[data-value=html]")
    expect(page.locator("#studio-result .only-html")).to_contain_text("<p>Hello Ana")
    assert is_narrow(page)
    assert watch.findings == []

    page.click("[name=_continue]")
    expect(mail(page)).to_contain_text("Hello Ana, it costs 9,00 €.")
    assert watch.findings == []


def test_an_error_stands_at_its_line_and_the_last_mail_stays(shop, page):
    url, watch = make(shop), watched(page, shop)
    page.goto(url)
    expect(mail(page)).to_contain_text("Dear name")

    write(page, "<p>one</p>\n<p>two</p>\n<p>{% foo %}</p>")

    expect(page.locator("#studio-problems li")).to_contain_text("foo")
    mark = page.locator(".studio-mark.is-error")
    expect(mark).to_have_attribute("aria-label", "Encountered unknown tag 'foo'.")
    line = page.locator(".studio-editor-html_content .CodeMirror-gutter-wrapper", has=mark)
    expect(line.locator(".CodeMirror-linenumber")).to_have_text("3")
    expect(mail(page)).to_contain_text("Dear name")

    page.click("#studio-problems .studio-jump")
    page.keyboard.press("Shift+End")
    page.keyboard.insert_text("<p>three</p>")
    expect(mail(page)).to_contain_text("three")
    expect(page.locator("#studio-problems li")).to_have_count(0)
    expect(page.locator(".studio-mark.is-error")).to_have_count(0)
    assert watch.findings == []


def test_the_frame_is_as_wide_as_the_client_and_dark_where_it_is_dark(shop, page):
    html = (
        '<meta name="color-scheme" content="light dark"><style>p { width: 100vw; color: #111 }'
        "@media (prefers-color-scheme: dark) { p { color: #eee !important } }</style><p>Hello</p>"
    )
    url, watch = make(shop, html_content=html), watched(page, shop)
    page.goto(url)
    text = mail(page).locator("p")
    expect(text).to_have_css("width", "390px")

    page.click("[data-value=desktop]")
    expect(text).to_have_css("width", "800px")
    expect(text).to_have_css("color", "rgb(17, 17, 17)")
    page.select_option("#studio-client", "dark")
    expect(mail(page).locator("p")).to_have_css("color", "rgb(238, 238, 238)")
    assert is_narrow(page)
    assert watch.findings == []


def test_the_keyboard_leaves_the_editor_by_tab(shop, page):
    page.goto(make(shop))
    page.click(".studio-editor-html_content .CodeMirror-line >> nth=0")

    page.keyboard.press("Tab")

    focused = "document.activeElement.closest('.CodeMirror')?.className"
    assert "studio-editor-html_content" not in (page.evaluate(focused) or "")


def test_a_test_is_sent_as_the_draft_is_written(shop, page):
    url, watch = make(shop), watched(page, shop)
    page.goto(url)
    expect(mail(page)).to_contain_text("Dear name")
    write(page, "<p>A draft for {{ name }}</p>")
    expect(mail(page)).to_contain_text("A draft for name")

    page.click("#studio-send")

    expect(page.locator("#studio-sent a")).to_be_visible()
    newest = shop.call("GET", "/logs?page_size=1").json()["results"][0]
    content = shop.call("GET", f"/logs/{newest['tracking_id']}/content").json()
    assert newest["to_address"] == "staff@example.com"
    assert content["html_content"] == "<p>A draft for name</p>"
    assert watch.findings == []


def test_a_starting_point_is_chosen_and_saved(shop, page):
    watch = watched(page, shop)
    page.goto(f"{shop.url}{LIST}add/")
    assert is_narrow(page)
    page.click("a[href='?start=password_reset.pt']")

    expect(mail(page)).to_contain_text("Escolha uma nova palavra-passe")
    page.fill("[name=slug]", f"reset-{page.viewport_size['width']}-{id(page)}")
    page.click("[name=_continue]")

    page.wait_for_url("**/change/**")
    expect(mail(page)).to_contain_text("Escolha uma nova palavra-passe")
    page.goto(page.url.split("change/")[0] + "compare")
    expect(page.locator(".studio-both iframe")).to_have_count(2)
    assert is_narrow(page)
    assert watch.findings == []


def test_no_payload_opens_a_dialog_or_calls_anybody(shop, page, canary):
    bad = "\n".join(text for text in canary.payloads if "{{" not in text)
    url, watch = make(shop), watched(page, shop)
    page.goto(url)
    expect(mail(page)).to_contain_text("Dear name")

    page.fill("[name=subject]", "{{ name }} " + bad.replace("\n", " ")[:900])
    write(page, "<p>{{ name }}</p>" + bad)
    write(page, bad, name="text_content")
    expect(page.locator("#studio-subject")).to_contain_text("<script>")
    for client in ("dark", "inverted", "outlook", "usual"):
        with page.expect_response(lambda answer: answer.url.split("#")[0].endswith("/html")):
            page.select_option("#studio-client", client)
    with page.expect_response(lambda answer: answer.url.split("#")[0].endswith("/html")):
        page.check("#studio-images")
    with page.expect_navigation():
        page.click("[name=_continue]")
    # A preview that is still asked for as the page is left is an error in Chromium's console.
    expect(page.locator("#studio-subject")).to_contain_text("<script>")
    page.goto(url.replace("change/", "compare"))
    page.wait_for_load_state("networkidle")

    assert watch.findings == []
    assert canary.calls == 0
