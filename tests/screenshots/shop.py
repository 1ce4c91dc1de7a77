"""A day of the shop, played through the product: its API, mail servers, reports and webhooks."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import requests

from domains.tests.dns_server import DNSServer, running_dns_server
from inbox.tests.mails import a_complaint_of, a_report
from tests.installation import Installation
from tests.screenshots.correspondence import BUYERS, LETTERS, NEWS, SHOP, Judge, Letter
from tests.screenshots.customers import GOODS, PEOPLE, SUPPLIERS, order
from tests.screenshots.mail_server import FULL, GONE, STRICT, MailServer
from tests.servers.openai import FakeOpenAI
from tests.servers.receiver import OK, Received, Receiver, Reply
from tests.servers.waiting import until

USER, PASSWORD = "rita", "only-for-the-pictures"
DOMAIN = "alitools.pt"
ORDERS = range(1029, 1047)
PATIENCE = 120
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
SERVER = "192.0.2.25"
"""Of the addresses for documentation (RFC 5737)."""


@contextmanager
def running_shop(folder: Path) -> Iterator[Installation]:
    """Yield the installation at the end of its day: only its web server runs."""
    with ExitStack() as stack:
        dns = stack.enter_context(running_dns_server())
        model = stack.enter_context(FakeOpenAI())
        model.answers(Judge())
        env = {
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "DNS_RESOLVERS": dns.address,
            "TRIAGE_PROVIDER": "openai",
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": model.url,
            "OPENAI_MODEL": "gpt-5-mini",
            "TRUSTED_PROXIES": "127.0.0.0/8",
        }
        shop = Installation(folder, env=env)
        mail_server = stack.enter_context(MailServer(shop.catcher_port))
        shop.manage("migrate", "--verbosity", "0")
        shop.manage("demo")
        kept = json.loads((folder / "credentials.json").read_text())
        shop.session.headers["X-API-Key"] = kept["live_key"]
        user = ("--username", USER, "--email", f"{USER}@{DOMAIN}")
        shop.manage("createsuperuser", "--noinput", *user)
        past(shop, "begin")
        with shop.web():
            with shop.worker(), Receiver() as receiver:
                begun = datetime.now(UTC).isoformat()
                Day(shop, mail_server=mail_server, receiver=receiver).play()
            *_, keys = past(shop, "end", begun).splitlines()
            publish(json.loads(keys), dns=dns)
            past(shop, "check_domain")
            yield shop


def past(shop: Installation, name: str, *arguments: str) -> str:
    """Run a function of ``tests.screenshots.past`` inside the installation."""
    given = ", ".join(map(repr, arguments))
    code = f"from tests.screenshots import past\npast.{name}({given})"
    return shop.shell(code)


def publish(keys: list[list[str]], *, dns: DNSServer) -> None:
    """Publish the domain's records, all but the last key's."""
    for name, value in keys[:-1]:
        dns.txt(name, value)
    dns.txt(DOMAIN, f"v=spf1 ip4:{SERVER} -all")
    dns.a("smtp.alitools.pt", SERVER)
    dns.txt(f"_dmarc.{DOMAIN}", f"v=DMARC1; p=none; rua=mailto:dmarc@{DOMAIN}")
    dns.mx(DOMAIN, "10 mx.alitools.pt")
    dns.a("mx.alitools.pt", "192.0.2.26")


class Day:
    """What happens on the day; each step waits until the product has done its part."""

    def __init__(self, shop: Installation, *, mail_server: MailServer, receiver: Receiver) -> None:
        self.shop = shop
        self.mail_server = mail_server
        self.receiver = receiver
        self.sent: dict[str, dict] = {}

    def play(self) -> None:
        self.set_up()
        self.newsletter()
        self.a_complaint()
        for number in ORDERS:
            self.confirm(number)
            if number % 5 == 0:
                self.buy(number)
        self.troubles()
        self.engagement()
        self.letters()
        self.until_told()

    def set_up(self) -> None:
        """Webhooks, limits and the login whose password will expire."""
        self.receiver.answers(self.answer_of_erp)
        hooks = [
            ("ERP AliTools", ["email.bounced", "email.complained", "email.deferred"], "erp"),
            ("Painel de atendimento", ["triage.completed"], "painel"),
        ]
        for description, events, path in hooks:
            url = self.receiver.url.replace("hooks", path)
            self.shop.made("/webhooks", {"url": url, "description": description, "events": events})
        self.change(SHOP, limit_per_minute=60, limit_per_hour=1000, limit_per_day=8000)
        self.change(BUYERS, limit_per_day=200)
        login = {"smtp_username": NEWS, "smtp_password": "expired", "allow_plaintext": True}
        self.change(NEWS, **login)

    def change(self, address: str, **fields: object) -> None:
        [account] = [
            each
            for each in self.shop.call("GET", "/accounts?page_size=100").json()["results"]
            if each["email_address"] == address
        ]
        answer = self.shop.call("PATCH", f"/accounts/{account['id']}", fields)
        assert answer.status_code == 200, answer.text
        if not answer.json()["is_active"]:
            self.shop.made(f"/accounts/{account['id']}/activate", None, status=200)

    @staticmethod
    def answer_of_erp(request: Received) -> Reply:
        """One of the two has a bad day."""
        is_down = request.path.startswith("/painel")
        return Reply(503, b'{"error": "maintenance until 18:00"}') if is_down else OK

    # What goes out

    def send(self, to: str, **fields: object) -> dict:
        body = {"from_account": SHOP, "to_address": to, **fields}
        return self.shop.made("/emails/send", body, status=202)

    def settled(self, made: dict) -> dict:
        return self.shop.wait_settled(made["tracking_id"], timeout=PATIENCE)

    def confirm(self, number: int) -> None:
        """Confirm an order, and let its customer's server report that it arrived."""
        name, address = PEOPLE[number % len(PEOPLE)]
        made = self.send(
            f"{name} <{address}>",
            template_id="alitools_order_confirmation",
            variables=order(number),
            tags=["encomenda"],
            metadata={"encomenda": f"A-{number}"},
        )
        message = self.settled(made)
        self.sent[f"A-{number}"] = message
        if number % 6:
            self.arrived(message)

    def arrived(self, message: dict) -> None:
        group = {
            "Final-Recipient": f"rfc822; {message['to_address']}",
            "Action": "delivered",
            "Status": "2.0.0",
        }
        given = {
            "To": message["from_address"],
            "Subject": "Successful Mail Delivery Report",
            "Message_ID": f"<report-{message['tracking_id']}@mx.example.com>",
        }
        returned = f"Message-ID: {message['smtp_message_id']}\r\nTo: {message['to_address']}"
        self.hand_in(a_report(returned=returned, groups=[group], prose="Delivered.", **given))

    def buy(self, number: int) -> None:
        name, address = SUPPLIERS[number % len(SUPPLIERS)]
        goods = [{"name": name, "quantity": 20, "price": price} for name, price in GOODS[:3]]
        for part in range(2):
            variables = {"supplier_name": name, "order_number": f"F-{number - 800 + part}"}
            self.send(
                f"{name} <{address}>",
                from_account=BUYERS,
                template_id="supplier_new_order",
                variables={**variables, "items": goods},
                tags=["compras"],
            )

    def newsletter(self) -> None:
        """A newsletter whose account is refused at the door: it waits until somebody looks."""
        recipients = [f"cliente{number:03}@clientes.example" for number in range(214)]
        self.mail_server.refuses_logins = True
        body = {
            "template_id": "alitools_newsletter_monthly",
            "from_account": NEWS,
            "recipient_list": recipients,
        }
        self.shop.made("/emails/send-bulk", body, status=202)

        def is_paused() -> bool:
            found = self.shop.call("GET", "/accounts?page_size=100").json()["results"]
            return any(one["paused_reason"] for one in found)

        until(is_paused, timeout=PATIENCE, what="the newsletter's account paused")

    def a_complaint(self) -> None:
        made = self.send(
            "rececao@clinica-azul.example", subject="A sua opinião conta", text="Gostou da compra?"
        )
        message = self.settled(made)
        mail = a_complaint_of(
            message["smtp_message_id"],
            feedback="Feedback-Type: abuse\r\nUser-Agent: Provider/1.0\r\nVersion: 1",
            to=message["to_address"],
        )
        self.hand_in(mail)

    def troubles(self) -> None:
        """A full mailbox, a strict server, mail of tomorrow, and an address that is gone."""
        self.send(FULL, subject="Aviso de entrega: palete 7", text="Chega amanhã de manhã.")
        strict = self.send(STRICT, subject="Extrato de conta de outubro", text="Segue o extrato.")
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(hour=9, minute=0, second=0)
        reminder = {"subject": "A sua recolha é hoje", "text": "Até já."}
        reminder["send_at"] = tomorrow.isoformat(timespec="seconds")
        self.send(PEOPLE[5][1], **reminder)
        cancelled = self.send(PEOPLE[9][1], **reminder)
        self.shop.made(f"/logs/{cancelled['tracking_id']}/cancel", None, status=200)
        gone = self.send(
            f"Oficina Antiga <{GONE}>",
            template_id="alitools_order_confirmation",
            variables=order(1047) | {"customer_name": "Oficina Antiga"},
            tags=["encomenda"],
            metadata={"encomenda": "A-1047"},
        )
        tracking_id = gone["tracking_id"]
        until(
            lambda: self.shop.message(tracking_id)["retry_count"] == 1,
            timeout=PATIENCE,
            what="the first attempt deferred",
        )
        past(self.shop, "try_again", tracking_id)
        self.settled(gone)
        self.settled(strict)
        self.confirm(1048)
        self.confirm(1049)

    # What comes back

    def engagement(self) -> None:
        """Some customers open their confirmation; some follow its link."""
        wanted = [number for number in ORDERS if number % 3]
        for number in wanted:
            message = self.sent[f"A-{number}"]
            html = self.html_of(message["tracking_id"])
            (pixel,) = re.findall(r'<img src="([^"]+/t/o/[^"]+)"', html)
            self.visit(pixel)
            links = re.findall(r'href="([^"]+/t/c/[^"]+)"', html)
            if number % 2 and links:
                self.visit(unescape(links[0]))

        def are_counted() -> bool:
            ids = [self.sent[f"A-{number}"]["tracking_id"] for number in wanted]
            return all(self.shop.message(one)["opens_count"] for one in ids)

        until(are_counted, timeout=PATIENCE, what="opens counted")

    def html_of(self, tracking_id: str) -> str:
        (data,) = (one for one in self.mail_server.received if tracking_id.encode() in one)
        message = email.message_from_bytes(data, policy=policy.default)
        return message.get_body(("html",)).get_content()

    def visit(self, url: str) -> None:
        headers = {"User-Agent": BROWSER}
        path = urlsplit(url).path
        requests.get(f"{self.shop.url}{path}", headers=headers, allow_redirects=False, timeout=30)

    def letters(self) -> None:
        for letter in sorted(LETTERS, key=lambda one: -one.hours):
            self.hand_in(self.as_mail(letter))

        def are_judged() -> bool:
            found = self.shop.call("GET", "/emails?page_size=100").json()["results"]
            done = {one["subject"] for one in found if one["status"] == "completed"}
            return {letter.subject for letter in LETTERS} <= done

        until(are_judged, timeout=PATIENCE, what="letters judged")

    def as_mail(self, letter: Letter) -> bytes:
        mail = EmailMessage()
        mail["From"] = f"{letter.name} <{letter.address}>"
        mail["To"], mail["Subject"] = SHOP, letter.subject
        mail["Message-ID"] = f"<{letter.address}>"
        if letter.answers:
            mail["In-Reply-To"] = self.sent[letter.answers]["smtp_message_id"]
        mail.set_content(letter.text)
        return mail.as_bytes()

    def hand_in(self, raw: bytes) -> None:
        answer = self.shop.session.post(
            f"{self.shop.url}/api/v1/inbound/raw",
            data=raw,
            headers={"Content-Type": "message/rfc822"},
            timeout=30,
        )
        assert answer.status_code == 202, answer.text

    def until_told(self) -> None:
        """Wait until the webhooks heard of the bounce, and of the letters in vain."""
        bodies = lambda: b"".join(one.body for one in self.receiver.requests)  # noqa: E731
        until(lambda: b"email.bounced" in bodies(), timeout=PATIENCE, what="the bounce told")
        until(lambda: b"triage.completed" in bodies(), timeout=PATIENCE, what="the letters told")
