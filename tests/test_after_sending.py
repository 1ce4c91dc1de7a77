"""What an integrator learns of a message after it was sent, through real servers."""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email import policy

import pytest
import requests
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook

from tests.installation import Installation, production_like
from tests.servers.mail_server import ALICE, BOB, BOUNCE, GHOST
from tests.servers.receiver import Receiver
from tests.servers.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.servers, pytest.mark.timeout(240)]

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
REQUEST = {"from_account": ALICE, "subject": "Order", "text": "Hello"}
DONE = ("sent", "delivered")  # the server's own report may come meanwhile
COMPLAINT = """\
From: feedback@isp.example
To: {to}
Subject: complaint about message
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

This is a report of abuse.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: ISP/1.0
Version: 1
Original-Rcpt-To: {recipient}
--b
Content-Type: message/rfc822

Message-ID: {message_id}
From: {to}
To: {recipient}
Subject: News

x
--b--
"""


def told(receiver: Receiver, secret: str) -> dict[str, dict]:
    """Return what came, by type; every signature is verified by both libraries."""
    found = {}
    for request in receiver.requests:
        StandardWebhook(secret).verify(request.body, request.headers)
        SvixWebhook(secret).verify(request.body, request.headers)
        event = json.loads(request.body)
        found[event["type"]] = event["data"]
    return found


@pytest.fixture(scope="module", params=["embedded", "production"])
def shop(request, tmp_path_factory, _running_mail_server):
    """A running installation whose servers are Postfix and Dovecot."""
    folder = tmp_path_factory.mktemp("after")
    with ExitStack() as stack:
        env = {"SSL_CERT_FILE": str(_running_mail_server.ca_file), "MAILBOX_SECONDS": "2"}
        if request.param == "production":
            env |= stack.enter_context(production_like(folder))
        installation = Installation(folder, env=env)
        installation.set_up()
        stack.enter_context(installation.running())
        yield installation


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture(scope="module")
def account(shop, _running_mail_server):
    server = _running_mail_server
    return shop.account(
        ALICE,
        port=server.submission_port,
        smtp_server="localhost",
        use_tls=True,
        smtp_username=ALICE,
        smtp_password=server.passwords[ALICE],
        bounce_address=BOUNCE,
        imap_server="localhost",
        imap_port=server.imaps_port,
        imap_username=BOUNCE,
        imap_password=server.passwords[BOUNCE],
        reads_mail=True,
    )


@pytest.fixture
def hook(shop, receiver):
    """Tells the receiver of everything, while the test runs."""
    made = shop.made("/webhooks", {"url": receiver.url, "events": ["*"]})
    yield made
    assert shop.call("DELETE", f"/webhooks/{made['id']}").status_code == 204


@pytest.fixture
def counted(shop):
    """Returns by how much a figure grew since the test began."""
    before = figures(shop)
    return lambda name: figures(shop)[name] - before[name]


def figures(shop) -> dict:
    """The totals since yesterday, since midnight may pass."""
    today = datetime.now(UTC).date()
    period = f"start_date={today - timedelta(days=1)}&end_date={today}"
    answer = shop.call("GET", f"/analytics/delivery?{period}")
    assert answer.status_code == 200, answer.text
    return answer.json()["totals"]


def send(shop, to: str, **fields) -> str:
    request = REQUEST | {"to_address": to} | fields
    return shop.made("/emails/send", request, status=202)["tracking_id"]


def wait_for(shop, tracking_id: str, status: str) -> dict:
    def reached() -> dict | None:
        message = shop.message(tracking_id)
        return message if message["status"] == status else None

    return until(reached, timeout=90, what=f"{tracking_id} {status}")


def test_a_real_bounce_is_told_counted_and_keeps_the_next_message(
    shop, account, receiver, hook, counted
):
    tracking_id = send(shop, GHOST)

    message = wait_for(shop, tracking_id, "bounced")
    events = until(
        lambda: (found := told(receiver, hook["secret"])).get("email.bounced") and found,
        timeout=30,
        what="the webhook",
    )

    (entry,) = shop.call("GET", "/suppressions").json()["results"]
    again = shop.call(
        "POST",
        "/emails/send",
        {"from_account": ALICE, "to_address": GHOST, "subject": "x", "text": "x"},
    )
    assert message["sent_at"]
    assert events["email.sent"]["tracking_id"] == tracking_id
    assert events["email.bounced"]["tracking_id"] == tracking_id
    assert events["email.bounced"]["bounce_type"] == "hard"
    assert (entry["address"], entry["reason"], entry["source"]) == (
        GHOST,
        "hard_bounce",
        tracking_id,
    )
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "suppressed")
    assert [counted(name) for name in ("queued", "sent", "bounced")] == [1, 1, 1]


def test_a_delivered_message_is_opened_clicked_and_complained_of(
    shop, account, receiver, hook, counted, mail_server
):
    html = "<p>Hi <a href='https://shop.example/a?b=1&amp;c=2'>order</a></p>"
    tracking_id = send(shop, BOB, html=html)
    message = wait_for(shop, tracking_id, "delivered")
    (mail,) = mail_server.wait_for(BOB, count=1)
    shown = email.message_from_bytes(mail, policy=policy.default)
    body = shown.get_body(("html",)).get_content()
    link = body.partition("href='")[2].partition("'")[0]
    pixel = body.rpartition('src="')[2].partition('"')[0]

    opened = requests.get(pixel, headers={"User-Agent": BROWSER}, timeout=10)
    scanned = requests.head(link, headers={"User-Agent": BROWSER}, timeout=10)
    clicked = requests.get(link, headers={"User-Agent": BROWSER}, timeout=10, allow_redirects=False)
    raw = COMPLAINT.format(to=ALICE, recipient=BOB, message_id=message["smtp_message_id"])

    def seen_by_somebody() -> dict | None:
        found = shop.message(tracking_id)
        return found if found["opens_count"] and found["clicks_count"] else None

    seen = until(seen_by_somebody, timeout=30, what="an open and a click")
    handed_in = shop.session.post(
        f"{shop.url}/api/v1/inbound/raw",
        raw.encode(),
        headers={"Content-Type": "message/rfc822"},
        timeout=30,
    ).json()
    until(
        lambda: (
            {"email.opened", "email.clicked", "email.delivered", "email.complained"}
            <= set(told(receiver, hook["secret"]))
        ),
        timeout=30,
        what="the webhooks",
    )

    assert (opened.status_code, opened.headers["Content-Type"]) == (200, "image/gif")
    assert scanned.status_code == clicked.status_code == 302
    assert clicked.headers["Location"] == "https://shop.example/a?b=1&c=2"
    assert (seen["opens_count"], seen["clicks_count"], seen["user_agent"]) == (1, 1, BROWSER)
    assert (handed_in["kind"], handed_in["tracking_id"]) == ("complaint", tracking_id)
    assert shop.message(tracking_id)["status"] == "spam"
    names = ("delivered", "spam", "opened", "clicked", "machine_clicked")
    assert [counted(name) for name in names] == [1, 1, 1, 1, 1]


def test_a_forged_report_suppresses_nobody(shop, account, mail_server):
    tracking_id = send(shop, ALICE)
    mail_server.wait_for(ALICE, count=1)
    message = until(
        lambda: (found := shop.message(tracking_id))["status"] in DONE and found,
        timeout=30,
        what="the message recorded as sent",
    )
    others = "somebody@example.com"
    for recipient, message_id in (
        (ALICE, "<guessed@sendcraft.test>"),
        (others, message["smtp_message_id"]),
    ):
        raw = COMPLAINT.format(to=ALICE, recipient=recipient, message_id=message_id)
        answer = shop.session.post(
            f"{shop.url}/api/v1/inbound/raw",
            raw.encode(),
            headers={"Content-Type": "message/rfc822"},
            timeout=30,
        )
        assert answer.json()["kind"] == "complaint"

    assert shop.message(tracking_id)["status"] in DONE
    kept = shop.call("GET", "/suppressions").json()["results"]
    assert not {ALICE, others} & {entry["address"] for entry in kept}
