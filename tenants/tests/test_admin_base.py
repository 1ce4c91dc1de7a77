"""Staff see and change their own tenants' rows, by role; on two models of other apps."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import EmailAccount
from domains.models import Domain
from templates_app.models import EmailTemplate
from tenants.models import Membership, Role

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tenants.tests.urls")]
DOMAINS = "/staff/domains/domain/"
ACCOUNTS = "/staff/accounts/emailaccount/"
TEMPLATES = "/staff/templates_app/emailtemplate/"
MEMBERSHIPS = "/staff/tenants/membership/"


@pytest.fixture
def user(tenant):
    return User.objects.create_user("staff", is_staff=True)


@pytest.fixture
def be(client, user):
    """Log in with this role in this tenant."""

    def log_in(role, tenant):
        Membership.objects.update_or_create(tenant=tenant, user=user, defaults={"role": role})
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def own(tenant):
    return Domain.objects.create(tenant=tenant, name="own.example")


@pytest.fixture
def foreign(other_tenant):
    return Domain.objects.create(tenant=other_tenant, name="foreign.example")


def account_of(domain, name="a"):
    address = f"{name}@{domain.name}"
    return EmailAccount.objects.create(
        domain=domain, email_address=address, smtp_server="smtp.example"
    )


def domain_form(tenant, **fields):
    return {"tenant": tenant.pk, "name": "new.example", "description": "", **fields}


def test_a_list_shows_the_rows_of_the_users_tenants_alone(be, tenant, own, foreign):
    page = be(Role.VIEWER, tenant).get(DOMAINS).content.decode()

    assert "own.example" in page
    assert "foreign.example" not in page


def test_a_list_names_the_tenant_only_to_who_sees_several(be, tenant, other_tenant, own):
    domains = "/admin/domains/domain/"
    alone = be(Role.VIEWER, tenant).get(domains).content.decode()
    among_others = be(Role.VIEWER, other_tenant).get(domains).content.decode()

    assert "field-tenant" not in alone
    assert "field-tenant" in among_others


def test_a_superuser_sees_all_rows(client, own, foreign):
    client.force_login(User.objects.create_superuser("root"))

    page = client.get(DOMAINS).content.decode()

    assert "own.example" in page
    assert "foreign.example" in page


def test_staff_of_no_tenant_get_nothing(client, user, own):
    client.force_login(user)

    assert client.get(DOMAINS).status_code == 403
    assert client.get(f"{DOMAINS}{own.pk}/change/").status_code in (302, 403)


@pytest.mark.parametrize("verb", ["change", "delete", "history"])
def test_another_tenants_row_is_answered_like_no_row(be, tenant, own, foreign, verb):
    client = be(Role.OWNER, tenant)

    theirs = client.get(f"{DOMAINS}{foreign.pk}/{verb}/")
    none = client.get(f"{DOMAINS}{foreign.pk + 100}/{verb}/")

    assert theirs.status_code == none.status_code == 302
    assert theirs.url == none.url
    assert client.post(f"{DOMAINS}{foreign.pk}/delete/", {"post": "yes"}).status_code == 302
    assert Domain.objects.filter(pk=foreign.pk).exists()


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.VIEWER, 403), (Role.EDITOR, 403), (Role.ADMIN, 302), (Role.OWNER, 302)],
)
def test_adding_changing_and_deleting_needs_the_classs_role(be, tenant, own, role, status):
    client = be(role, tenant)

    added = client.post(f"{DOMAINS}add/", domain_form(tenant))
    changed = client.post(f"{DOMAINS}{own.pk}/change/", {"name": "changed.example"})
    deleted = client.post(f"{DOMAINS}{own.pk}/delete/", {"post": "yes"})

    assert [a.status_code for a in (added, changed, deleted)] == [status] * 3
    names = set(Domain.objects.values_list("name", flat=True))
    assert names == ({"own.example"} if status == 403 else {"new.example"})


def test_a_row_cant_be_added_to_another_tenant(be, tenant, other_tenant):
    answer = be(Role.OWNER, tenant).post(f"{DOMAINS}add/", domain_form(other_tenant))

    assert answer.status_code == 200
    assert "valid choice" in answer.content.decode()
    assert not Domain.objects.exists()


def test_a_role_in_one_tenant_gives_nothing_in_another(be, tenant, other_tenant, own, foreign):
    be(Role.OWNER, tenant)
    client = be(Role.VIEWER, other_tenant)

    assert client.get(f"{DOMAINS}{foreign.pk}/change/").status_code == 200
    assert client.post(f"{DOMAINS}{foreign.pk}/change/", {"name": "x.example"}).status_code == 403
    assert client.post(f"{DOMAINS}{foreign.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{DOMAINS}add/", domain_form(other_tenant)).status_code == 200
    added = client.post(
        f"{ACCOUNTS}add/",
        {"domain": foreign.pk, "email_address": "a@foreign.example", "smtp_server": "s.example"},
    )
    assert "does not allow this" in added.content.decode()
    assert Domain.objects.count() == 2
    assert not EmailAccount.objects.exists()


def test_a_row_never_moves_to_another_tenant(client, tenant, other_tenant, own, foreign):
    client.force_login(User.objects.create_superuser("root"))
    account = account_of(own)

    client.post(f"{DOMAINS}{own.pk}/change/", domain_form(other_tenant))
    answer = client.post(
        f"{ACCOUNTS}{account.pk}/change/",
        {"domain": foreign.pk, "email_address": "a@own.example", "smtp_server": "s.example"},
    )

    own.refresh_from_db()
    account.refresh_from_db()
    assert own.tenant == tenant
    assert own.name == "new.example"
    assert account.domain == own
    assert "move to another tenant" in answer.content.decode()


def test_a_row_cant_point_into_another_tenant_whoever_says_so(
    client, be, tenant, other_tenant, own, foreign
):
    theirs = account_of(foreign)
    form = {
        "tenant": tenant.pk,
        "slug": "welcome",
        "name": "Welcome",
        "subject": "Hello",
        "default_account": theirs.pk,
    }
    as_owner = be(Role.OWNER, tenant).post(f"{TEMPLATES}add/", form)
    be(Role.OWNER, other_tenant)
    as_owner_of_both = client.post(f"{TEMPLATES}add/", form)
    client.force_login(User.objects.create_superuser("root"))
    as_superuser = client.post(f"{TEMPLATES}add/", form)

    assert "valid choice" in as_owner.content.decode()
    assert "belongs to another tenant" in as_owner_of_both.content.decode()
    assert "belongs to another tenant" in as_superuser.content.decode()
    assert not EmailTemplate.objects.exists()


def test_choices_and_filters_offer_own_rows_alone(be, tenant, own, foreign):
    account_of(own), account_of(own, "b"), account_of(foreign), account_of(foreign, "b")
    Domain.objects.create(tenant=tenant, name="own-too.example")
    client = be(Role.OWNER, tenant)

    pages = [client.get(f"{TEMPLATES}add/"), client.get(ACCOUNTS), client.get(f"{ACCOUNTS}add/")]

    shown = "".join(page.content.decode() for page in pages)
    assert "a@own.example" in shown
    assert "own-too.example" in shown
    assert "foreign.example" not in shown
    assert "Other" not in shown


def test_autocomplete_offers_own_rows_alone(be, tenant, own, foreign):
    answer = be(Role.OWNER, tenant).get(
        "/staff/autocomplete/",
        {
            "term": "example",
            "app_label": "accounts",
            "model_name": "emailaccount",
            "field_name": "domain",
        },
    )

    assert [row["text"] for row in answer.json()["results"]] == ["own.example"]


def test_the_only_tenant_is_filled_in(be, tenant, other_tenant):
    page = be(Role.OWNER, tenant).get(f"{DOMAINS}add/").content.decode()

    assert f'<option value="{tenant.pk}" selected>' in page


def test_of_several_tenants_none_is_filled_in(be, tenant, other_tenant):
    be(Role.OWNER, tenant)

    page = be(Role.ADMIN, other_tenant).get(f"{DOMAINS}add/").content.decode()

    assert f'value="{tenant.pk}"' in page
    assert f'<option value="{tenant.pk}" selected>' not in page


def run(client, action, *rows):
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(DOMAINS, data, follow=True)


def test_an_action_works_on_rows_whose_tenant_grants_the_role(
    be, tenant, other_tenant, own, foreign
):
    be(Role.ADMIN, tenant)
    client = be(Role.VIEWER, other_tenant)

    page = run(client, "stop", own, foreign).content.decode()

    own.refresh_from_db()
    foreign.refresh_from_db()
    assert not own.is_active
    assert foreign.is_active
    assert "1 row was left out" in page


def test_chosen_rows_are_not_counted_where_the_role_holds_for_all_that_are_seen(be, tenant, own):
    client = be(Role.ADMIN, tenant)

    with CaptureQueriesContext(connection) as queries:
        run(client, "stop", own)

    own.refresh_from_db()
    assert not own.is_active
    chosen = re.compile(r"COUNT\(.*domains_domain.\..id. IN \(")
    assert not [one["sql"] for one in queries if chosen.search(one["sql"])]


def test_deleting_many_takes_no_row_without_the_role(be, tenant, other_tenant, own, foreign):
    be(Role.ADMIN, tenant)
    client = be(Role.VIEWER, other_tenant)

    data = {"action": "delete_selected", "_selected_action": [own.pk, foreign.pk], "post": "yes"}
    client.post(DOMAINS, data)

    assert list(Domain.objects.all()) == [foreign]


def test_a_read_only_class_lets_nobody_change_anything(client, be, tenant, user):
    client = be(Role.OWNER, tenant)
    row = Membership.objects.get()
    for someone in (user, User.objects.create_superuser("root")):
        client.force_login(someone)

        assert client.get(MEMBERSHIPS).status_code == 200
        assert client.get(f"{MEMBERSHIPS}{row.pk}/change/").status_code == 200
        assert client.get(f"{MEMBERSHIPS}add/").status_code == 403
        assert client.post(f"{MEMBERSHIPS}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Membership.objects.exists()


def test_a_list_of_50_costs_as_many_queries_as_one_of_1(be, tenant, django_assert_num_queries):
    client = be(Role.OWNER, tenant)
    domain = Domain.objects.create(tenant=tenant, name="0.example")
    account_of(domain)
    client.get(DOMAINS)
    with CaptureQueriesContext(connection) as few:
        client.get(DOMAINS)
    Domain.objects.bulk_create(
        Domain(tenant=tenant, name=f"{number}.example") for number in range(1, 50)
    )

    with django_assert_num_queries(len(few.captured_queries)):
        client.get(DOMAINS)
