"""Unsubscribing, taking a list of addresses over, joining by invitation, in a real browser."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser import DESK, PHONE, Watch, is_narrow, log_in, picture
from tests.installation import Installation
from tests.servers.smtp_sink import SmtpSink

pytestmark = pytest.mark.journey
ANA = "ana@example.com"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    found = Installation(tmp_path_factory.mktemp("suppression"))
    found.set_up()
    with found.running():
        yield found


def unsubscribe_path(data: bytes) -> str:
    return urlsplit(message_from_bytes(data)["List-Unsubscribe"].strip("<>")).path


def sent(shop: Installation, template: str) -> int:
    body = {"template_id": template, "to_address": ANA, "from_account": "news@shop.test"}
    return shop.call("POST", "/emails/send", body).status_code


def test_somebody_leaves_and_comes_back_on_a_phone_without_scripts(shop, browser):
    templates = {
        "news": {
            "html_content": "<a href='{{ unsubscribe_url }}'>x</a>",
            "template_type": "newsletter",
        },
        "order": {"html_content": "<p>Thank you</p>", "template_type": "transactional"},
    }
    with SmtpSink() as sink:
        shop.account("news@shop.test", port=sink.port)
        for slug, fields in templates.items():
            shop.made("/templates", {"slug": slug, "name": slug, "subject": slug} | fields)
        shop.made(
            "/emails/send-bulk",
            {"template_id": "news", "from_account": "news@shop.test", "recipient_list": [ANA]},
            status=202,
        )
        url = shop.url + unsubscribe_path(sink.wait_for(1)[0].data)
        context = browser.new_context(viewport=PHONE, locale="en-GB", java_script_enabled=False)
        page = context.new_page()
        watch = Watch(page, own=shop.url)

        page.goto(url)
        page.reload()
        picture(page, "unsubscribe-asks")
        assert sent(shop, "news") == 202
        sink.wait_for(2)
        assert page.locator(".topic").inner_text() == "Newsletter"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading")).to_have_text("You are unsubscribed")
        picture(page, "unsubscribe-done")
        assert (sent(shop, "news"), sent(shop, "order")) == (422, 202)
        page.get_by_role("button", name="Subscribe again").click()
        expect(page.get_by_role("heading")).to_have_text("You are subscribed again")
        picture(page, "unsubscribe-back")
        assert sent(shop, "news") == 202
        sink.wait_for(4)

    assert watch.findings == []
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("main").bounding_box()["width"] <= PHONE["width"]
    context.close()


def test_staff_take_five_thousand_addresses_over_and_watch(shop, browser):
    lines = [f"r{number}@example.com" for number in range(5000)]
    lines[100] = "not an address"
    context = browser.new_context(viewport=DESK, locale="en-GB")
    page = context.new_page()
    log_in(page, shop.url)
    watch = Watch(page, own=shop.url)

    page.goto(f"{shop.url}/admin/delivery/suppression/")
    picture(page, "suppressions")
    page.get_by_role("link", name="Import").click()
    page.locator("input[type=file]").set_input_files(
        {"name": "list.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
    )
    picture(page, "import-form")
    page.get_by_role("button", name="Import").click()
    page.wait_for_url("**/tenants/backgroundjob/*/change/")
    picture(page, "import-begins")
    expect(page.get_by_role("status")).to_have_text("done", timeout=60_000)
    picture(page, "import-done")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download what was refused").click()
    report = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert report[1:] == ['"101","not an address","This is not an e-mail address."']
    assert shop.call("GET", "/suppressions?search=r4999@").json()["results"] != []
    page.set_viewport_size(PHONE)
    picture(page, "import-done-phone")
    assert is_narrow(page)

    page.goto(f"{shop.url}/admin/delivery/suppression/export/")
    picture(page, "export-form-phone")
    page.get_by_role("button", name="Export").click()
    page.wait_for_url("**/tenants/backgroundjob/*/change/")
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("link", name="Download the file").click()
    exported = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(exported) == 5000
    assert watch.findings == []
    context.close()


INVITATION = """
from django.contrib.auth.models import User
from django.utils import timezone
from tenants import invitations
from tenants.models import Tenant
made = invitations.invite(
    "rui@example.com", tenant=Tenant.objects.get(), role="editor", by=User.objects.get(),
    at=timezone.now(),
)
print(invitations.link_of(made))
"""


def test_a_newcomer_follows_the_link_of_an_invitation_and_is_in(shop, browser):
    path = urlsplit(shop.shell(INVITATION).splitlines()[-1]).path
    context = browser.new_context(viewport=PHONE, locale="en-GB")
    page = context.new_page()
    watch = Watch(page, own=shop.url)

    page.goto(shop.url + path)
    page.fill("[name=username]", "rui")
    for name in ("password1", "password2"):
        page.fill(f"[name={name}]", "quite-another-1")
    page.get_by_role("button", name="Join").click()

    page.wait_for_url(f"{shop.url}/admin/")
    expect(page.get_by_role("link", name="Write a message").first).to_be_visible()
    assert watch.findings == []
    context.close()


def test_a_new_key_is_copied_by_one_press(shop, browser):
    context = browser.new_context(
        viewport=DESK, locale="en-GB", permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    log_in(page, shop.url)
    watch = Watch(page, own=shop.url)

    page.goto(f"{shop.url}/admin/tenants/apikey/add/")
    page.get_by_label("Name").fill("shop")
    page.locator("#id_tenant").select_option(index=1)
    page.get_by_role("button", name="Save", exact=True).click()
    picture(page, "key")
    page.get_by_role("button", name="Copy").first.click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_label("The new key").input_value()
    page.set_viewport_size(PHONE)
    assert is_narrow(page)
    assert watch.findings == []
    context.close()
