"""The triage inbox in a real browser: cleared by keyboard, losing nothing, running nothing."""

from __future__ import annotations

import json
from email import message_from_bytes, policy

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser import DESK, PHONE, Canary, Watch, is_narrow, picture
from tests.installation import Installation
from tests.servers.smtp_sink import SmtpSink

pytestmark = pytest.mark.journey
INBOX = "/admin/ai_triage/triageresult/inbox/"
MAILS = """
import json
import sys
from datetime import timedelta
from django.utils import timezone
from ai_triage.models import TriageResult
from ai_triage.models.results import key_of
from tenants.models import Tenant
for line in sys.stdin:
    TriageResult.objects.all().delete()
    for number, given in enumerate(json.loads(line)):
        fields = dict(
            from_address=f"p{number}@example.com", to_address="orders@shop.test", urgency="medium",
            received_at=timezone.now() - timedelta(hours=9 - number), status="completed",
            decision="respond", confidence="0.9", email_type="question", reason="A question",
            suggested_body="The draft.", processed_at=timezone.now(), provider="rules",
        )
        name = f"m{number}"
        TriageResult.objects.create(
            tenant=Tenant.objects.get(), email_id=name, email_key=key_of(name), **(fields | given)
        )
    print("filled", flush=True)
"""
"""Takes a set of mails a line, within the installation."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    found = Installation(tmp_path_factory.mktemp("inbox"))
    found.set_up()
    with found.running(), SmtpSink() as sink, found.kept_shell(MAILS) as found.filling:
        found.account("orders@shop.test", port=sink.port)
        found.sink = sink
        yield found


def fill(shop: Installation, *mails: dict) -> None:
    """Let these mails wait and no others, in this order."""
    shop.filling.stdin.write(json.dumps(mails) + "\n")
    shop.filling.stdin.flush()
    assert shop.filling.stdout.readline() == "filled\n"


def heading(page: Page, text: str) -> None:
    """Wait until this mail is open and the next key goes to it."""
    expect(page.locator("[data-heading]")).to_have_text(text)
    expect(page.locator("[data-heading]")).to_be_focused()


def sent(shop: Installation) -> list[tuple[str, str]]:
    """Recipient and first line of what went out."""
    messages = [message_from_bytes(one.data, policy=policy.default) for one in shop.sink.received]
    return [(one["To"], one.get_content().splitlines()[0]) for one in messages]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_inbox_is_cleared_by_keyboard_alone(shop, page, size):
    fill(shop, *({"subject": name, "body": name} for name in ("One", "Two", "Three", "Four")))
    page.set_viewport_size(size)
    watch = Watch(page, own=shop.url)
    before = len(sent(shop))
    press, told = page.keyboard.press, page.locator("#inbox-told")

    page.goto(shop.url + INBOX)
    picture(page, f"inbox-{size['width']}", whole=False)
    press("j")
    if size is PHONE:
        heading(page, "One")
        press("j")
    heading(page, "Two")
    press("k")
    heading(page, "One")
    press("a")
    heading(page, "Two")
    expect(told).to_contain_text("The answer to p0@example.com goes out in 10 seconds.")
    press("e")
    press("ControlOrMeta+A")
    page.keyboard.type("Written by a person, jai?")
    press("Escape")
    press("a")
    heading(page, "Three")
    picture(page, f"inbox-sent-{size['width']}", whole=False)
    press("u")
    heading(page, "Two")
    expect(told).to_contain_text("Taken back.")
    expect(page.locator("textarea[name=body]")).to_have_value("Written by a person, jai?")
    press("i")
    heading(page, "Three")
    press("a")
    heading(page, "Four")
    press("i")
    heading(page, "Nothing waits")
    expect(page.locator(".inbox-row")).to_have_count(0)
    press("?")
    expect(page.locator("#inbox-help")).to_be_visible()
    press("Escape")

    shop.sink.wait_for(before + 2, timeout=40)
    assert sorted(sent(shop)[before:]) == [
        ("p0@example.com", "The draft."),
        ("p2@example.com", "The draft."),
    ]
    assert is_narrow(page)
    assert watch.findings == []


def test_what_is_typed_survives_a_broken_line_a_sign_out_and_a_reload(shop, page):
    fill(shop, {"subject": "One"}, {"subject": "Two"})
    page.goto(shop.url + INBOX)
    body, told = page.locator("textarea[name=body]"), page.locator("#inbox-told")
    body.fill("Written at length")

    page.route(f"**{INBOX}*/", lambda route: route.abort())
    page.get_by_role("button", name="Approve and send").click()
    expect(told).to_contain_text("The server could not be reached. Nothing is lost")
    expect(body).to_have_value("Written at length")
    page.unroute(f"**{INBOX}*/")
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Save draft").click()
    expect(told).to_contain_text("You are signed out.")
    expect(body).to_have_value("Written at length")
    page.context.add_cookies(cookies)
    page.locator(".inbox-row", has_text="Two").click()
    heading(page, "Two")
    expect(body).to_have_value("The draft.")
    page.reload()
    page.locator(".inbox-row", has_text="One").click()
    heading(page, "One")
    expect(body).to_have_value("Written at length")
    expect(page.get_by_text("What you had typed here before was put back.")).to_be_visible()
    page.get_by_role("button", name="Save draft").click()
    heading(page, "Two")
    page.locator(".inbox-row", has_text="One").click()
    heading(page, "One")
    expect(body).to_have_value("Written at length")
    expect(page.get_by_text("What you had typed here before was put back.")).to_be_hidden()


def test_what_is_typed_survives_a_correction_until_it_is_sent(shop, page):
    fill(shop, {"subject": "One"}, {"subject": "Two"})
    page.goto(shop.url + INBOX)
    body, told = page.locator("textarea[name=body]"), page.locator("#inbox-told")
    body.fill("Written at length")

    page.get_by_text("Wrong type, urgency or decision?").click()
    page.locator("select[name=email_type]").select_option("complaint")
    page.get_by_role("button", name="Save correction").click()
    expect(told).to_contain_text("The correction was saved; the mail still needs its answer.")
    heading(page, "One")
    expect(body).to_have_value("Written at length")
    expect(page.locator(".inbox-row")).to_have_count(2)
    page.locator(".inbox-row", has_text="Two").click()
    heading(page, "Two")
    page.reload()
    page.locator(".inbox-row", has_text="One").click()
    heading(page, "One")
    expect(body).to_have_value("Written at length")
    page.get_by_role("button", name="Approve and send").click()
    heading(page, "Two")
    expect(page.locator(".inbox-row")).to_have_count(1)


def test_single_letters_can_be_switched_off_and_never_act_while_one_types(shop, page):
    fill(shop, {"subject": "One"}, {"subject": "Two"})
    page.goto(shop.url + INBOX)

    page.locator("input[name=subject]").focus()
    page.keyboard.type("jaieu?")
    expect(page.locator("input[name=subject]")).to_have_value("jaieu?Re: One")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Shortcuts of single letters are on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.locator("[data-heading]").focus()
    page.keyboard.type("aij")
    page.reload()
    page.keyboard.type("aij")

    expect(page.locator(".inbox-row")).to_have_count(2)
    expect(page.locator("[data-heading]")).to_have_text("One")


def test_the_inbox_works_without_its_scripts(shop, page):
    fill(shop, {"subject": "One"}, {"subject": "Two"})
    page.route("**/*.js", lambda route: route.abort() if is_ours(route) else route.continue_())

    page.goto(shop.url + INBOX)
    page.get_by_role("button", name="Ignore").click()
    expect(page.locator("[data-heading]")).to_have_text("Two")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-heading]")).to_have_text("One")

    expect(page.locator(".inbox-row")).to_have_count(2)


def is_ours(route: Route) -> bool:
    return route.request.url.endswith(("/inbox.js", "/htmx.js"))


def test_no_mail_runs_or_loads_anything_in_the_inbox(shop, page):
    canary = Canary()
    payloads = canary.payloads
    texts = ("from_name", "body", "reason", "suggested_subject", "suggested_body", "error")
    fill(
        shop,
        *(
            dict.fromkeys(texts, payload[:250])
            | {"subject": f"{number} {payload}", "thread_id": f"t{number % 10}"}
            | {"attachments": [payload]}
            for number, payload in enumerate(payloads)
        ),
    )
    watch = Watch(page, own=shop.url)

    page.goto(shop.url + INBOX)
    for number, payload in enumerate(payloads):
        if number:
            page.keyboard.press("j")
            heading(page, " ".join(f"{number} {payload}".split()))
        for summary in page.locator("#inbox-mail summary").all():
            summary.click()
    page.keyboard.press("i")
    page.wait_for_load_state("networkidle")

    canary.close()
    assert watch.findings == []
    assert canary.calls == 0
