"""The shop's three uses of the product, from one API call to the bytes that its server gets."""

from __future__ import annotations

import email
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email import policy

import pytest

from tests.installation import Installation, production_like
from tests.servers.waiting import until

pytestmark = pytest.mark.journey

ORDER = """
<h1>Obrigado, {{ customer_name }}</h1>
<table>{% for product in products %}<tr><td>{{ product.name }}</td>
<td>{{ product.price|money("EUR") }}</td></tr>{% endfor %}</table>
"""
NEWS = "<p>Olá {{ name|default('cliente') }}, {{ month }}.</p><a href='{{ unsubscribe_url }}'>x</a>"


@pytest.fixture(scope="module", params=["embedded", "production"])
def shop(request, tmp_path_factory):
    """A running shop installation: SQLite and files, or MariaDB and Redis."""
    folder = tmp_path_factory.mktemp("shop")
    with ExitStack() as stack:
        env = {}
        if request.param == "production":
            env = stack.enter_context(production_like(folder))
        installation = Installation(folder, env=env)
        installation.set_up()
        stack.enter_context(installation.running())
        yield installation


@pytest.fixture(scope="module")
def orders(shop, sink):
    return shop.account("encomendas@alitools.test", port=sink.port, display_name="AliTools")


@pytest.fixture(scope="module")
def sink():
    from tests.servers.smtp_sink import SmtpSink

    with SmtpSink() as found:
        yield found


def received_for(sink, tracking_id: str) -> list:
    return [one for one in sink.received if tracking_id.encode() in one.data]


def parsed(one):
    return email.message_from_bytes(one.data, policy=policy.default)


def test_a_customer_gets_the_order_confirmation_with_its_products(shop, sink, orders):
    shop.made(
        "/templates",
        {
            "slug": "order_confirmation",
            "name": "Order",
            "subject": "Encomenda {{ order_number }}",
            "html_content": ORDER,
            "template_type": "orders",
        },
    )
    request = {
        "template_id": "order_confirmation",
        "from_account": orders["email_address"],
        "to_address": "Ana Sá <ana@example.com>",
        "variables": {
            "customer_name": "Ana <3",
            "order_number": "A-1001",
            "products": [
                {"name": "Berbequim", "price": "49.90"},
                {"name": "Serra", "price": "1234.5"},
            ],
        },
        "track_opens": False,
    }

    accepted = shop.made("/emails/send", request, status=202)
    message = shop.wait_settled(accepted["tracking_id"])

    (mail,) = received_for(sink, accepted["tracking_id"])
    shown = parsed(mail)
    html = shown.get_body(("html",)).get_content()
    events = shop.call("GET", f"/logs/{accepted['tracking_id']}/events").json()["results"]
    content = shop.call("GET", f"/logs/{accepted['tracking_id']}/content").json()
    assert message["status"] == "sent"
    assert message["smtp_response"].startswith("250")
    assert message["smtp_message_id"] == shown["Message-ID"]
    assert [event["type"] for event in events] == ["queued", "sending", "sent"]
    assert (mail.mail_from, mail.recipients) == (orders["email_address"], ("ana@example.com",))
    assert shown["From"] == "AliTools <encomendas@alitools.test>"
    assert shown["To"] == "Ana Sá <ana@example.com>"
    assert shown["Subject"] == "Encomenda A-1001"
    assert shown.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in shown.iter_parts()] == ["text/plain", "text/html"]
    assert "Obrigado, Ana &lt;3" in html
    assert "1.234,50" in html
    assert "Berbequim" in shown.get_body(("plain",)).get_content()
    assert content["subject"] == "Encomenda A-1001"
    assert content["html_content"].strip() == html.strip().replace("\r\n", "\n")
    assert "List-Unsubscribe" not in shown


def test_a_supplier_gets_the_order_with_a_file_and_copies(shop, sink, orders):
    request = {
        "from_account": orders["email_address"],
        "to_address": "vendas@fornecedor.example",
        "cc": ["chefe@fornecedor.example"],
        "bcc": ["arquivo@alitools.test"],
        "reply_to": "compras@alitools.test",
        "subject": "Nova encomenda ✓",
        "html": "<p>Em anexo. <img src='cid:logo'></p>",
        "text": "Em anexo.\n.\nFim",
        "headers": {"X-Order": "S-7"},
        "attachments": [
            {"filename": "ordem nº 7.csv", "content": "YTtiCg==", "content_type": "text/csv"},
            {
                "filename": "logo.png",
                "content": "iVBORw0KGgo=",
                "content_type": "image/png",
                "content_id": "logo",
            },
        ],
    }

    accepted = shop.made("/emails/send", request, status=202)
    shop.wait_settled(accepted["tracking_id"])

    (mail,) = received_for(sink, accepted["tracking_id"])
    shown = parsed(mail)
    assert set(mail.recipients) == {
        "vendas@fornecedor.example",
        "chefe@fornecedor.example",
        "arquivo@alitools.test",
    }
    assert b"arquivo@" not in mail.data
    assert shown["Reply-To"] == "compras@alitools.test"
    assert shown["X-Order"] == "S-7"
    assert shown.get_content_type() == "multipart/mixed"
    assert shown.get_body(("plain",)).get_content().splitlines() == ["Em anexo.", ".", "Fim"]
    assert [part.get_filename() for part in shown.iter_attachments()] == ["ordem nº 7.csv"]
    assert "multipart/related" in [part.get_content_type() for part in shown.walk()]


def test_a_newsletter_goes_to_everybody_once_and_can_be_left(shop, sink, orders):
    shop.made(
        "/templates",
        {
            "slug": "newsletter",
            "name": "News",
            "subject": "{{ month }}: {{ name|default('cliente') }}",
            "html_content": NEWS,
            "template_type": "newsletter",
        },
    )
    recipients = [f"r{number}@example.com" for number in range(20)]
    request = {
        "template_id": "newsletter",
        "from_account": orders["email_address"],
        "recipient_list": [
            *recipients,
            {"to_address": "ana@example.com", "variables": {"name": "Ana"}},
        ],
        "variables_global": {"month": "maio"},
        "priority": "low",
    }

    batch = shop.made("/emails/send-bulk", request, status=202)
    rows = shop.call("GET", f"/logs?batch_id={batch['batch_id']}&page_size=200").json()["results"]
    for row in rows:
        assert shop.wait_settled(row["tracking_id"])["status"] == "sent"
    mails = {row["to_address"]: received_for(sink, row["tracking_id"]) for row in rows}
    assert sorted(mails) == sorted([*recipients, "ana@example.com"])
    assert {len(copies) for copies in mails.values()} == {1}
    ana = parsed(mails["ana@example.com"][0])
    assert ana["Subject"] == "maio: Ana"
    assert ana["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = ana["List-Unsubscribe"].strip("<>")
    assert link in ana.get_body(("html",)).get_content()

    path = "/u/" + link.rpartition("/")[2]
    shop.session.post(shop.url + path, data={"List-Unsubscribe": "One-Click"}, timeout=30)
    again = shop.made("/emails/send-bulk", request, status=202)

    assert [row["code"] for row in again["rejected"]] == ["suppressed"]
    assert again["accepted"] == 20


def test_a_test_keys_mail_goes_all_the_way_but_the_wire(shop, sink, orders):
    key = shop.manage("create_api_key", "--tenant", "shop", "--name", "k", "--mode", "test")
    request = {
        "from_account": orders["email_address"],
        "to_address": "nobody@example.com",
        "subject": "Only a test",
        "text": "x",
    }

    answer = shop.call("POST", "/emails/send", request, headers={"X-API-Key": key}).json()
    message = shop.wait_settled(answer["tracking_id"])

    assert (message["status"], message["mode"]) == ("sent", "test")
    assert received_for(sink, answer["tracking_id"]) == []


def test_a_message_for_later_waits_and_can_be_cancelled(shop, sink, orders):
    in_a_week = f"{datetime.now(UTC) + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
    request = {
        "from_account": orders["email_address"],
        "to_address": "ana@example.com",
        "subject": "Later",
        "text": "x",
        "send_at": in_a_week,
    }

    accepted = shop.made("/emails/send", request, status=202)
    waiting = shop.message(accepted["tracking_id"])
    cancelled = shop.call("POST", f"/logs/{accepted['tracking_id']}/cancel").json()
    twice = shop.call("POST", f"/logs/{accepted['tracking_id']}/cancel")

    assert waiting["status"] == "queued"
    assert waiting["send_at"] == in_a_week
    assert cancelled["status"] == "cancelled"
    assert twice.status_code == 409


def test_mail_that_comes_in_is_judged_by_the_worker_that_also_sends(shop, orders):
    raw = b"From: Ana <ana@example.com>\r\nTo: encomendas@alitools.test\r\nSubject: A-1001\r\n"
    raw += b"Message-ID: <q@example.com>\r\n\r\nQuando chega a minha encomenda A-1001?\r\n"
    handed_in = shop.session.post(
        f"{shop.url}/api/v1/inbound/raw", raw, headers={"Content-Type": "message/rfc822"}
    )
    mail = {"email_id": "m", "from": "rui@example.com", "to": "encomendas@alitools.test"}
    mail |= {"subject": "Fatura", "body": "Podem enviar-me a fatura da encomenda A-1002?"}
    batch = shop.made("/emails/process-batch", {"emails": [mail]}, status=202)

    def judged() -> list[dict]:
        found = shop.call("GET", "/emails?status=completed").json()["results"]
        return found if len(found) == 2 else []

    found = until(judged, timeout=30, what="both mails judged")

    assert (handed_in.json()["kind"], batch["accepted"]) == ("human", 1)
    assert {one["email_id"] for one in found} == {handed_in.json()["id"], "m"}
    assert {one["decision"] for one in found} == {"respond"}
