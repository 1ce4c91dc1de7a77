"""The demo is a shop that works at once, and making it again changes nothing."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from accounts.models import EmailAccount
from catcher.server import Catcher
from domains.models import Domain
from sendcraft_project import demo
from sendcraft_project.management.commands.run import ORDER, curl, welcome
from templates_app import services as templates
from templates_app.models import EmailTemplate, TemplateVersion
from tenants.models import APIKey, Tenant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def catcher():
    with Catcher(lambda mail: None, port=0) as running:
        yield running


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "credentials.json"


@pytest.fixture
def credentials(catcher, file):
    return demo.create(catcher_port=catcher.port, credentials_file=file)


@pytest.fixture
def shop(credentials) -> Tenant:
    return Tenant.objects.get(slug="demo")


def everything() -> dict[str, list[object]]:
    models = (Tenant, Domain, EmailAccount, EmailTemplate, TemplateVersion, APIKey)
    users = get_user_model()
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models} | {
        "users": list(users.objects.values("username", "password"))
    }


def test_a_shop_with_active_accounts_at_the_catcher_is_there(shop, catcher):
    accounts = EmailAccount.objects.for_tenant(shop)

    assert (shop.name, shop.language, shop.timezone) == ("AliTools", "pt", "Europe/Lisbon")
    assert {account.email_address for account in accounts} == {
        "encomendas@alitools.pt",
        "fornecedores@alitools.pt",
        "marketing@alitools.pt",
    }
    assert all(account.is_active for account in accounts)
    assert {account.smtp_port for account in accounts} == {catcher.port}
    assert shop.default_account.email_address == "encomendas@alitools.pt"


def test_its_keys_and_password_open_it_and_nobody_else_reads_the_file(credentials, file, client):
    test, live = (APIKey.objects.get(mode=mode) for mode in ("test", "live"))

    assert credentials.test_key.startswith(test.prefix)
    assert credentials.live_key.startswith(live.prefix)
    assert client.login(username="admin", password=credentials.admin_password)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_making_it_again_changes_nothing_and_tells_the_same(credentials, catcher, file):
    before, written = everything(), file.stat().st_mtime_ns

    again = demo.create(catcher_port=catcher.port, credentials_file=file)

    assert again == credentials
    assert everything() == before
    assert file.stat().st_mtime_ns == written


def test_what_staff_changed_stays_as_they_left_it(shop, catcher, file):
    EmailTemplate.objects.filter(slug="supplier_new_order").update(name="Ours")
    EmailAccount.objects.filter(email_address__startswith="marketing").update(
        smtp_server="smtp.alitools.pt", smtp_port=465
    )

    demo.create(catcher_port=catcher.port, credentials_file=file)

    assert EmailTemplate.objects.get(slug="supplier_new_order").name == "Ours"
    marketing = EmailAccount.objects.get(email_address__startswith="marketing")
    assert (marketing.smtp_server, marketing.smtp_port) == ("smtp.alitools.pt", 465)


def test_accounts_follow_the_catcher_to_another_port(shop, file):
    with Catcher(lambda mail: None, port=0) as moved:
        demo.create(catcher_port=moved.port, credentials_file=file)

    accounts = EmailAccount.objects.for_tenant(shop)
    assert {(account.smtp_port, account.is_active) for account in accounts} == {(moved.port, True)}


def test_a_revoked_key_is_replaced_and_a_lost_file_gives_a_new_password(
    credentials, catcher, file, client
):
    APIKey.objects.filter(mode="live").delete()
    with_new_key = demo.create(catcher_port=catcher.port, credentials_file=file)
    file.unlink()
    with_new_password = demo.create(catcher_port=catcher.port, credentials_file=file)

    assert with_new_key.live_key != credentials.live_key
    assert with_new_key.test_key == credentials.test_key
    assert with_new_password.admin_password != credentials.admin_password
    assert client.login(username="admin", password=with_new_password.admin_password)


def test_a_domain_that_somebody_else_has_leaves_a_demo_without_accounts(
    other_tenant, catcher, file
):
    Domain.objects.create(tenant=other_tenant, name="alitools.pt")

    demo.create(catcher_port=catcher.port, credentials_file=file)

    assert not EmailAccount.objects.exists()
    assert EmailTemplate.objects.filter(tenant__slug="demo").count() == 3


def test_where_private_hosts_are_forbidden_the_shop_starts_without_accounts(
    catcher, file, settings
):
    settings.SENDCRAFT_ALLOW_PRIVATE_HOSTS = False

    credentials = demo.create(catcher_port=catcher.port, credentials_file=file)

    assert not EmailAccount.objects.exists()
    assert EmailTemplate.objects.filter(tenant__slug="demo").count() == 3
    assert "127.0.0.1 is private, and not in SENDCRAFT_PRIVATE_HOSTS" in welcome(credentials)


def test_a_catcher_that_the_operator_lists_is_used(catcher, file, settings):
    settings.SENDCRAFT_ALLOW_PRIVATE_HOSTS = False
    settings.SENDCRAFT_PRIVATE_HOSTS = ["127.0.0.1/32"]

    credentials = demo.create(catcher_port=catcher.port, credentials_file=file)

    assert EmailAccount.objects.filter(is_active=True).count() == 3
    assert "sent mail is caught here" in welcome(credentials)


def rendered(shop: Tenant, slug: str, **variables: object):
    template = EmailTemplate.objects.for_tenant(shop).get(slug=slug)
    shown = templates.preview(template.current, variables=variables, language=shop.language)
    assert shown.missing_variables == []
    return shown


def test_the_order_confirmation_renders_what_the_contract_shows(shop):
    mail = rendered(shop, ORDER["template_id"], **ORDER["variables"])

    assert "A-1001" in mail.subject
    for part in (mail.html, mail.text):
        assert "Obrigado, Ana" in part
        assert "Berbequim" in part
        assert "49,90 €" in part.replace("\N{NO-BREAK SPACE}", " ")
    assert "prefers-color-scheme: dark" in mail.html


def test_the_order_confirmation_needs_no_more_than_the_contract_gives(shop):
    version = EmailTemplate.objects.for_tenant(shop).get(slug=ORDER["template_id"]).current

    assert set(version.needs) == {
        "customer_name",
        "order_number",
        "products",
        "products[].name",
        "products[].price",
    }


def test_the_supplier_order_and_the_newsletter_render_with_little(shop):
    order = rendered(
        shop,
        "supplier_new_order",
        supplier_name="Bosch",
        order_number="F-7",
        items=[{"name": "Broca 8 mm", "quantity": 1200}],
    )
    news = rendered(shop, "alitools_newsletter_monthly", unsubscribe_url="https://x.test/u/1")

    assert "Broca 8 mm" in order.text
    assert "1.200" in order.text
    assert "https://x.test/u/1" in news.html
    assert "<mj-" not in news.html


def test_the_printed_request_is_the_contracts_and_safe_to_paste(credentials):
    body = curl(credentials, base="http://127.0.0.1:1").rpartition("-d ")[2]

    assert json.loads(body.strip("'")) == ORDER
    assert credentials.live_key in welcome(credentials)
    assert credentials.admin_password in welcome(credentials)
