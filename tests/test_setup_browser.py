"""The first hour: a new tenant set up to its first message, and a second factor to sign in with."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from domains.tests.dns_server import DNSServer, running_dns_server
from tests.browser import DESK, Watch, log_in, picture
from tests.installation import PASSWORD, Installation, production_like
from tests.servers.mail_server import ALICE, BOB, DOMAIN, MailServer

pytestmark = [pytest.mark.journey, pytest.mark.timeout(200)]

OWNER = """
from django.contrib.auth.models import User
from tenants.models import Membership
from tenants.services import create_tenant
tenant = create_tenant("loja", name="Loja da Ana")
for name in ("ana", "rui"):
    user = User.objects.create_user(name, name + "@example.com", {password!r}, is_staff=True)
    Membership.objects.create(tenant=tenant, user=user, role="owner")
"""


@pytest.fixture(scope="module", params=["production"])
def shop(request, tmp_path_factory, _running_mail_server):
    """A running installation with an empty tenant, and the servers of its owner's domain."""
    folder = tmp_path_factory.mktemp("setup")
    with ExitStack() as stack:
        dns = stack.enter_context(running_dns_server())
        env = stack.enter_context(production_like(folder))
        env |= {"DNS_RESOLVERS": dns.address, "SSL_CERT_FILE": str(_running_mail_server.ca_file)}
        found = Installation(folder, env=env)
        found.set_up()
        found.shell(OWNER.format(password=PASSWORD))
        stack.enter_context(found.running())
        found.dns = dns
        yield found


@pytest.fixture
def page(browser, shop):
    context = browser.new_context(viewport=DESK, locale="en-GB")
    yield context.new_page()
    context.close()


def test_an_owner_follows_the_checklist_to_the_first_delivered_message(shop, page, mail_server):
    log_in(page, shop.url, user="ana")
    watch = Watch(page, own=shop.url)
    setup = page.get_by_role("region", name="Set up Loja da Ana")

    def next_step(done: int, title: str) -> None:
        page.goto(f"{shop.url}/admin/")
        expect(setup).to_contain_text(f"{done} of 6 steps are done.")
        picture(page, f"setup-{done}")
        setup.get_by_role("link", name=title).click()

    next_step(0, "Add your domain")
    page.fill("[name=name]", DOMAIN)
    page.get_by_role("button", name="Save", exact=True).click()
    next_step(1, "Publish its DNS records")
    page.get_by_role("link", name=DOMAIN).click()
    page.get_by_role("button", name="Check the DNS now").click()
    expect(page.locator("#dns-records")).to_contain_text("missing")
    publish(page, shop.dns)
    page.get_by_role("button", name="Check the DNS now").click()
    expect(page.locator("#dns-records")).not_to_contain_text("missing")
    picture(page, "setup-domain")

    next_step(2, "Connect a mail account")
    page.locator("a[href$='/emailaccount/add/']").first.click()
    add_account(page, mail_server)
    page.get_by_role("button", name="Test the connection").click()
    expect(page.locator("#test-result")).to_contain_text("The server takes mail of this account")
    picture(page, "setup-account")
    page.get_by_role("button", name="Activate, after a test").click()
    expect(page.get_by_text(f"{BOB} is active.")).to_be_visible()

    next_step(3, "Write a template")
    page.click("a[href='?start=order_confirmation.en']")
    page.get_by_role("button", name="Save", exact=True).click()
    next_step(4, "Make an API key")
    page.fill("[name=name]", "Shop")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("curl")).to_have_value(re.compile("X-API-Key: sk_live_"))

    next_step(5, "Send the first message")
    page.get_by_role("link", name="Write a message").click()
    page.fill("[name=to_address]", ALICE)
    page.fill("[name=subject]", "Our first message")
    page.fill("[name=text]", "Hello Alice")
    page.get_by_role("button", name="Send", exact=True).click()
    (arrived,) = mail_server.wait_for(ALICE, count=1)
    assert b"Subject: Our first message" in arrived
    assert f"d={DOMAIN}".encode() in arrived
    page.goto(f"{shop.url}/admin/")
    expect(setup).to_have_count(0)
    picture(page, "setup-done")
    assert watch.findings == []


def publish(page: Page, dns: DNSServer) -> None:
    """Write the shown records down at the DNS provider, as their owner would copy them."""
    for row in page.locator("#dns-records tbody tr").all():
        kind = row.locator("td").nth(1).inner_text()
        name = row.locator("input").input_value()
        value = row.locator("textarea").input_value()
        if "MX" in kind:
            dns.mx(name, value)
        else:
            dns.txt(name, value)


def add_account(page: Page, server: MailServer) -> None:
    page.locator(".field-domain .select2-selection").click()
    page.get_by_role("option", name=DOMAIN).click()
    page.fill("[name=email_address]", BOB)
    page.fill("[name=smtp_server]", "localhost")
    page.fill("[name=smtp_port]", str(server.submission_port))
    page.fill("[name=smtp_username]", BOB)
    page.fill("[name=smtp_password]", server.passwords[BOB])
    page.get_by_role("button", name="Save and continue editing").click()


def test_somebody_signs_in_with_a_code_and_once_with_each_recovery_code(shop, page):
    watch = Watch(page, own=shop.url)
    log_in(page, shop.url, user="rui")

    page.goto(f"{shop.url}/admin/second-factor/")
    picture(page, "second-factor")
    page.locator("a[href$='/totp/activate/']").click()
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    secret = page.locator("#authenticator_secret").input_value()
    picture(page, "second-factor-activate")
    page.fill("input[name=code]", code_of(secret))
    page.press("input[name=code]", "Enter")
    page.goto(f"{shop.url}/admin/second-factor/recovery-codes/")
    picture(page, "second-factor-codes")
    recovery = page.locator("textarea").input_value().split()[0]

    for code in ("", recovery):
        give_password(page, shop)
        page.fill("input[name=code]", code or code_of(secret))
        page.press("input[name=code]", "Enter")
        page.wait_for_url(f"{shop.url}/admin/")
    give_password(page, shop)
    page.fill("input[name=code]", recovery)
    page.press("input[name=code]", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("Incorrect code")
    page.goto(f"{shop.url}/admin/")
    assert "/login/" in page.url
    assert watch.findings == []


def give_password(page: Page, shop: Installation) -> None:
    """Sign out, then in as far as a password leads."""
    page.goto(f"{shop.url}/admin/")
    page.get_by_role("button", name="rui").press("Enter")
    page.get_by_role("button", name="Log out").click()
    log_in(page, shop.url, user="rui", lands_on="/admin/second-factor/authenticate/")


def code_of(secret: str) -> str:
    """What an authenticator shows now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))
