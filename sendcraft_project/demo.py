"""A shop to look at: tenant, domain, accounts, templates, keys and an administrator.

Each part is made where it is missing and left alone where it is there, whatever staff made of it.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path

from django.contrib.auth import get_user_model
from django.utils import timezone

from accounts import services as accounts
from accounts.models import EmailAccount
from common.network import default_policy
from domains import services as domains
from domains.models import Domain
from templates_app import services as templates
from templates_app.models import EmailTemplate, SourceFormat
from tenants import services as tenants
from tenants.models import APIKey, Mode, Tenant, digest_of

TENANT, DOMAIN, ADMIN = "demo", "alitools.pt", "admin"
CATCHER_HOST = "127.0.0.1"
SOURCES = Path(__file__).with_name("demo_templates")


@dataclass(frozen=True)
class DemoAccount:
    """An account of the shop, at the mail catcher."""

    email_address: str
    display_name: str
    is_default: bool = False


@dataclass(frozen=True)
class DemoTemplate:
    """A template of the shop; its source stands in ``demo_templates``."""

    slug: str
    name: str
    subject: str
    template_type: str
    account: str
    source_format: str = SourceFormat.HTML

    @property
    def source(self) -> str:
        return (SOURCES / f"{self.slug}.{self.source_format}").read_text()


@dataclass(frozen=True)
class Credentials:
    """How to get into the demo; kept in a file that only its owner reads."""

    admin_user: str
    admin_password: str
    test_key: str
    live_key: str


ACCOUNTS = (
    DemoAccount(f"encomendas@{DOMAIN}", "AliTools Encomendas", is_default=True),
    DemoAccount(f"fornecedores@{DOMAIN}", "AliTools Compras"),
    DemoAccount(f"marketing@{DOMAIN}", "AliTools"),
)
TEMPLATES = (
    DemoTemplate(
        slug="alitools_order_confirmation",
        name="Confirmação de encomenda",
        subject="A sua encomenda n.º {{ order_number }} está confirmada",
        template_type="transactional",
        account=f"encomendas@{DOMAIN}",
    ),
    DemoTemplate(
        slug="supplier_new_order",
        name="Nova encomenda a fornecedor",
        subject="Nova encomenda n.º {{ order_number }}",
        template_type="transactional",
        account=f"fornecedores@{DOMAIN}",
    ),
    DemoTemplate(
        slug="alitools_newsletter_monthly",
        name="Newsletter mensal",
        subject="{{ headline|default('As novidades deste mês') }} · AliTools",
        template_type="newsletter",
        account=f"marketing@{DOMAIN}",
        source_format=SourceFormat.MJML,
    ),
)


def create(*, catcher_port: int, credentials_file: Path) -> Credentials:
    """Return the demo's credentials; what is missing of the demo exists afterwards.

    Where nobody may connect to the mail catcher, the shop has no accounts.

    Raises:
        SendCraftError: an account does not pass its test, so the mail catcher is not up.
    """
    tenant = _tenant()
    if _domain(tenant).tenant_id == tenant.pk and catcher_is_allowed():
        for account in ACCOUNTS:
            _account(account, tenant=tenant, port=catcher_port)
    for template in TEMPLATES:
        _template(template, tenant=tenant)
    return _credentials(tenant, file=credentials_file)


def catcher_is_allowed() -> bool:
    """Tell whether the operator lets accounts connect to the mail catcher."""
    return default_policy().permits(CATCHER_HOST, ip_address(CATCHER_HOST))


def _tenant() -> Tenant:
    return Tenant.objects.filter(slug=TENANT).first() or tenants.create_tenant(
        TENANT, name="AliTools"
    )


def _domain(tenant: Tenant) -> Domain:
    """Return the shop's domain; it may belong to somebody else already."""
    return Domain.objects.filter(name=DOMAIN).first() or domains.create_domain(
        tenant=tenant, name=DOMAIN, description="Ferramentas e máquinas"
    )


def _account(wanted: DemoAccount, *, tenant: Tenant, port: int) -> None:
    """Make the account, or let an untouched one follow the mail catcher to its port."""
    account = EmailAccount.objects.filter(email_address=wanted.email_address).first()
    if account is None:
        account = accounts.create_account(tenant=tenant, fields=_fields(wanted, port=port))
    elif _is_at_catcher(account) and account.smtp_port != port:
        account = accounts.update_account(account, changes={"smtp_port": port})
    elif account.is_active or account.last_used is not None:
        return
    accounts.activate(account)


def _fields(wanted: DemoAccount, *, port: int) -> dict[str, object]:
    return {
        **asdict(wanted),
        "domain": DOMAIN,
        "smtp_server": CATCHER_HOST,
        "smtp_port": port,
        "use_tls": False,
        "use_ssl": False,
    }


def _is_at_catcher(account: EmailAccount) -> bool:
    is_plain = not (account.use_tls or account.use_ssl or account.smtp_username)
    return account.smtp_server == CATCHER_HOST and is_plain


def _template(wanted: DemoTemplate, *, tenant: Tenant) -> None:
    if EmailTemplate.objects.for_tenant(tenant).filter(slug=wanted.slug).exists():
        return
    account = EmailAccount.objects.for_tenant(tenant).filter(email_address=wanted.account).first()
    fields: dict[str, object] = {
        "slug": wanted.slug,
        "name": wanted.name,
        "subject": wanted.subject,
        "html_content": wanted.source,
        "source_format": wanted.source_format,
        "template_type": wanted.template_type,
        "default_account": account,
    }
    author = templates.Author(user=None, name="SendCraft")
    templates.create_template(tenant=tenant, author=author, fields=fields)


def _credentials(tenant: Tenant, *, file: Path) -> Credentials:
    kept = _read(file)
    credentials = Credentials(
        admin_user=ADMIN,
        admin_password=_password(kept),
        test_key=_key(kept.get("test_key", ""), tenant=tenant, mode=Mode.TEST),
        live_key=_key(kept.get("live_key", ""), tenant=tenant, mode=Mode.LIVE),
    )
    if asdict(credentials) != kept:
        _write(file, credentials)
    return credentials


def _password(kept: dict[str, str]) -> str:
    """Return the administrator's first password; where nobody knows it any more, a new one."""
    users = get_user_model().objects
    password = kept.get("admin_password") or secrets.token_urlsafe(12)
    user = users.filter(username=ADMIN).first()
    if user is None:
        users.create_superuser(ADMIN, email=f"admin@{DOMAIN}", password=password)
    elif "admin_password" not in kept:
        user.set_password(password)
        user.save(update_fields=["password"])
    return password


def _key(kept: str, *, tenant: Tenant, mode: Mode) -> str:
    """Return the kept key while it opens the demo tenant, else a new one."""
    row = APIKey.objects.for_tenant(tenant).filter(digest=digest_of(kept), mode=mode).first()
    if row is not None and row.is_usable(at=timezone.now()):
        return kept
    return tenants.issue_key(tenant=tenant, name=f"Demo ({mode})", mode=mode)[1]


def _read(file: Path) -> dict[str, str]:
    """Return what the file holds; nothing where it is not there or was damaged."""
    try:
        kept = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(file: Path, credentials: Credentials) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        json.dump(asdict(credentials), out, indent=2)
    draft.replace(file)
