"""What an account's settings may be, whoever sets them: names are the contract's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from accounts.models import EmailAccount
from common import network
from common.addresses import Address, parse_address
from common.errors import Refused, RefusedTogether
from common.keyring import SecretUnreadable
from common.network import HostRefused
from common.text import check_text
from domains.models import Domain
from tenants.models import Tenant

FIXED = ("email_address", "domain")
SECRETS = ("smtp_password", "imap_password")
HOSTS = ("smtp_server", "imap_server")
TEXTS = ("display_name", "smtp_username", "imap_username", "imap_folder")
PLAIN = (
    "smtp_port",
    "use_tls",
    "use_ssl",
    "allow_plaintext",
    "max_connections",
    "limit_per_second",
    "limit_per_minute",
    "limit_per_hour",
    "limit_per_day",
    "warmup_start",
    "warmup_growth",
    "warmup_ceiling",
    "imap_port",
    "imap_use_ssl",
    "reads_mail",
)
CONNECTION_COLUMNS = (
    "smtp_server",
    "smtp_port",
    "smtp_username",
    "smtp_password_encrypted",
    "use_tls",
    "use_ssl",
    "allow_plaintext",
)
SECRET_LENGTH = 1024
HOST_REFUSED = "This is no host name or address that may be connected to."


def draft(*, tenant: Tenant, fields: Mapping[str, Any]) -> EmailAccount:
    """Return a new account with these settings, checked and not stored.

    ``use_ssl`` alone means TLS from the start instead of STARTTLS.

    Raises:
        Refused: the address or its domain can't be used.
        RefusedTogether: settings that can't be, each by name.
    """
    address = parse_address(fields["email_address"], attr="email_address")
    if address.display_name:
        raise Refused("Give the name in display_name.", attr="email_address")
    account = EmailAccount(
        domain=home_of(address, name=fields.get("domain"), tenant=tenant),
        email_address=address.addr_spec.lower(),
        use_tls=not fields.get("use_ssl"),
    )
    apply(account, {name: value for name, value in fields.items() if name not in FIXED})
    return account


def home_of(address: Address, *, name: str | None, tenant: Tenant) -> Domain:
    """Return the tenant's domain that the address stands at; ``name`` may say which it has to be.

    Raises:
        Refused: the tenant has no such domain, or the address is at another.
    """
    wanted = address.domain if name is None else name.lower()
    if wanted == address.unicode_domain:
        wanted = address.domain
    domain = Domain.objects.for_tenant(tenant).select_related("tenant").filter(name=wanted).first()
    if domain is None:
        raise Refused("There is no such domain.", code="not_found", attr="domain")
    if domain.name != address.domain:
        raise Refused("The address is not at the account's domain.", attr="email_address")
    return domain


def apply(account: EmailAccount, changes: Mapping[str, Any]) -> None:
    """Set the changes on the row in memory; the whole of it must be right then.

    A secret that is empty stays as it is, one that is None is removed.

    Raises:
        RefusedTogether: settings that can't be, each by name.
    """
    refusals = list(_set_each(account, changes))
    named = {refusal.attr for refusal in refusals}
    refusals += [refusal for refusal in _contradictions(account) if refusal.attr not in named]
    if refusals:
        raise RefusedTogether(refusals)


def _set_each(account: EmailAccount, changes: Mapping[str, Any]) -> Iterator[Refused]:
    for name, value in changes.items():
        try:
            SETTERS[name](account, name, value)
        except Refused as refusal:
            yield refusal


def _keep_fixed(account: EmailAccount, name: str, value: Any) -> None:
    if value is not None and str(value).lower() != str(getattr(account, name)).lower():
        detail = "The address and its domain are fixed; make another account."
        raise Refused(detail, code="read_only", attr=name)


def _set_plain(account: EmailAccount, name: str, value: Any) -> None:
    setattr(account, name, value)


def _leave(account: EmailAccount, name: str, value: Any) -> None:
    """Concerns other rows as well, so ``accounts.services`` sets it."""


def _set_text(account: EmailAccount, name: str, value: str) -> None:
    setattr(account, name, check_text(value, name))


def _set_host(account: EmailAccount, name: str, value: str) -> None:
    setattr(account, name, checked_host(value, attr=name) if value else "")


def _set_address(account: EmailAccount, name: str, value: str) -> None:
    setattr(account, name, _plain_address(value.strip(), attr=name) if value.strip() else "")


def _plain_address(text: str, *, attr: str) -> str:
    """Return one address that a server of any age takes as an envelope sender."""
    address = parse_address(text, attr=attr)
    if address.display_name:
        raise Refused("Give the address alone, without a name.", attr=attr)
    if address.needs_smtputf8 or address.local_part.startswith('"'):
        raise Refused("The address has to be in plain ASCII, without quotes.", attr=attr)
    return address.addr_spec


def _set_secret(account: EmailAccount, name: str, value: str | None) -> None:
    """The same secret again is no change, so that it costs no new test."""
    if value is None:
        setattr(account, name, "")
    elif value:
        check_text(value, name)
        with suppress(SecretUnreadable):
            if getattr(account, name) == value:
                return
        setattr(account, name, value)


def _set_fallback(account: EmailAccount, name: str, value: int | str | None) -> None:
    account.fallback_account = None if value is None else _fallback(account, value, attr=name)


def _fallback(account: EmailAccount, value: int | str, *, attr: str) -> EmailAccount:
    key: dict[str, int | str] = (
        {"email_address": value.strip().lower()} if isinstance(value, str) else {"pk": value}
    )
    found = EmailAccount.objects.for_tenant(account.tenant).filter(**key).first()
    if found is None:
        raise Refused("There is no such account.", code="not_found", attr=attr)
    if found.domain_id != account.domain_id:
        raise Refused("The fallback account must be at the same domain.", attr=attr)
    if account.pk in _chain_of(found):
        raise Refused("The fallback would lead back to this account.", attr=attr)
    return found


def _chain_of(account: EmailAccount) -> list[int]:
    """Return the ids that mail of ``account`` may fall back to, itself first."""
    rows = EmailAccount.objects.filter(domain_id=account.domain_id)
    following = dict(rows.values_list("pk", "fallback_account_id"))
    chain: list[int] = []
    step: int | None = account.pk
    while step is not None and step not in chain:
        chain.append(step)
        step = following.get(step)
    return chain


SETTERS: dict[str, Callable[[EmailAccount, str, Any], None]] = {
    **dict.fromkeys(FIXED, _keep_fixed),
    **dict.fromkeys(PLAIN, _set_plain),
    **dict.fromkeys(TEXTS, _set_text),
    **dict.fromkeys(HOSTS, _set_host),
    **dict.fromkeys(SECRETS, _set_secret),
    "fallback_account": _set_fallback,
    "bounce_address": _set_address,
    "is_default": _leave,
}


def checked_host(text: str, *, attr: str) -> str:
    """Return ``text`` as a lower-case name or a canonical address that may be connected to.

    A name is resolved and judged at each connection; here only what an address itself shows.
    Misspelt and forbidden ones get the same text, so that it tells nothing about our network.
    """
    try:
        host = network.normalise_host(text)
    except HostRefused:
        raise Refused(HOST_REFUSED, attr=attr) from None
    with suppress(ValueError):
        if not network.default_policy().permits(host, ip_address(host)):
            raise Refused(HOST_REFUSED, attr=attr)
    return host


def _contradictions(account: EmailAccount) -> Iterator[Refused]:
    """What is wrong between fields that are right each by itself."""
    if not account.smtp_server:
        yield Refused("A host name is needed.", code="required", attr="smtp_server")
    if account.use_tls and account.use_ssl:
        detail = "STARTTLS (use_tls) and TLS from the start (use_ssl) exclude each other."
        yield Refused(detail, attr="use_ssl")
    if account.reads_mail and not account.imap_server:
        yield Refused("Reading mail needs an IMAP server.", code="required", attr="imap_server")
    yield from _warmup_gaps(account)


def _warmup_gaps(account: EmailAccount) -> Iterator[Refused]:
    given = {
        "warmup_start": account.warmup_start,
        "warmup_growth": account.warmup_growth,
        "warmup_ceiling": account.warmup_ceiling,
    }
    missing = [name for name, value in given.items() if value is None]
    if 0 < len(missing) < len(given):
        detail = "A warm-up needs its start, growth and ceiling together."
        yield from (Refused(detail, code="required", attr=name) for name in missing)
    start, ceiling = account.warmup_start, account.warmup_ceiling
    if start is not None and ceiling is not None and ceiling < start:
        yield Refused("The warm-up would end below its start.", attr="warmup_ceiling")
