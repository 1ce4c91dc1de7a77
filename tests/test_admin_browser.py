"""The admin in a real browser, over data from people who mean harm."""

from __future__ import annotations

import base64
import re

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.browser import DESK, PAYLOADS, PHONE, Canary, Watch, add_superuser, log_in, show
from tests.installation import Installation
from tests.servers.smtp_sink import SmtpSink

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]  # it opens every page

SPOILT = """
import json
from email.message import EmailMessage
from django.utils import timezone
from catcher import server, storage
from ai_triage.models import Feedback, TriageResult
from logs.models import EmailEvent, EmailLog
from tenants.models import Tenant
from webhooks.models import WebhookDelivery, WebhookEndpoint
bad = {bad!r}
for email in EmailLog.objects.all():
    email.error_message = email.smtp_response = email.user_agent = bad
    email.save()
    data = dict(smtp_response=bad, transcript=[bad], **{{bad: bad}})
    own = dict(tenant=email.tenant, email=email, at=email.queued_at)
    EmailEvent.objects.create(type="deferred", data=data, **own)
texts = ["from_name", "subject", "body", "reason", "suggested_subject", "suggested_body", "error"]
for result in TriageResult.objects.all():
    for name in texts:
        most = TriageResult._meta.get_field(name).max_length
        setattr(result, name, bad[:most])
    result.needs_review, result.thread_id, result.attachments = True, "t", [bad]
    result.used_examples = [dict(id=bad, likeness=1)]
    result.save()
    Feedback.objects.create(result=result, action="approved", comment=bad, by=bad[:150])
Tenant.objects.update(name=bad[:100])
for tenant in Tenant.objects.all():
    hook = WebhookEndpoint(tenant=tenant, url=bad[:2000], description=bad[:500], events=[bad])
    hook.secret = "whsec_AAAA"
    hook.save()
    told = dict(payload=json.dumps({{bad: bad}}), response_body=bad, error=bad[:200])
    WebhookDelivery.objects.create(tenant=tenant, endpoint=hook, type="email.sent", **told)
mail = EmailMessage()
mail["Subject"], mail["From"] = bad[:200].replace("\\n", " "), "evil@example.com"
mail.set_content(bad)
mail.add_alternative(bad, subtype="html")
taken = dict(mail_from="<script>alert(1)</script>", recipients=[bad[:100]], raw=bytes(mail))
storage.keep(server.CaughtMail(received_at=timezone.now(), **taken))
"""


@pytest.fixture(scope="module")
def canary():
    found = Canary()
    yield found
    found.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, canary):
    """An installation whose every text is a payload, wherever the API lets one in."""
    found = Installation(tmp_path_factory.mktemp("browser"))
    found.set_up()
    add_superuser(found)
    with found.web(), SmtpSink() as sink:
        fill(found, port=sink.port, payloads=canary.payloads)
        yield found


def fill(shop: Installation, *, port: int, payloads: list[str]) -> None:
    everything = "\n".join(payloads)
    account = shop.account("orders@shop.test", port=port, display_name=payloads[4])
    shop.made(
        "/templates",
        {
            "slug": "hostile",
            "name": payloads[2],
            "subject": "{{ title }} " + payloads[3],
            "html_content": "<h1>{{ title }}</h1>" + "".join(p for p in payloads if "{{" not in p),
            "text_content": payloads[0],
        },
    )
    message = {"from_account": account["email_address"], "to_name": payloads[4][:80]}
    for number, payload in enumerate(payloads):
        shop.made(
            "/emails/send",
            message
            | {
                "to_address": f"ana{number}@example.com",
                "subject": payload,
                "html": f"<p>{number}</p>{payload}",
                "text": everything,
                "tags": [payload[:50]],
                "metadata": {payload[:40]: payload},
                "attachments": [
                    {
                        "filename": "<img src=x onerror=alert(1)>.html",
                        "content": base64.b64encode(payload.encode()).decode(),
                        "content_type": "text/html",
                    }
                ],
            },
            status=202,
        )
    for number in range(2):
        mail = {"email_id": f"m{number}", "from": "ana@example.com", "to": "orders@shop.test"}
        shop.made(
            "/emails/process", mail | {"subject": payloads[0], "body": everything}, status=200
        )
    shop.made("/suppressions", {"address": "gone@example.com", "topic": payloads[0][:50]})
    shop.manage("shell", "-c", SPOILT.format(bad=everything[:1000]))


@pytest.fixture
def page(browser, shop):
    """A page of a superuser who is logged in."""
    context = browser.new_context(viewport=DESK, locale="en-GB")
    page = context.new_page()
    log_in(page, shop.url)
    yield page
    context.close()


def lists() -> list[str]:
    """The path of every list of the admin."""
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
    ]


def links(page: Page, list_path: str) -> list[str]:
    """The add page of an open list and the page of its first row, where it has them."""
    targets = page.eval_on_selector_all(
        "main a[href], #main a[href]", "all => all.map(a => a.href)"
    )
    add = [url for url in targets if url.endswith(f"{list_path}add/")]
    rows = [url for url in targets if re.search(rf"{list_path}[^/?]+/change/", url)]
    return [*add[:1], *rows[:1]]


def test_every_page_of_the_admin_opens_without_an_error_or_a_foreign_request(shop, page, canary):
    watch = Watch(page, own=shop.url)
    opened = []

    show(page, f"{shop.url}/admin/")
    for path in lists():
        show(page, shop.url + path)
        for url in links(page, path):
            show(page, url)
            opened.append(url.removeprefix(shop.url))

    assert watch.findings == []
    assert canary.calls == 0
    assert len([url for url in opened if url.endswith("/add/")]) >= 6
    assert len([url for url in opened if url.endswith("/change/")]) >= 6


def test_no_message_runs_or_loads_anything_in_the_admin(shop, page, canary):
    watch = Watch(page, own=shop.url)
    path = reverse("admin:logs_emaillog_changelist")
    page.goto(shop.url + path)
    rows = set(page.eval_on_selector_all("a[href*='/change/']", "all => all.map(a => a.href)"))

    for url in sorted(row for row in rows if "/logs/emaillog/" in row):
        show(page, url)
        assert page.locator("iframe").count() == 1
        with page.expect_response(lambda answer: "images=1" in answer.url):
            page.click("a[href$='images=1']")
        page.frame("mail").wait_for_load_state()
        assert page.frame("mail").inner_text("body").strip() != ""

    assert len(rows) >= len(PAYLOADS)
    assert watch.findings == []
    assert canary.calls == 0


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("pt-PT", ["Mensagens", "Registo de auditoria"]),
        ("pt-BR", ["Mensagens", "Registro de auditoria"]),
    ],
)
def test_staff_read_the_admin_in_their_browsers_language(shop, browser, locale, words):
    context = browser.new_context(locale=locale)
    page = context.new_page()

    log_in(page, shop.url)

    text = page.inner_text("body")
    assert [word for word in words if word not in text] == []
    context.close()


def test_nothing_is_wider_than_a_phone(shop, browser):
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    log_in(page, shop.url)
    message = links_of_first_message(page, shop.url)

    too_wide = [
        url
        for url in [f"{shop.url}/admin/", *message]
        if (page.goto(url), page.evaluate("document.documentElement.scrollWidth"))[1] > 390
    ]

    assert too_wide == []
    context.close()


def links_of_first_message(page: Page, url: str) -> list[str]:
    path = reverse("admin:logs_emaillog_changelist")
    page.goto(url + path)
    return [url + path, *links(page, path)]


def test_the_start_page_refreshes_what_moves_and_leaves_the_reader_where_he_is(shop, page):
    """Kept: the focus, where one reads, the chart; an ended session nests no form to sign in."""
    page.clock.install()
    page.goto(f"{shop.url}/admin/")
    title = page.locator("#start-queues")
    waiting = title.inner_text()
    page.evaluate("document.querySelector('svg[role=img]').dataset.mark = 'the same'")
    page.locator("[id^=start-queue-]").first.focus()
    focused = page.evaluate("document.activeElement.id")
    place = page.evaluate("scrollY")
    message = {"from_account": "orders@shop.test", "to_address": "eva@example.com"}
    shop.made("/emails/send", message | {"subject": "x", "text": "x"}, status=202)

    with page.expect_response("**/admin/start/**"):
        page.clock.fast_forward(16_000)

    expect(title).not_to_have_text(waiting)
    assert page.evaluate("document.activeElement.id") == focused
    assert page.evaluate("scrollY") == place
    assert page.get_attribute("svg[role=img]", "data-mark") == "the same"

    page.context.set_offline(True)
    page.clock.fast_forward(16_000)
    expect(page.locator("#start-said")).to_contain_text("could not be refreshed")
    page.context.set_offline(False)
    page.click("#start-refresh")
    expect(page.locator("#start-said")).to_have_text("")

    page.context.clear_cookies()
    page.click("#start-refresh")
    expect(page.locator("#start-said")).to_contain_text("signed out")
    assert page.locator("input[name=password]").count() == 0
    expect(title).to_be_visible()
