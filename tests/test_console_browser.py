"""The whole console in a real browser, over data from people who mean harm.

The servers are those of production; every page is opened in three languages at two widths.
"""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from domains.tests.dns_server import running_dns_server
from tests.browser import DESK, PAYLOADS, Canary, Watch, log_in, show
from tests.installation import PASSWORD, USER, Installation, production_like
from tests.servers.smtp_sink import SmtpSink
from tests.servers.waiting import until
from tests.tour import KEPT, LANGUAGES, NO_PAGES, Places, Tour, pages, routes

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]  # it opens every page

GUARDED, SECRET = "guarded", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
"""Somebody with a second factor, and what the authenticator knows."""
SPOILT = """
import io
import json
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.management import call_command
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from accounts.models import EmailAccount
from ai_triage.evaluation.mails import OWN_SET
from ai_triage.models import (
    EvaluationRun, Experiment, Feedback, Prompt, PromptVersion, Snippet, TriageAnalytics,
    TriageResult, TriageSettings,
)
from catcher import server, storage
from domains.models import Domain
from domains.services import verify_domain
from inbox.models import Mailbox
from logs.links import unsubscribe_url
from logs.models import EmailEvent, EmailLog
from tenants.invitations import link_of
from tenants.models import BackgroundJob, Invitation, JobProblem, Membership, Tenant
from webhooks.models import WebhookDelivery, WebhookEndpoint
bad = {bad!r}
now = timezone.now()
for email in EmailLog.objects.all():
    email.error_message = email.smtp_response = email.user_agent = bad[:500]
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
tenant = Tenant.objects.get()
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
storage.keep(server.CaughtMail(received_at=now, **taken))
verify_domain(Domain.objects.get())
EmailAccount.objects.update(
    reads_mail=True, imap_server="127.0.0.1", imap_port=1, paused_at=now, paused_reason=bad[:500],
    paused_by_hand=True,
)
said = dict(error=bad[:500], next_read_at=now + timedelta(days=9))
Mailbox.objects.update_or_create(account=EmailAccount.objects.first(), defaults=said)
staff = User.objects.get(username={user!r})
guarded = User.objects.create_superuser({guarded!r}, "guarded@example.com", {password!r})
User.objects.filter(pk=guarded.pk).update(first_name=bad[:150], last_name=bad[:150])
idle = User.objects.create_user("idle", "idle@example.com", is_staff=True)
TOTP.activate(guarded, {secret!r})
codes = RecoveryCodes.activate(guarded).get_unused_codes()
Membership.objects.create(tenant=tenant, user=guarded, role="owner")
invitation = Invitation.objects.create(
    tenant=tenant, email="new@example.com", invited_by=staff, expires_at=now + timedelta(days=1),
    mailed_at=now,
)
job = BackgroundJob.objects.create(
    tenant=tenant, kind="suppressions.import", status="done", total=9, done=9, created_by=staff,
    result=dict(added=8, refused=1), finished_at=now,
)
JobProblem.objects.create(job=job, line=1, value=bad[:320], code="invalid")
prompt = Prompt.objects.create(tenant=tenant, name="spoilt")
a, b = (
    PromptVersion.objects.create(
        prompt=prompt, number=number, system_prompt=bad, respond_to=[bad], ignore=[bad],
        author=bad[:150],
    )
    for number in (1, 2)
)
Experiment.objects.create(tenant=tenant, name=bad[:100], a=a, b=b, share_b=9, created_by=bad[:150])
few = Path({folder!r}, "mails.jsonl")
few.write_text("".join(OWN_SET.open().readlines()[:3]))
call_command("triage_eval", few, stdout=io.StringIO())
call_command("rebuild_delivery_figures", stdout=io.StringIO())
EvaluationRun.objects.update(tenant=tenant, file_name=bad[:255], model_version=bad[:100], prompt=a)
Snippet.objects.create(tenant=tenant, question=bad[:500], answer=bad, created_by=bad[:150])
company = dict(company_name=bad[:200], sector=bad[:200], signature=bad[:1000])
TriageSettings.objects.update_or_create(tenant=tenant, defaults=company)
reasons = [dict(reason=bad, count=1)]
TriageAnalytics.objects.update_or_create(
    tenant=tenant, date=now.date(), defaults=dict(top_respond_reasons=reasons)
)
print(json.dumps(dict(
    codes=codes,
    app_list=dict(app_label="tenants"),
    join=dict(token=link_of(invitation).rpartition("/")[2]),
    unsubscribe=dict(token=unsubscribe_url(EmailLog.objects.first().tracking_id).rpartition("/")[2]),
    password_reset_confirm=dict(
        uidb64=urlsafe_base64_encode(force_bytes(idle.pk)),
        token=default_token_generator.make_token(idle),
    ),
)))
"""


@pytest.fixture(scope="module")
def canary():
    found = Canary()
    yield found
    found.close()


@pytest.fixture(scope="module", params=["production"])
def shop(request, tmp_path_factory, canary):
    """A running installation whose every text is a payload, wherever one can get in."""
    folder = tmp_path_factory.mktemp("console")
    with ExitStack() as stack:
        dns = stack.enter_context(running_dns_server())
        dns.txt("shop.test", *canary.payloads)
        env = {"DNS_RESOLVERS": dns.address} | stack.enter_context(production_like(folder))
        found = Installation(folder, env=env)
        found.set_up()
        stack.enter_context(found.running())
        sink = stack.enter_context(SmtpSink())
        found.links = fill(found, sink=sink, payloads=canary.payloads)
        found.codes = found.links.pop("codes")
        yield found


@pytest.fixture(scope="module")
def places(shop):
    return Places(shop, user=USER, given=shop.links)


def fill(shop: Installation, *, sink: SmtpSink, payloads: list[str]) -> dict:
    """Return the arguments of the pages that a link leads to, and the guarded one's codes."""
    everything = "\n".join(payloads)
    account = shop.account("orders@shop.test", port=sink.port, display_name=payloads[4])
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
    bulk = {"template_id": "hostile", "recipient_list": ["ana@example.com"]}
    variables = {"variables_global": {"title": payloads[1]}}
    shop.made(
        "/emails/send-bulk",
        bulk | variables | {"from_account": account["email_address"]},
        status=202,
    )
    sink.wait_for(len(payloads) + 1, timeout=60)
    until(lambda: nothing_waits(shop), timeout=60, what="all messages recorded as sent")
    raw = f"From: ana@example.com\nTo: orders@shop.test\nSubject: {payloads[0]}\n\n{everything}"
    shop.session.post(
        f"{shop.url}/api/v1/inbound/raw",
        data=raw.encode(),
        headers={"Content-Type": "message/rfc822"},
    ).raise_for_status()
    names = {"user": USER, "guarded": GUARDED, "password": PASSWORD, "secret": SECRET}
    names["folder"] = str(shop.folder)
    printed = shop.shell(SPOILT.format(bad=everything[:1000], **names))
    waiting = {"to_address": "ana@example.com", "subject": payloads[0], "html": everything}
    shop.made("/emails/send", message | waiting, status=202)
    return json.loads(printed.splitlines()[-1])


def nothing_waits(shop: Installation) -> bool:
    return not shop.call("GET", "/logs?status=queued&status=sending").json()["results"]


def test_every_route_of_the_product_is_a_page_of_the_tour_or_known_to_be_none():
    """What is known to be no page is still there, so that the list stays true."""
    assert NO_PAGES - {name for _, name in routes()} == set()
    assert len(pages()) > 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_opens_in_each_language_on_a_desk_and_a_phone(
    shop, places, browser, canary, language
):
    left = dict(places)

    tours = [
        tour_signed_out(shop, browser, left, language=language),
        tour_with_second_factor(shop, browser, left, language=language),
    ]
    tours.append(tour_of_the_rest(shop, browser, left, language=language))

    if language == "en":
        write_report([found for tour in tours for found in tour.report])
    findings = [text for tour in tours for text in tour.findings]
    assert not findings, "\n".join(findings)
    assert canary.calls == 0
    assert left == {}


SIGNED_OUT = (
    "account_login", "admin_password_reset", "password_reset_done", "password_reset_confirm",
    "password_reset_complete", "join", "unsubscribe",
)  # fmt: skip
SECOND_FACTOR = (
    "mfa_index", "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes",
    "mfa_reauthenticate",
)  # fmt: skip


def new_page(browser: Browser, language: str) -> Page:
    context = browser.new_context(
        viewport=DESK, locale=LANGUAGES[language], reduced_motion="reduce"
    )
    return context.new_page()


def tour_signed_out(shop, browser, places: dict[str, str], *, language: str) -> Tour:
    tour = Tour(new_page(browser, language), shop=shop, language=language)
    for name in SIGNED_OUT:
        tour.open(name, places.pop(name))
    tour.page.context.close()
    return tour


def tour_with_second_factor(shop, browser, places: dict[str, str], *, language: str) -> Tour:
    tour = Tour(new_page(browser, language), shop=shop, language=language)
    page = tour.page
    page.goto(shop.url + places["mfa_index"])
    page.fill("input[name=username]", GUARDED)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**" + places.pop("mfa_authenticate"))
    tour.look("mfa_authenticate")
    page.fill("input[name=code]", shop.codes.pop())
    page.press("input[name=code]", "Enter")
    page.wait_for_url("**" + places["mfa_index"])
    give_password_again(page, shop.url + places["account_reauthenticate"])
    for name in SECOND_FACTOR:
        tour.open(name, places.pop(name))
    page.context.close()
    return tour


def give_password_again(page: Page, url: str) -> None:
    """For minutes the pages of the second factor open then."""
    page.goto(url)
    page.fill("input[name=password]", PASSWORD)
    with page.expect_navigation():
        page.press("input[name=password]", "Enter")


def tour_of_the_rest(shop, browser, places: dict[str, str], *, language: str) -> Tour:
    tour = Tour(new_page(browser, language), shop=shop, language=language)
    log_in(tour.page, shop.url)
    give_password_again(tour.page, shop.url + places["account_reauthenticate"])
    for name in sorted(places, key=lambda name: not name.startswith("mfa_")):
        tour.open(name, places.pop(name))
    tour.page.context.close()
    return tour


def write_report(found: list[dict]) -> None:
    """Keep what axe-core said beside the pictures."""
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / "axe.json").write_text(json.dumps(found, indent=1))
    lines = [
        f"{one['page']} ({one['width']} px): {one['impact']}: {one['id']}: {one['help']}, "
        f"{len(one['nodes'])} times, first at {one['nodes'][0]['target']}"
        for one in found
    ]
    (KEPT / "axe.txt").write_text(
        "".join(f"{line}\n" for line in sorted(lines)) or "Nothing found.\n"
    )


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


def test_the_start_page_refreshes_what_moves_and_leaves_the_reader_where_he_is(shop, page):
    """Kept: the focus, where one reads, the chart; an ended session nests no form to sign in."""
    message = {"from_account": "orders@shop.test", "to_address": "eva@example.com"}
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    message |= {"subject": "x", "text": "x", "send_at": tomorrow}
    shop.made("/emails/send", message, status=202)  # so that there is a queue
    page.clock.install()
    page.goto(f"{shop.url}/admin/")
    title = page.locator("#start-queues")
    waiting = title.inner_text()
    page.evaluate("document.querySelector('svg[role=img]').dataset.mark = 'the same'")
    page.locator("[id^=start-queue-]").first.focus()
    focused = page.evaluate("document.activeElement.id")
    place = page.evaluate("scrollY")
    shop.made("/emails/send", message, status=202)

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
