"""An account's page in a browser: providers fill it in, its buttons mind what is not saved."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.installation import Installation
from tests.servers.smtp_sink import SmtpSink

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    found = Installation(tmp_path_factory.mktemp("account"))
    found.set_up()
    with found.running():
        yield found


def new_account(page: Page, shop: Installation) -> Page:
    page.goto(f"{shop.url}/admin/accounts/emailaccount/add/")
    return page


def value(page: Page, name: str) -> str:
    return page.locator(f"[name={name}]").input_value()


def test_a_providers_servers_follow_the_address_where_nobody_touched_them(shop, page):
    new_account(page, shop)

    page.select_option("#preset", label="cPanel")
    page.fill("[name=imap_server]", "imap.elsewhere.test")
    page.fill("[name=email_address]", "orders@shop.test")

    assert value(page, "smtp_server") == "mail.shop.test"
    assert value(page, "smtp_username") == "orders@shop.test"
    assert value(page, "imap_server") == "imap.elsewhere.test"


def test_ones_own_server_takes_the_providers_values_and_hint_away(shop, page):
    new_account(page, shop)
    port = value(page, "smtp_port")
    page.fill("[name=smtp_server]", "mine.shop.test")

    page.select_option("#preset", label="cPanel")
    page.select_option("#preset", label="Microsoft 365")
    assert value(page, "smtp_server") == "smtp.office365.com"
    page.select_option("#preset", label="your own server")

    assert value(page, "smtp_server") == "mine.shop.test"
    assert (value(page, "smtp_port"), value(page, "imap_server")) == (port, "")
    assert page.locator("[name=use_tls]").is_checked()
    assert not page.locator("[name=use_ssl]").is_checked()
    expect(page.locator("#preset-hint")).to_have_text("")


def test_the_connections_buttons_ask_first_while_changes_are_not_saved(shop, page):
    with SmtpSink() as sink:
        shop.account("news@shop.test", port=sink.port)
    page.goto(f"{shop.url}/admin/accounts/emailaccount/")
    page.get_by_role("link", name="news@shop.test").click()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))

    page.fill("[name=display_name]", "News")
    for name in ("Test the connection", "Deactivate", "Pause"):
        page.get_by_role("button", name=name, exact=True).click()

    assert len(asked) == 3
    assert all("not saved" in text for text in asked)
    assert value(page, "display_name") == "News"
    page.fill("[name=display_name]", "")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("news@shop.test is paused.")).to_be_visible()
    assert len(asked) == 3
