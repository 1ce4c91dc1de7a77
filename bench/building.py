"""``python -m bench.building``: the CPU of each step from a claimed row to its signed bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendcraft_project.settings.embedded")
os.environ.setdefault("SENDCRAFT_DATA", tempfile.mkdtemp(prefix="bench-"))

import django

django.setup()

from django.utils import timezone  # noqa: E402

from accounts.models import EmailAccount  # noqa: E402
from bench import order  # noqa: E402
from delivery import building, mime  # noqa: E402
from delivery.dkim import Signer  # noqa: E402
from domains.dkim_keys import generate_rsa  # noqa: E402
from domains.models import Domain  # noqa: E402
from logs.models import EmailContent, EmailLog  # noqa: E402
from logs.services import rendered_content  # noqa: E402
from templates_app.compilation import compile_template  # noqa: E402
from templates_app.models import TemplateVersion  # noqa: E402
from tenants.models import Tenant  # noqa: E402

Item = TypeVar("Item")
MESSAGES, ROUNDS = 100, 15
DOMAIN = "bench.test"


def main() -> None:
    emails = messages(MESSAGES)
    signer = Signer(domain=DOMAIN, selector="s", private_key_pem=generate_rsa().private_pem)
    shown = [building.outgoing(email) for email in emails]
    plain = [mime.build(each) for each in shown]
    heads = [(data, *data.partition(b"\r\n\r\n")) for data in plain]
    sign = signer._signature
    signed = Signer.sign
    made = [rendered_content(email).html for email in emails]
    report("template: variables checked, subject, HTML and text", rendered_content, emails)
    report("what a message shows (with the above)", building.outgoing, emails)
    report(
        "pixel and ten tracked links",
        lambda i: tracked_html(emails[i], made[i]),
        [*range(MESSAGES)],
    )
    report("MIME", mime.build, shown)
    report("SHA-256 of the body alone", lambda parts: hashlib.sha256(parts[3]).digest(), heads)
    report("RSA-2048 alone", lambda parts: sign(parts[1][:900]), heads)
    report("signature (with both)", lambda data: signed(signer, data), plain)
    report("build_message", lambda email: building.build_message(email, signers=[signer]), emails)
    print(f"{len(plain[0])} bytes a message before its signature")


def tracked_html(email: EmailLog, html: str) -> str:
    return building._tracked(email, html, host="")


def messages(count: int) -> list[EmailLog]:
    """Return order confirmations as a drain holds them after a claim, without a database."""
    tenant = Tenant(pk=1, slug="bench", name="Bench", language="en")
    made = compile_template(subject=order.SUBJECT, html_content=order.HTML, text_content=order.TEXT)
    version = TemplateVersion(
        pk=1,
        compiled_subject=made.subject,
        compiled_html=made.html,
        compiled_text=made.text,
        variables=list(made.variables),
        needs=list(made.needs),
        created_at=timezone.now(),
    )
    content = EmailContent(pk=1, tenant=tenant, template_version=version, is_bulk=True)
    content.files = []
    account = EmailAccount(domain=Domain(name=DOMAIN))
    return [
        EmailLog(
            pk=number,
            tracking_id=UUID(int=number),
            tenant=tenant,
            account=account,
            content=content,
            track_opens=True,
            track_clicks=True,
            from_address=f"shop@{DOMAIN}",
            from_name="The Shop",
            to_address=order.recipient(number),
            to_name=f"Customer {number}",
            smtp_message_id=mime.make_message_id(UUID(int=number), domain=DOMAIN),
            own_variables=order.variables(number),
            queued_at=timezone.now(),
        )
        for number in range(1, count + 1)
    ]


def report(name: str, step: Callable[[Item], object], items: list[Item]) -> None:
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for item in items:
            step(item)
        took.append((time.process_time() - began) / len(items))
    print(f"{median(took) * 1e6:8.1f} µs  {name}")


if __name__ == "__main__":
    main()
