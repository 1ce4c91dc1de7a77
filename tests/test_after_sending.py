"""What an integrator learns of a message after it was sent, through real servers."""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from email import policy

import pytest
import requests
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook

from tests.installation import Installation, mariadb_database, production_like
from tests.servers.mail_server import ALICE, BOB, BOUNCE, GHOST
from tests.servers.receiver import Receiver
from tests.servers.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.servers, pytest.mark.timeout(240)]

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
REQUEST = {"from_account": ALICE, "subject": "Order", "text": "Hello"}
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


@pytest.fixture(params=["embedded", "production"])
def shop(request, tmp_path, mail_server):
    """A running installation whose servers are Postfix and Dovecot."""
    with ExitStack() as stack:
        env = {"SSL_CERT_FILE": str(mail_server.ca_file)}
        if request.param == "production":
            request.getfixturevalue("mariadb")
            request.getfixturevalue("redis_server")
            env |= production_like(stack.enter_context(mariadb_database()))
        installation = Installation(tmp_path, env=env)
        installation.set_up()
        stack.enter_context(installation.running())
        yield installation


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture
def account(shop, mail_server):
    return shop.account(
        ALICE,
        port=mail_server.submission_port,
        smtp_server="localhost",
        use_tls=True,
        smtp_username=ALICE,
        smtp_password=mail_server.passwords[ALICE],
        bounce_address=BOUNCE,
        imap_server="localhost",
        imap_port=mail_server.imaps_port,
        imap_username=BOUNCE,
        imap_password=mail_server.passwords[BOUNCE],
        reads_mail=True,
    )


def figures(shop) -> dict:
    today = datetime.now(UTC).date().isoformat()
    answer = shop.call("GET", f"/analytics/delivery?start_date={today}&end_date={today}")
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


def test_a_real_bounce_is_told_counted_and_keeps_the_next_message(shop, account, receiver):
    hook = shop.made("/webhooks", {"url": receiver.url, "events": ["*"]})
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
    totals = figures(shop)
    assert (totals["queued"], totals["sent"], totals["bounced"]) == (1, 1, 1)


def test_a_delivered_message_is_opened_clicked_and_complained_of(
    shop, account, receiver, mail_server
):
    hook = shop.made("/webhooks", {"url": receiver.url, "events": ["*"]})
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

    def counted() -> dict | None:
        found = shop.message(tracking_id)
        return found if found["opens_count"] and found["clicks_count"] else None

    seen = until(counted, timeout=30, what="an open and a click")
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
    totals = figures(shop)
    assert (totals["delivered"], totals["spam"], totals["opened"], totals["clicked"]) == (
        1,
        1,
        1,
        1,
    )
    assert totals["machine_clicked"] == 1


def test_a_forged_report_suppresses_nobody(shop, account, mail_server):
    tracking_id = send(shop, BOB)
    message = wait_for(shop, tracking_id, "delivered")
    for recipient, message_id in (
        (BOB, "<guessed@sendcraft.test>"),
        (GHOST, message["smtp_message_id"]),
    ):
        raw = COMPLAINT.format(to=ALICE, recipient=recipient, message_id=message_id)
        shop.session.post(
            f"{shop.url}/api/v1/inbound/raw",
            raw.encode(),
            headers={"Content-Type": "message/rfc822"},
            timeout=30,
        )

    assert shop.message(tracking_id)["status"] == "delivered"
    assert shop.call("GET", "/suppressions").json()["results"] == []
