"""The mail that every party sends: an order confirmation of about 10 kB with ten products."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

SUBJECT = "Order {{ order_number }} is confirmed"
TEXT = """\
Thank you, {{ customer_name }}!

Order {{ order_number }}
{% for product in products %}{{ product.quantity }} x {{ product.name }}: {{ product.price }}
{% endfor %}Total: {{ total }}
"""
FONT = "font-family:Segoe UI,Roboto,Helvetica,Arial,sans-serif;color:#23272f"
CELL = f"{FONT};padding:12px 0;font-size:15px;border-bottom:1px solid #eeebe4"
HTML = f"""\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Order</title></head>
<body style="margin:0;padding:0;background:#f3f1ec">
<table role="presentation" width="100%" style="background:#f3f1ec"><tr><td align="center">
<table role="presentation" width="600" style="background:#ffffff;border-radius:12px">
<tr><td style="{FONT};padding:24px 32px;font-size:26px">Thank you,
 {{{{ customer_name }}}}!</td></tr>
<tr><td style="{FONT};padding:0 32px">Order {{{{ order_number }}}} is being packed.</td></tr>
<tr><td style="padding:24px 32px"><table role="presentation" width="100%">
{{% for product in products %}}<tr>
<td style="{CELL}"><img src="https://shop.example/images/{{{{ product.code }}}}.png" width="64"
 height="64" alt=""></td>
<td style="{CELL}"><a href="https://shop.example/products/{{{{ product.code }}}}"
 style="color:#23272f;text-decoration:none">{{{{ product.name }}}}</a><br>
{{{{ product.description }}}}</td>
<td style="{CELL};text-align:right">{{{{ product.quantity }}}}</td>
<td style="{CELL};text-align:right;white-space:nowrap">{{{{ product.price }}}}</td>
</tr>{{% endfor %}}
<tr><td colspan="4" style="{CELL};font-weight:700;text-align:right">{{{{ total }}}}</td></tr>
</table></td></tr></table></td></tr></table></body></html>
"""
"""Both template languages, Django's and SendCraft's, read these three alike."""


def variables(number: int) -> dict[str, Any]:
    """Return the variables of the order with this number."""
    return {"customer_name": f"Customer {number}", "order_number": f"A-{number:06}"} | COMMON


COMMON: dict[str, Any] = {
    "total": "1 234.50 €",
    "products": [
        {
            "code": f"tool-{line}",
            "name": f"Cordless drill with two batteries, model {line}",
            "description": "18 V, 60 Nm, brushless, with case and charger; three years' warranty.",
            "quantity": line % 3 + 1,
            "price": f"{49 + line}.90 €",
        }
        for line in range(10)
    ],
}


def recipient(number: int) -> str:
    """Return an address of its own for each message, so that receivers can tell them apart."""
    return f"customer{number}@example.com"


def rendered(number: int) -> bytes:
    """Return a whole message as bytes, for parties that only transmit."""
    html = HTML.replace("{{ customer_name }}", f"Customer {number}")
    row = re.search(r"{% for product in products %}(.*){% endfor %}", html, re.DOTALL)
    assert row
    rows = "".join(_filled(row[1], product) for product in COMMON["products"])
    html = html.replace(row[0], rows).replace("{{ order_number }}", f"A-{number:06}")
    head = (
        "From: shop@bench.test\nTo: {to}\nSubject: Order\nMessage-ID: <{number}@bench.test>\n"
        "Date: Mon, 05 Jan 2026 10:00:00 +0000\nMIME-Version: 1.0\n"
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    )
    message = head.format(to=recipient(number), number=number) + html
    return message.replace("\n", "\r\n").encode()


def _filled(row: str, product: dict[str, Any]) -> str:
    for name, value in product.items():
        row = row.replace(f"{{{{ product.{name} }}}}", str(value))
    return row


def mail(name: str, number: int) -> dict[str, object]:
    """A customer's mail as an application hands it in; those of one number differ by id alone."""
    said = "Não recebi nenhuma resposta ao meu pedido e gostaria de saber em que pé está. " * 8
    return {
        "email_id": f"{name}-{number}",
        "from": recipient(number),
        "to": "support@bench.test",
        "subject": f"Encomenda {number}",
        "body": f"Boa tarde,\n\na encomenda {number} ainda não chegou.\n{said}\n\nObrigada,\nAna",
        "thread_id": f"{name}-{number}",
        "received_at": datetime(2026, 1, 15, 10, 30, tzinfo=UTC),
        "headers": {"Message-ID": f"<{name}-{number}@example.com>"},
    }
