"""Finding what a request names: a template and an account of the tenant, both usable."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from accounts.models import EmailAccount, EmailAccountQuerySet
from common.addresses import parse_address
from common.errors import Refused
from common.statements import Lookup
from templates_app.models import EmailTemplate, EmailTemplateQuerySet, TemplateVersion, is_number
from tenants.models import Tenant

# Only what accepting a message needs: wide rows cost more to load than to look up.
OF_TEMPLATE = (
    "slug",
    "is_active",
    "version",
    "template_type",
    "default_account",
    "track_opens",
    "track_clicks",
    "created_at",
)
OF_ACCOUNT = (
    "email_address",
    "display_name",
    "is_active",
    "domain__name",
    "domain__is_active",
    "domain__tracking_host",
)


def _templates(tenant: Any) -> EmailTemplateQuerySet:
    return EmailTemplate.objects.for_tenant(tenant).only(*OF_TEMPLATE)


def _accounts(tenant: Any) -> EmailAccountQuerySet:
    accounts = EmailAccount.objects.for_tenant(tenant)
    return accounts.select_related("domain").only(*OF_ACCOUNT)


TEMPLATE_BY_SLUG = Lookup(EmailTemplate, lambda t, slug: _templates(t).filter(slug=slug), takes=2)
TEMPLATE_BY_NUMBER = Lookup(EmailTemplate, lambda t, pk: _templates(t).filter(pk=pk), takes=2)
ACCOUNT_BY_ADDRESS = Lookup(
    EmailAccount, lambda t, address: _accounts(t).filter(email_address=address), takes=2
)
ACCOUNT_BY_NUMBER = Lookup(EmailAccount, lambda t, pk: _accounts(t).filter(pk=pk), takes=2)
DEFAULT_ACCOUNT = Lookup(EmailAccount, lambda t: _accounts(t).filter(default_for=t), takes=1)


@dataclass(frozen=True)
class Sender:
    """Who asks, and through what: tenant, mode, account and template, all of them usable."""

    tenant: Tenant
    mode: str
    account: EmailAccount
    version: TemplateVersion | None

    @property
    def template(self) -> EmailTemplate | None:
        return self.version.template if self.version else None


def find_template(reference: str | int, *, tenant: Tenant) -> TemplateVersion:
    """Return the current version of the tenant's template, by slug or number.

    Raises:
        Refused: ``not_found`` or ``inactive``.
    """
    template = _template(str(reference), tenant=tenant)
    if template is None:
        raise Refused("There is no such template.", code="not_found", attr="template_id")
    if not template.is_active:
        raise Refused("This template is inactive.", code="inactive", attr="template_id")
    version = copy(_version(template.pk, template.version, template.created_at))
    version.template = template
    return version


def _template(reference: str, *, tenant: Tenant) -> EmailTemplate | None:
    if is_number(reference):
        return TEMPLATE_BY_NUMBER.first(tenant.pk, int(reference))
    return TEMPLATE_BY_SLUG.first(tenant.pk, reference)


@lru_cache(maxsize=256)
def _version(template_id: int, number: int, _template_made_at: datetime) -> TemplateVersion:
    """A version never changes, so it is read once in a process; a rolled-back id may come again."""
    return TemplateVersion.objects.get(template=template_id, number=number)


def find_account(
    reference: str | int | None, *, tenant: Tenant, version: TemplateVersion | None
) -> EmailAccount:
    """Return the account named, else the template's or the tenant's default.

    Raises:
        Refused: ``not_found``, ``inactive``, or ``required`` where there is no default.
    """
    if reference is not None:
        account = _account(reference, tenant=tenant)
    elif version and version.template.default_account_id:
        account = ACCOUNT_BY_NUMBER.first(tenant.pk, version.template.default_account_id)
    else:
        account = DEFAULT_ACCOUNT.first(tenant.pk)
    if account is None:
        if reference is None:
            raise Refused(
                "Name an account; there is no default.", code="required", attr="from_account"
            )
        raise Refused("There is no such account.", code="not_found", attr="from_account")
    if not account.is_active or not account.domain.is_active:
        raise Refused("This account is inactive.", code="inactive", attr="from_account")
    return account


def _account(reference: str | int, *, tenant: Tenant) -> EmailAccount | None:
    if isinstance(reference, int) or reference.isdecimal():
        return ACCOUNT_BY_NUMBER.first(tenant.pk, int(reference))
    try:
        address = parse_address(reference, attr="from_account")
    except Refused:
        return None
    return ACCOUNT_BY_ADDRESS.first(tenant.pk, address.addr_spec.lower())
