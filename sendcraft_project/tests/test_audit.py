"""The audit log: who changed what, without the secrets, each tenant's owners their own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from allauth.mfa.models import Authenticator
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from django.utils.translation import override
from lxml import html

from domains.models import Domain
from domains.tests.test_admin import NO_KEYS
from logs.tests.builders import an_email
from tenants.models import APIKey, Membership, Role
from tests.factories import make_account, make_domain

pytestmark = pytest.mark.django_db
CANARY = "canary-of-the-audit"


@pytest.fixture
def owner(tenant, django_user_model, client):
    user = django_user_model.objects.create_user("olga", password=CANARY, is_staff=True)
    Membership.objects.create(tenant=tenant, user=user, role=Role.OWNER)
    client.force_login(user)
    return user


def entries(instance):
    return LogEntry.objects.get_for_object(instance)


def test_a_change_in_the_admin_is_logged_with_its_person_and_request(client, owner, tenant):
    domain = make_domain(tenant, "shop.test")
    answer = client.post(
        f"/admin/domains/domain/{domain.pk}/change/",
        {"description": "Orders", "is_active": "on", "name": domain.name, **NO_KEYS},
        headers={"X-Request-ID": "req-7"},
    )

    entry = entries(domain).latest()
    assert answer.status_code == 302
    assert (entry.actor, entry.cid) == (owner, "req-7")
    assert entry.changes["description"] == ["", "Orders"]


def test_the_list_names_changed_fields_in_the_readers_language(client, owner, tenant):
    account = make_account(make_domain(tenant, "shop.test"), "orders")
    account.is_active = False
    account.smtp_password = CANARY
    account.save()

    answer = client.get("/admin/auditlog/logentry/", headers={"Accept-Language": "pt"})
    page = html.fromstring(answer.content)
    told = [cell.text_content().strip() for cell in page.find_class("field-fields_changed")]

    assert set(told[0].split(", ")) == {"ativo", "Palavra-passe SMTP"}
    assert not any(told[1:])  # rows that were made, with all of their columns


def told_of(client, entry, language="en") -> html.HtmlElement:
    """An entry's page as its reader gets it."""
    with override(language):
        address = f"/admin/auditlog/logentry/{entry.pk}/change/"
        answer = client.get(address, headers={"Accept-Language": language})
    return html.fromstring(answer.content.decode())


def changes_on(page) -> list[list[str]]:
    rows = page.xpath("//table[contains(@class, 'audit-changes')]//tr")
    return [[cell.text_content() for cell in row] for row in rows]


def test_an_entry_tells_values_as_people_write_them(client, owner, tenant, admin_user):
    key, _ = APIKey.issue(tenant=tenant, name="k", mode="live")
    key.revoke(at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    domain = make_domain(tenant, "shop.test")
    domain.is_active = False
    domain.save()
    member = Membership.objects.create(tenant=tenant, user=admin_user, role=Role.EDITOR)
    member.role = Role.VIEWER
    member.save()

    revoked = changes_on(told_of(client, entries(key).latest()))
    switched_off = changes_on(told_of(client, entries(domain).latest()))
    chosen = changes_on(told_of(client, entries(member).latest()))

    assert revoked == [["Field", "From", "To"], ["Revoked at", "–", "1 Mar 2026, 12:30"]]
    assert switched_off[1:] == [["Active", "yes", "no"]]
    assert chosen[1:] == [["Role", "editor", "viewer"]]


def test_an_entry_is_told_in_the_readers_language_and_time(client, owner, tenant):
    key, _ = APIKey.issue(tenant=tenant, name="k", mode="live")
    key.revoke(at=datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    LogEntry.objects.update(timestamp=datetime(2026, 3, 1, 12, 31, tzinfo=UTC))

    page = told_of(client, entries(key).latest(), "pt")

    assert changes_on(page)[0] == ["Campo", "De", "Para"]
    assert "1 Mar 2026, 12:31" in page.text_content()
    assert "2026-03-01" not in page.text_content()


def test_secrets_are_told_of_and_not_told(tenant):
    account = make_account(make_domain(tenant, "shop.test"), "orders")
    account.smtp_password = CANARY
    account.save()
    _, key = APIKey.issue(tenant=tenant, name="k", mode="live")

    everything = " ".join(str(entry.changes) for entry in LogEntry.objects.all())
    assert entries(account).latest().changes["smtp_password_encrypted"] == ["", "•••"]
    assert CANARY not in everything
    assert account.smtp_password_encrypted not in everything
    assert key not in everything
    assert APIKey.objects.get(tenant=tenant).digest not in everything


def test_a_revoked_key_stands_in_the_log(tenant):
    key, _ = APIKey.issue(tenant=tenant, name="k", mode="live")
    at = timezone.now()

    key.revoke(at=at)
    key.revoke(at=timezone.now())

    (entry,) = entries(key).filter(action=LogEntry.Action.UPDATE)
    assert set(entry.changes) == {"revoked_at"}


def test_what_the_product_notes_itself_is_no_entry(tenant):
    key, _ = APIKey.issue(tenant=tenant, name="k", mode="live")
    key.last_used_at = timezone.now()
    key.save()

    assert entries(key).count() == 1


def test_owners_read_their_own_tenants_entries_and_nobody_elses(
    client, owner, tenant, other_tenant
):
    own = entries(make_domain(tenant, "own.test")).latest()
    foreign = entries(make_domain(other_tenant, "foreign.test")).latest()

    listed = client.get("/admin/auditlog/logentry/").content.decode()

    assert "own.test" in listed
    assert "foreign.test" not in listed
    assert client.get(f"/admin/auditlog/logentry/{own.pk}/change/").status_code == 200
    assert client.get(f"/admin/auditlog/logentry/{foreign.pk}/change/").status_code == 302


def test_the_log_is_filtered_by_kind_and_by_ones_own_people(
    client, owner, tenant, other_tenant, django_user_model
):
    stranger = django_user_model.objects.create_user("foreign-user", is_staff=True)
    Membership.objects.create(tenant=other_tenant, user=stranger, role=Role.OWNER)
    make_domain(tenant, "own.test")
    kind = ContentType.objects.get_for_model(Domain)

    listed = client.get("/admin/auditlog/logentry/").content.decode()
    domains = client.get(f"/admin/auditlog/logentry/?resource_type={kind.pk}").content.decode()
    of_olga = client.get(f"/admin/auditlog/logentry/?actor__id__exact={owner.pk}").content.decode()

    assert f"actor__id__exact={owner.pk}" in listed
    assert f"actor__id__exact={stranger.pk}" not in listed
    assert "foreign-user" not in listed
    assert "own.test" in domains
    assert "own.test" not in of_olga  # nobody's: a test made it


def test_the_log_names_people_without_a_link_to_pages_of_superusers(client, owner, tenant):
    entry = entries(make_domain(tenant, "own.test")).latest()
    pages = ["/admin/auditlog/logentry/", f"/admin/auditlog/logentry/{entry.pk}/change/"]
    for page in pages:
        assert "the system" in client.get(page).content.decode()
    LogEntry.objects.update(actor=owner)

    for page in pages:
        shown = client.get(page).content.decode()
        assert "olga" in shown
        assert "the system" not in shown
        assert "/admin/auth/user/" not in shown


def test_a_second_factor_is_named_in_the_readers_language(admin_client, admin_user):
    Authenticator.objects.create(user=admin_user, type="recovery_codes", data={})

    page = admin_client.get("/admin/auditlog/logentry/", headers={"Accept-Language": "pt"})

    assert "Códigos de recuperação" in page.content.decode()
    assert "Recovery codes" not in page.content.decode()


def history_of(row) -> str:
    return f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/history/"


def way_to_the_log(client, row) -> str:
    """The link on the row's history page to what the log says of it, empty where there is none."""
    answer = client.get(history_of(row))
    assert answer.status_code == 200
    found = re.search(r'href="([^"]+logentry/[^"]+object_id[^"]+)"', answer.content.decode())
    return unescape(found[1]) if found else ""


def test_a_rows_history_leads_its_owners_to_the_rows_entries_alone(client, owner, tenant):
    domain, other = make_domain(tenant, "shop.test"), make_domain(tenant, "other.test")
    account = make_account(domain, "orders")

    listed = client.get(way_to_the_log(client, domain)).context["cl"].result_list

    assert [entry.pk for entry in listed] == [entry.pk for entry in entries(domain)]
    assert way_to_the_log(client, account)
    assert way_to_the_log(client, other) != way_to_the_log(client, domain)
    assert "Audit log of shop.test" in client.get(history_of(domain)).content.decode()


def test_a_rows_history_names_no_log_to_who_may_not_read_it(
    client, owner, tenant, other_tenant, django_user_model
):
    domain, foreign = make_domain(tenant, "shop.test"), make_domain(other_tenant, "foreign.test")
    Membership.objects.create(tenant=other_tenant, user=owner, role=Role.EDITOR)
    client.force_login(owner)

    assert way_to_the_log(client, foreign) == ""
    assert way_to_the_log(client, domain)
    Membership.objects.filter(tenant=other_tenant, user=owner).delete()
    assert client.get(history_of(foreign)).status_code == 302
    Membership.objects.filter(user=owner).update(role=Role.EDITOR)
    assert way_to_the_log(client, domain) == ""


def test_what_the_log_does_not_watch_names_none_and_a_superuser_reads_of_users(
    client, owner, admin_user, account
):
    email = an_email(account.domain.tenant, account=account)
    client.force_login(admin_user)

    assert way_to_the_log(client, email) == ""
    assert way_to_the_log(client, owner)


def test_other_roles_do_not_read_it(client, owner, tenant):
    Membership.objects.filter(user=owner).update(role=Role.ADMIN)

    assert client.get("/admin/auditlog/logentry/").status_code == 403
