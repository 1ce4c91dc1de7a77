"""Following a message, and taking the listed ones away as a file, in a real browser."""

from __future__ import annotations

import base64
import csv
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import DESK, PHONE, Watch, is_narrow, log_in, picture
from tests.installation import Installation
from tests.servers.smtp_sink import SmtpSink

pytestmark = pytest.mark.journey
ANA = "ana@example.com"
BOUNCED = """
from datetime import timedelta
from delivery.services import apply_report
from logs import engagement
from logs.afterwards import Report
from logs.models import EmailLog, EventType
email = EmailLog.objects.get(tracking_id="{tracking_id}")
at = email.sent_at + timedelta(seconds=4)
seen = dict(email=email, kind=EventType.OPENED, at=at)
engagement.note([engagement.Engagement(**seen, machine_reason="gmail_proxy")], at=at)
engagement.note([engagement.Engagement(**seen, user_agent="Thunderbird", country="PT")], at=at)
said = "550 5.1.1 <ana@example.com>: user unknown"
data = dict(bounce_type="hard", status_code="5.1.1")
later = at + timedelta(seconds=5)
apply_report(
    email, Report(EventType.BOUNCED, "ana@example.com", later, said, data), is_hard=True
)
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    found = Installation(tmp_path_factory.mktemp("messages"))
    found.set_up()
    with found.running():
        yield found


def a_message(shop: Installation, **fields: object) -> str:
    body = {"to_address": ANA, "subject": "Your order 1042", "from_account": "orders@shop.test"}
    return shop.made("/emails/send", {**body, **fields}, status=202)["tracking_id"]


def test_staff_follow_a_bounced_message_and_export_the_list(shop, browser):
    invoice = {
        "filename": "invoice.pdf",
        "content": base64.b64encode(b"%PDF-1.4 hello").decode(),
        "content_type": "application/pdf",
    }
    with SmtpSink() as sink:
        shop.account("orders@shop.test", port=sink.port)
        a_message(shop, subject="An earlier one", text="Hello")
        wanted = a_message(
            shop,
            html="<h1>Thank you, Ana</h1><p>Your order is on its way.</p>",
            text="Thank you, Ana.\nYour order is on its way.",
            attachments=[invoice],
        )
        sink.wait_for(2)
        shop.wait_settled(wanted)
    shop.shell(BOUNCED.format(tracking_id=wanted))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    waiting = a_message(shop, to_address="rui@example.com", text="Hello", send_at=tomorrow)
    context = browser.new_context(viewport=DESK, locale="en-GB")
    page = context.new_page()
    log_in(page, shop.url)
    watch = Watch(page, own=shop.url)

    page.goto(f"{shop.url}/admin/logs/emaillog/")
    picture(page, "messages")
    page.get_by_role("link", name="Bounced", exact=True).click()
    page.get_by_role("link", name=ANA).click()
    expect(page.get_by_text("This address is suppressed: mail like")).to_be_visible()
    picture(page, "message-html")
    history = page.locator(".timeline")
    expect(history).to_contain_text("Hard bounce: the address is at fault for good.")
    expect(history).to_contain_text("550 5.1.1 <ana@example.com>: user unknown")
    expect(history.locator("[data-kind=opened]").nth(0)).to_contain_text("by a machine")
    expect(history.locator("[data-kind=opened]").nth(1)).to_contain_text("by a person")
    history.get_by_text("SMTP dialogue").click()
    expect(history.locator("pre")).to_contain_text("RCPT TO:<ana@example.com>")
    picture(page, "message-dialogue")
    page.get_by_role("link", name="Plain text").click()
    expect(page.locator("#message-content pre")).to_contain_text("Your order is on its way.")
    page.get_by_role("link", name="Source", exact=True).click()
    expect(page.locator("#message-content pre")).to_contain_text("Message-ID: <")
    picture(page, "message-source")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the source (.eml)").click()
    source = message_from_bytes(Path(download.value.path()).read_bytes())
    assert download.value.suggested_filename == f"{wanted}.eml"
    assert source["Subject"] == "Your order 1042"
    with page.expect_download() as download:
        page.get_by_role("link", name="invoice.pdf").click()
    assert Path(download.value.path()).read_bytes() == b"%PDF-1.4 hello"
    expect(page.locator("#message-recipient ~ ul a", has_text="An earlier one")).to_be_visible()
    page.set_viewport_size(PHONE)
    page.reload()
    picture(page, "message-phone")
    assert is_narrow(page)

    page.goto(f"{shop.url}/admin/logs/emaillog/?q={waiting}")
    picture(page, "messages-phone")
    assert is_narrow(page)
    page.goto(f"{shop.url}/admin/logs/emaillog/?q=rui@")
    page.get_by_role("link", name="rui@example.com").click()
    picture(page, "message-waits-phone")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".message-badge").first).to_have_text("cancelled")

    page.set_viewport_size(DESK)
    page.goto(f"{shop.url}/admin/logs/emaillog/?q=ana@")
    page.get_by_role("link", name="Export to CSV").click()
    picture(page, "messages-export")
    page.get_by_role("button", name="Export").click()
    page.wait_for_url("**/tenants/backgroundjob/*/change/")
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("link", name="Download the file").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["subject"] for row in rows] == ["An earlier one", "Your order 1042"]
    assert watch.findings == []
    context.close()


@pytest.mark.parametrize("locale", ["pt-PT", "pt-BR"])
def test_a_message_fits_a_phone_in_portuguese(shop, browser, locale):
    context = browser.new_context(viewport=PHONE, locale=locale)
    page = context.new_page()
    log_in(page, shop.url)

    page.goto(f"{shop.url}/admin/logs/emaillog/")
    picture(page, f"messages-{locale}")
    assert is_narrow(page)
    page.get_by_role("link", name=ANA).first.click()
    picture(page, f"message-{locale}")
    assert is_narrow(page)
    context.close()
