"""What requests and answers look like, for the OpenAPI document."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

NEW = {
    "slug": "order_confirmation",
    "name": "Order confirmation",
    "subject": "Your order {{ order_number }}",
    "html_content": "<p>Thank you, {{ customer.name }}!</p>"
    "{% for product in products %}<p>{{ product.name }}: {{ product.price|money }}</p>{% endfor %}",
    "template_type": "transactional",
    "default_account": "orders@shop.example",
}
STORED = {
    "id": 12,
    **NEW,
    "source_format": "html",
    "text_content": "",
    "variables": [
        "order_number",
        "customer.name",
        "products",
        "products[].name",
        "products[].price",
    ],
    "track_opens": None,
    "track_clicks": None,
    "is_active": True,
    "usage_count": 0,
    "version": 1,
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-01-15T10:30:00Z",
}
VERSION = {
    "number": 1,
    "subject": NEW["subject"],
    "html_content": NEW["html_content"],
    "source_format": "html",
    "text_content": "",
    "author": "ana",
    "created_at": "2026-01-15T10:30:00Z",
}
VARIABLES = {"variables": {"order_number": "A-1001", "customer": {"name": "Ana"}}}
PREVIEW = {
    "subject": "Your order A-1001",
    "html": "<p>Thank you, Ana!</p>",
    "text": "Thank you, Ana!\n",
    "missing_variables": ["products"],
}

A_NEW_TEMPLATE = OpenApiExample("A new template", NEW, request_only=True)
A_TEMPLATE = OpenApiExample("A template", STORED, response_only=True)
A_CREATED_TEMPLATE = OpenApiExample("A template", STORED, response_only=True, status_codes=["201"])
A_NEW_SUBJECT = OpenApiExample(
    "A new subject", {"subject": "We have your order {{ order_number }}"}, request_only=True
)
A_VERSION = OpenApiExample("A version", VERSION, response_only=True)
SOME_VARIABLES = OpenApiExample("Some variables", VARIABLES, request_only=True)
A_PREVIEW = OpenApiExample("A variable is missing", PREVIEW, response_only=True)
