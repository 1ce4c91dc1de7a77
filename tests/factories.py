"""Rows that tests start from, as the services would leave them."""

from __future__ import annotations

import itertools

from accounts.models import EmailAccount
from domains.models import Domain
from templates_app.compilation import compile_template
from templates_app.models import EmailTemplate, TemplateVersion
from tenants.models import Tenant

numbers = itertools.count(1)


def make_domain(tenant: Tenant, name: str | None = None, **fields) -> Domain:
    return Domain.objects.create(tenant=tenant, name=name or f"d{next(numbers)}.test", **fields)


def make_account(domain: Domain, local_part: str = "shop", **fields) -> EmailAccount:
    """An active account whose server answers nowhere, unless told otherwise."""
    settings = {
        "email_address": f"{local_part}@{domain.name}",
        "display_name": "The Shop",
        "smtp_server": "127.0.0.1",
        "smtp_port": 1,
        "use_tls": False,
        "is_active": True,
    }
    return EmailAccount.objects.create(domain=domain, **(settings | fields))


def make_template(
    tenant: Tenant,
    slug: str = "order",
    *,
    subject: str = "Order {{ number }}",
    html: str = "<p>Hello {{ name }}</p>",
    text: str = "",
    **fields,
) -> EmailTemplate:
    compiled = compile_template(
        subject=subject, html_content=html, source_format="html", text_content=text
    )
    template = EmailTemplate.objects.create(
        tenant=tenant,
        slug=slug,
        name=slug,
        subject=subject,
        html_content=html,
        text_content=text,
        variables=list(compiled.variables),
        version=1,
        **fields,
    )
    TemplateVersion.objects.create(
        template=template,
        number=1,
        subject=subject,
        html_content=html,
        source_format="html",
        text_content=text,
        compiled_subject=compiled.subject,
        compiled_html=compiled.html,
        compiled_text=compiled.text,
        variables=list(compiled.variables),
        needs=list(compiled.needs),
        author_name="test",
    )
    return template
