"""Verbs on domains: set up, change, remove, check in the DNS."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

from django.db import IntegrityError, transaction
from django.utils import timezone

from common.deletion import delete_unless_used
from common.errors import Conflict, Refused
from common.text import check_text
from domains.dkim_keys import generate_ed25519, generate_rsa
from domains.dns_checks import (
    DkimKey,
    DomainRecords,
    DomainReport,
    Verdict,
    check_domain,
    verified_selectors,
)
from domains.models import DKIMKey, Domain, KeyAlgorithm
from domains.names import normalize_domain
from domains.providers.dns import DNSResolver
from tenants.models import Tenant

logger = logging.getLogger(__name__)

# Other services of the same domain publish keys too, so the selectors say whose these are.
SELECTORS = {KeyAlgorithm.RSA: "sendcraft-rsa", KeyAlgorithm.ED25519: "sendcraft-ed25519"}
DESCRIPTION_LENGTH = 500


def create_domain(
    *,
    tenant: Tenant,
    name: str,
    description: str = "",
    is_active: bool = True,
    tracking_host: str = "",
) -> Domain:
    """Store a domain with new DKIM keys and return it.

    Raises:
        Refused: the name is taken, by whomever, or is none; a text that can't be stored.
    """
    domain = Domain(tenant=tenant, name=normalize_domain(name), is_active=is_active)
    domain.description = _checked_description(description)
    domain.tracking_host = _checked_host(tracking_host)
    _refuse_taken(domain.name)
    keys = _new_keys(domain)
    try:
        with transaction.atomic():
            domain.save()
            DKIMKey.objects.bulk_create(keys)
    except IntegrityError:  # taken at the same moment
        _refuse_taken(domain.name)
        raise
    logger.info("domain created", extra={"domain": domain.pk})
    return domain


def update_domain(domain: Domain, *, changes: Mapping[str, Any]) -> Domain:
    """Store ``description``, ``is_active`` and ``tracking_host`` where given; return the row.

    Raises:
        Refused: another name than it has, or a text that can't be stored.
        Conflict: the domain is gone.
    """
    if "name" in changes and normalize_domain(changes["name"]) != domain.name:
        detail = "A domain keeps its name; create the other one and delete this one."
        raise Refused(detail, code="read_only", attr="name")
    with transaction.atomic():
        row = _held(domain)
        if "description" in changes:
            row.description = _checked_description(changes["description"])
        if "tracking_host" in changes:
            row.tracking_host = _checked_host(changes["tracking_host"])
        row.is_active = changes.get("is_active", row.is_active)
        row.save(update_fields=["description", "tracking_host", "is_active", "updated_at"])
    return row


def delete_domain(domain: Domain) -> None:
    """Remove a domain and its accounts, to none of which a message refers.

    Raises:
        Conflict: messages refer to it.
    """
    pk = domain.pk
    delete_unless_used(domain, name="domain")
    logger.info("domain deleted", extra={"domain": pk})


def verify_domain(domain: Domain) -> Domain:
    """Ask the DNS about the domain's records, store what it said and return the row.

    Takes up to 10 seconds, so call it outside of transactions.

    Raises:
        Conflict: the domain was deleted meanwhile.
    """
    report = check_domain(
        _records_of(domain), resolver=DNSResolver.from_settings(), at=timezone.now()
    )
    with transaction.atomic():
        row = _held(domain)
        row.dns, row.dns_checked_at = cast("dict[str, Any]", report), timezone.now()
        row.save(update_fields=["dns", "dns_checked_at"])
        _mark_keys(row, report=report)
    logger.info("domain checked", extra={"domain": row.pk})
    return row


def make_new_keys(domain: Domain) -> list[DKIMKey]:
    """Store fresh DKIM keys under selectors of their own and return them.

    The old ones sign until a check finds the new records, and are retired then; their records
    must stay for as long as mail may be on its way, a week.

    Raises:
        Conflict: keys that nobody published yet wait already, or the domain is gone.
    """
    suffix = f"-{timezone.now():%Y%m%d}"
    with transaction.atomic():
        row = _held(domain)
        current = row.dkim_keys.current()
        if current.filter(is_verified=False, selector__in=_later_selectors(row)).exists():
            raise Conflict("New keys wait for their records already.", code="exists")
        if row.dkim_keys.filter(selector=SELECTORS[KeyAlgorithm.RSA] + suffix).exists():
            raise Conflict("New keys were made today already.", code="exists")
        keys = DKIMKey.objects.bulk_create(_new_keys(row, suffix=suffix))
    logger.info("new DKIM keys", extra={"domain": domain.pk})
    return keys


def main_key(domain: Domain) -> DKIMKey | None:
    """Return the key that the domain shows: the newest for RSA, which every receiver knows."""
    keys = domain.dkim_keys.all()  # not filtered: lists prefetch it
    own = [key for key in keys if key.algorithm == KeyAlgorithm.RSA and key.retired_at is None]
    return max(own, key=lambda key: key.pk, default=None)


def _later_selectors(domain: Domain) -> list[str]:
    """Return the selectors of keys that were made after the domain's first ones."""
    names = domain.dkim_keys.values_list("selector", flat=True)
    return [name for name in names if name not in SELECTORS.values()]


def _records_of(domain: Domain) -> DomainRecords:
    current = domain.dkim_keys.current()
    keys = current.order_by("-algorithm", "pk").values_list("selector", "public_record")
    hosts = domain.accounts.values_list("smtp_server", flat=True).distinct()
    return DomainRecords(
        domain.name,
        dkim=tuple(DkimKey(selector, record) for selector, record in keys),
        smtp_hosts=tuple(hosts),
    )


def _mark_keys(domain: Domain, *, report: DomainReport) -> None:
    """Sign with what receivers see from now on; where nobody answered, all stays as it was."""
    verified = set(verified_selectors(report))
    for key in report["dkim"]["keys"]:
        if key["verdict"] != Verdict.UNKNOWN:
            selector = key["selector"]
            rows = domain.dkim_keys.filter(selector=selector, public_record=key["wanted"])
            rows.update(is_verified=selector in verified)
    for algorithm in KeyAlgorithm.values:
        _retire_older(domain, algorithm=algorithm)


def _retire_older(domain: Domain, *, algorithm: str) -> None:
    """Let the newest key that receivers see sign alone."""
    keys = domain.dkim_keys.filter(algorithm=algorithm)
    newest = keys.signing().last()
    if newest is not None:
        keys.current().filter(pk__lt=newest.pk).update(retired_at=timezone.now())


def _new_keys(domain: Domain, *, suffix: str = "") -> list[DKIMKey]:
    pairs = {KeyAlgorithm.RSA: generate_rsa(), KeyAlgorithm.ED25519: generate_ed25519()}
    keys = []
    for algorithm, pair in pairs.items():
        key = DKIMKey(domain=domain, algorithm=algorithm, selector=SELECTORS[algorithm] + suffix)
        key.public_record, key.private_key = pair.public_record, pair.private_pem
        keys.append(key)
    return keys


def _held(domain: Domain) -> Domain:
    """Return the row as it is now, while nobody else changes it."""
    row = Domain.objects.select_for_update().filter(pk=domain.pk).first()
    if row is None:
        raise Conflict("The domain was deleted meanwhile.")
    return row


def _refuse_taken(name: str) -> None:
    if Domain.objects.filter(name=name).exists():
        raise Refused("This domain is taken.", code="unique", attr="name")


def _checked_description(text: str) -> str:
    if len(text) > DESCRIPTION_LENGTH:
        raise Refused("A description has up to 500 characters.", attr="description")
    return check_text(text.strip(), "description")


def _checked_host(text: str) -> str:
    return normalize_domain(text, attr="tracking_host") if text.strip() else ""
