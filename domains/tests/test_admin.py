"""Domains in the admin, seen by staff of different roles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import EmailAccount
from domains import services
from domains.models import DKIMKey, Domain
from domains.tests.test_api import publish_all, with_account, with_message
from tenants.models import Role
from tests.staff import staff, worked_off

LIST = "/admin/domains/domain/"
NO_KEYS = {"dkim_keys-TOTAL_FORMS": "0", "dkim_keys-INITIAL_FORMS": "0"}


@pytest.fixture
def admin(tenant) -> Client:
    return staff(tenant, Role.ADMIN)


@pytest.fixture
def domain(tenant) -> Domain:
    return services.create_domain(tenant=tenant, name="alitools.test")


def page(client, url) -> str:
    answer = client.get(url, follow=True)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def one(domain) -> str:
    return reverse("admin:domains_domain_change", args=[domain.pk])


def check(client, domain, server):
    with override_settings(DNS_RESOLVERS=[server.address]):
        return client.post(f"{LIST}{domain.pk}/check", follow=True)


def test_a_domain_added_here_has_its_keys_and_a_name_as_the_dns_knows_it(admin, tenant):
    form = {"tenant": tenant.pk, "name": "AÇÚCAR.test", "description": "Loja"}

    added = admin.post(f"{LIST}add/", form)

    domain = Domain.objects.get()
    assert added.status_code == 302
    assert (domain.tenant, domain.name, domain.description) == (
        tenant,
        "xn--acar-0oa8i.test",
        "Loja",
    )
    assert domain.is_active
    assert domain.dkim_keys.count() == 2
    assert "xn--acar-0oa8i.test (açúcar.test)" in page(admin, LIST)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "localhost"}, "This is not a domain name"),
        ({"name": "Alitools.TEST"}, "already exists"),
        ({"name": "a.test", "description": "a\x07b"}, "without control characters"),
    ],
)
def test_what_is_no_domain_or_taken_is_told_in_the_form(admin, tenant, domain, fields, told):
    answer = admin.post(f"{LIST}add/", {"tenant": tenant.pk, "description": "", **fields})

    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert Domain.objects.count() == 1


def test_settings_change_and_the_name_and_tenant_stay(admin, domain, other_tenant):
    form = {"name": "x.test", "tenant": other_tenant.pk, "tracking_host": "T.test", **NO_KEYS}

    admin.post(one(domain), {"description": "new", **form})

    changed = Domain.objects.get()
    assert (changed.name, changed.tenant_id) == ("alitools.test", domain.tenant_id)
    assert (changed.description, changed.tracking_host, changed.is_active) == (
        "new",
        "t.test",
        False,
    )
    assert changed.dkim_keys.count() == 2


def test_the_detail_shows_what_to_publish_what_was_found_and_what_to_do(admin, domain, dns_server):
    dns_server.txt("alitools.test", "v=spf1 <script>alert(1)</script> -all")
    dns_server.txt("_dmarc.alitools.test", "v=DMARC1; p=quarantine")
    assert "was not checked yet" in page(admin, one(domain))

    answer = check(admin, domain, dns_server)

    shown = answer.content.decode()
    rsa = domain.dkim_keys.get(algorithm="rsa")
    assert answer.redirect_chain[-1][0] == one(domain)
    assert "Checked just now." in shown
    assert 'value="sendcraft-rsa._domainkey.alitools.test"' in shown
    assert f"{rsa.public_record}</textarea>" in shown
    assert "v=DMARC1; p=quarantine" in shown
    # Said, since as blocks, on a phone, the parts of a table are none to a screen reader.
    named = re.findall(r'<(?:table|thead|tbody|tr|th|td) role="(\w+)"', shown)
    assert Counter(named)["columnheader"] == 4
    assert Counter(named)["cell"] == 3 * Counter(named)["rowheader"]
    assert "Publish this TXT record at" in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert(1)" not in shown


def test_the_way_to_a_domain_is_written_as_the_domain_is(admin, domain):
    text = re.sub(r"<[^>]+>", " ", page(admin, one(domain)))

    assert re.search(r"Domains\s+chevron_right\s+alitools\.test", text)


def test_a_record_that_is_found_as_wanted_is_not_written_twice(admin, domain, dns_server):
    publish_all(dns_server, domain)
    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        services.verify_domain(domain)

    shown = page(admin, one(domain))

    assert "The same." in shown
    assert shown.count("v=spf1") == 1


def test_the_list_shows_each_records_verdict(admin, domain, dns_server):
    with_account(domain)
    publish_all(dns_server, domain)
    dns_server.remove("_dmarc.alitools.test")
    check(admin, domain, dns_server)

    shown = page(admin, LIST)

    assert shown.count("in order") == 3
    assert shown.count("missing") == 1


def test_the_chosen_domains_are_checked_from_the_list(admin, tenant, domain, dns_server):
    second = services.create_domain(tenant=tenant, name="second.test")
    chosen = {"action": "check_dns", "_selected_action": [domain.pk, second.pk]}

    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        job = worked_off(admin.post(LIST, chosen))

    assert (job.total, job.result) == (2, {"done": 2, "refused": 0})
    assert not Domain.objects.filter(dns_checked_at=None).exists()


def test_a_check_in_place_answers_with_the_records_alone(admin, domain, dns_server):
    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        answer = admin.post(f"{LIST}{domain.pk}/check", headers={"HX-Request": "true"})

    shown = answer.content.decode()
    assert answer.status_code == 200
    assert shown.strip().startswith('<div id="dns-records">')
    assert "Checked just now." in shown
    assert "sendcraft-rsa._domainkey.alitools.test" in shown
    assert "csrfmiddlewaretoken" in shown


def key_states(page: str) -> dict[str, str]:
    """What a page or an answer in place says of each key, by the id of its place there."""
    found = re.findall(r'<div id="(key-\w+-\d+)"[^>]*>(.*?)</div>', page, re.S)
    return {place: " ".join(re.sub("<[^>]*>", "", text).split()) for place, text in found}


def test_a_check_in_place_tells_the_keys_below_what_it_found(admin, domain, dns_server):
    before = key_states(page(admin, one(domain)))
    publish_all(dns_server, domain)

    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        answer = admin.post(f"{LIST}{domain.pk}/check", headers={"HX-Request": "true"})

    swapped = answer.content.decode()
    after = key_states(swapped)
    assert swapped.count('hx-swap-oob="true"') == len(after) == 4
    assert before != after == key_states(page(admin, one(domain)))
    assert "DNS checked at" not in page(admin, one(domain))


def new_keys(client, domain, dns_server):
    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        return client.post(f"{LIST}{domain.pk}/new-keys", follow=True)


def test_new_keys_sign_once_they_are_published_and_the_old_ones_until_then(
    admin, domain, dns_server
):
    publish_all(dns_server, domain)
    check(admin, domain, dns_server)
    old = list(domain.dkim_keys.signing())

    shown = new_keys(admin, domain, dns_server).content.decode()
    assert "New keys wait for their records" in shown
    assert list(domain.dkim_keys.signing()) == old

    publish_all(dns_server, domain)
    check(admin, domain, dns_server)
    signing = list(domain.dkim_keys.signing())
    assert [key.algorithm for key in signing] == ["ed25519", "rsa"]
    assert not set(signing) & set(old)
    assert domain.dkim_keys.exclude(retired_at=None).count() == 2


def test_new_keys_are_not_made_twice_while_they_wait(admin, domain, dns_server):
    new_keys(admin, domain, dns_server)
    again = new_keys(admin, domain, dns_server)

    assert "New keys were made already" in again.content.decode()
    assert domain.dkim_keys.count() == 4


@contextmanager
def deleted_during_the_check(domain: Domain, server) -> Iterator[None]:
    """Somebody deletes the domain while the DNS is asked, before its answers are stored."""
    left = [domain]

    def execute(execute, sql, params, many, context):
        if server.queries and left:
            Domain.objects.filter(pk=left.pop().pk).delete()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield


@pytest.mark.parametrize("send", [check, new_keys])
def test_a_domain_that_is_deleted_during_its_check_is_said_to_be_gone(
    admin, domain, dns_server, send
):
    with deleted_during_the_check(domain, dns_server):
        answer = send(admin, domain, dns_server)

    assert answer.redirect_chain[-1][0] == LIST
    assert "It was deleted meanwhile." in answer.content.decode()


def test_a_domain_that_is_deleted_during_its_check_in_place_leads_to_the_list(
    admin, domain, dns_server
):
    server = override_settings(DNS_RESOLVERS=[dns_server.address])
    with server, deleted_during_the_check(domain, dns_server):
        answer = admin.post(f"{LIST}{domain.pk}/check", headers={"HX-Request": "true"})

    assert answer["HX-Redirect"] == LIST
    assert "It was deleted meanwhile." in admin.get(LIST).content.decode()


def test_new_keys_are_for_admins_of_the_tenant(tenant, other_tenant, domain, dns_server):
    assert new_keys(staff(tenant, Role.EDITOR), domain, dns_server).status_code == 403
    new_keys(staff(other_tenant, Role.OWNER), domain, dns_server)
    assert domain.dkim_keys.count() == 2


def test_a_check_needs_a_post(admin, domain, dns_server):
    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        answer = admin.get(f"{LIST}{domain.pk}/check")

    assert answer.status_code == 405
    assert dns_server.queries == []


def test_those_below_admin_read_only(tenant, domain, dns_server):
    for role in (Role.VIEWER, Role.EDITOR):
        reader = staff(tenant, role)

        checked = check(reader, domain, dns_server)
        changed = reader.post(one(domain), {"description": "x", **NO_KEYS})
        deleted = reader.post(f"{LIST}{domain.pk}/delete/", {"post": "yes"})
        added = reader.post(f"{LIST}add/", {"tenant": tenant.pk, "name": "b.test"})

        refused = [answer.status_code for answer in (checked, changed, deleted, added)]
        assert refused == [403, 403, 403, 403]
        assert "sendcraft-rsa" in page(reader, one(domain))
        assert f"{domain.pk}/check" not in page(reader, one(domain))
    assert dns_server.queries == []


def test_another_tenants_staff_sees_and_does_nothing(other_tenant, domain, dns_server):
    stranger = staff(other_tenant, Role.OWNER)

    answers = [
        check(stranger, domain, dns_server),
        stranger.get(one(domain), follow=True),
        stranger.post(one(domain), {"description": "x", **NO_KEYS}, follow=True),
        stranger.post(f"{LIST}{domain.pk}/delete/", {"post": "yes"}, follow=True),
        stranger.get(LIST),
    ]
    stranger.post(f"{LIST}add/", {"tenant": domain.tenant_id, "name": "b.test"})

    assert answers[0].status_code == 404
    for answer in answers:
        assert "alitools.test" not in answer.content.decode()
    assert dns_server.queries == []
    domain.refresh_from_db()
    assert (Domain.objects.count(), domain.description) == (1, "")


def test_a_domain_with_messages_cannot_be_deleted_and_says_why(admin, domain):
    with_message(with_account(domain))

    asked = page(admin, f"{LIST}{domain.pk}/delete/")
    answer = admin.post(f"{LIST}{domain.pk}/delete/", {"post": "yes"})

    assert "deactivate it instead" in asked
    assert "deactivate it instead" in answer.content.decode()
    assert Domain.objects.exists()


def test_an_unused_domain_goes_with_its_accounts_but_never_in_bulk(admin, domain):
    with_account(domain)
    chosen = {"action": "delete_selected", "_selected_action": [domain.pk], "post": "yes"}

    admin.post(LIST, chosen)
    assert Domain.objects.exists()
    admin.post(f"{LIST}{domain.pk}/delete/", {"post": "yes"})

    assert (Domain.objects.count(), EmailAccount.objects.count()) == (0, 0)


def test_no_page_holds_a_private_key(admin, domain, dns_server):
    check(admin, domain, dns_server)

    shown = [page(admin, url) for url in (LIST, one(domain), f"{LIST}{domain.pk}/history/")]

    for key in DKIMKey.objects.all():
        for secret in ("PRIVATE KEY", key.private_key_encrypted, key.private_key.splitlines()[1]):
            assert not [html for html in shown if secret in html]


def test_a_list_of_50_costs_as_many_queries_as_a_list_of_one(
    admin, tenant, domain, django_assert_num_queries, django_assert_max_num_queries
):
    with django_assert_max_num_queries(12) as first:
        page(admin, LIST)
    for number in range(49):
        Domain.objects.create(tenant=tenant, name=f"d{number}.test")

    with django_assert_num_queries(len(first)):
        page(admin, LIST)
