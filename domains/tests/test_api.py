"""``/domains`` as a client sees it, with a real DNS server behind ``verify``."""

from __future__ import annotations

import json

import pytest
from django.test import override_settings
from django.utils import timezone

from accounts.models import EmailAccount
from conftest import client_of
from domains import services
from domains.models import DKIMKey, Domain
from logs.models import EmailContent, EmailLog

URL = "/api/v1/domains"
FIELDS = [
    "id",
    "name",
    "description",
    "is_active",
    "tracking_host",
    "dns",
    "dkim_selector",
    "dkim_record",
    "created_at",
    "updated_at",
]


@pytest.fixture
def domain(tenant) -> Domain:
    return services.create_domain(tenant=tenant, name="alitools.test")


def with_account(domain, *, smtp_server="smtp.alitools.test") -> EmailAccount:
    address = f"encomendas@{domain.name}"
    return EmailAccount.objects.create(
        domain=domain, email_address=address, smtp_server=smtp_server
    )


def with_message(account) -> EmailLog:
    content = EmailContent.objects.create(tenant=account.tenant)
    return EmailLog.objects.create(
        tenant=account.tenant,
        account=account,
        content=content,
        mode="live",
        queued_at=timezone.now(),
    )


def errors(response) -> list[tuple]:
    return [(each["code"], each["attr"]) for each in response.json()["errors"]]


def publish_all(server, domain) -> None:
    server.txt(domain.name, "v=spf1 a:smtp.alitools.test -all")
    server.a("smtp.alitools.test", "198.51.100.7")
    server.mx(domain.name, "10 mx.alitools.test")
    server.a("mx.alitools.test", "198.51.100.8")
    server.txt(f"_dmarc.{domain.name}", "v=DMARC1; p=quarantine")
    for key in domain.dkim_keys.all():
        server.txt(f"{key.selector}._domainkey.{domain.name}", key.public_record)


def test_a_new_domain_has_exactly_the_fields_of_the_contract_and_a_record_to_publish(api):
    answer = api.post(URL, {"name": "AliTools.test", "description": "Shop"})

    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == FIELDS
    assert (body["name"], body["description"], body["is_active"]) == ("alitools.test", "Shop", True)
    assert (body["tracking_host"], body["dns"]) == ("", None)
    assert body["dkim_selector"] == "sendcraft-rsa"
    assert body["dkim_record"].startswith("v=DKIM1; k=rsa; p=MII")
    assert api.get(f"{URL}/{body['id']}").json() == body


def test_an_international_name_is_stored_as_the_dns_knows_it(api):
    answer = api.post(URL, {"name": "Pão-de-Açúcar.test", "tracking_host": "Ligações.açúcar.test"})

    assert answer.json()["name"] == "xn--po-de-acar-f5a8cwp.test"
    assert answer.json()["tracking_host"] == "xn--ligaes-zua6i.xn--acar-0oa8i.test"
    assert len(api.get(URL, {"name": "PÃO-DE-AÇÚCAR.test"}).json()["results"]) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ("required", "name")),
        ({"name": "localhost"}, ("invalid", "name")),
        ({"name": "127.0.0.1"}, ("invalid", "name")),
        ({"name": "a\u0000b.test"}, ("null_characters_not_allowed", "name")),
        ({"name": "a\nb.test"}, ("invalid", "name")),
        ({"name": f"{'a' * 300}.test"}, ("max_length", "name")),
        ({"name": 7}, ("invalid", "name")),
        ({"name": ["a.test"]}, ("invalid", "name")),
        ({"name": None}, ("null", "name")),
        ({"name": "a.test", "description": "one\ntwo"}, ("invalid", "description")),
        ({"name": "a.test", "description": "x" * 501}, ("max_length", "description")),
        ({"name": "a.test", "tracking_host": "http://a.test/"}, ("invalid", "tracking_host")),
        ({"name": "a.test", "is_active": "yes"}, ("invalid", "is_active")),
        ({"name": "a.test", "colour": "red"}, ("unknown_field", "colour")),
        ({"name": "a.test", "tenant": 1}, ("unknown_field", "tenant")),
    ],
)
def test_what_is_no_domain_is_refused_by_its_field_and_nothing_is_stored(api, body, expected):
    answer = api.post(URL, body)

    assert answer.status_code == 422
    assert errors(answer) == [expected]
    assert not Domain.objects.exists()


@pytest.mark.parametrize("name", ["id", "dns", "dkim_selector", "dkim_record", "created_at"])
def test_fields_that_only_we_write_are_refused(api, domain, name):
    created = api.post(URL, {"name": "other.test", name: None})
    changed = api.patch(f"{URL}/{domain.pk}", {name: None})

    assert errors(created) == errors(changed) == [("read_only", name)]


def test_a_name_stands_once_in_the_installation_and_nobody_learns_whose_it_is(
    api, other_api, domain
):
    own = api.post(URL, {"name": "ALITOOLS.test"})
    foreign = other_api.post(URL, {"name": "alitools.test"})

    assert own.status_code == foreign.status_code == 422
    assert errors(own) == [("unique", "name")]
    assert own.json() == foreign.json()


def test_settings_change_and_the_name_stays(api, domain):
    one = f"{URL}/{domain.pk}"

    patched = api.patch(one, {"is_active": False})
    put = api.put(one, {"name": "Alitools.TEST", "description": "x", "tracking_host": "T.a.test"})
    renamed = api.patch(one, {"name": "other.test", "description": "renamed"})
    nameless = api.put(one, {"description": "x"})

    assert (patched.status_code, patched.json()["is_active"]) == (200, False)
    assert (put.status_code, put.json()["tracking_host"]) == (200, "t.a.test")
    assert (renamed.status_code, errors(renamed)) == (422, [("read_only", "name")])
    assert errors(nameless) == [("required", "name")]
    assert api.get(one).json()["description"] == "x"
    assert api.get(one).json()["name"] == "alitools.test"


def test_a_domain_goes_with_its_accounts_and_keys_while_no_message_refers_to_it(api, domain):
    with_account(domain)

    answer = api.delete(f"{URL}/{domain.pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    left = (Domain.objects.count(), EmailAccount.objects.count(), DKIMKey.objects.count())
    assert left == (0, 0, 0)


def test_a_domain_that_messages_refer_to_stays(api, domain, django_assert_max_num_queries):
    account = with_account(domain)
    for _ in range(3):
        with_message(account)

    with django_assert_max_num_queries(12) as counted:
        answer = api.delete(f"{URL}/{domain.pk}")

    assert (answer.status_code, errors(answer)) == (409, [("in_use", None)])
    assert EmailAccount.objects.count() == 1
    asked = [query["sql"] for query in counted if "logs_emaillog" in query["sql"]]
    assert all(sql.endswith("LIMIT 1") for sql in asked), "no message is loaded to be named"


def test_verify_finds_everything_in_order_and_the_domain_signs_from_then_on(
    api, domain, dns_server
):
    with_account(domain)
    publish_all(dns_server, domain)
    assert list(domain.dkim_keys.signing()) == []

    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        answer = api.post(f"{URL}/{domain.pk}/verify")

    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == FIELDS
    verdicts = {name: body["dns"][name]["verdict"] for name in ("spf", "dkim", "dmarc", "mx")}
    assert verdicts == dict.fromkeys(("spf", "dkim", "dmarc", "mx"), "ok")
    assert body["dns"]["dkim"]["wanted"] == body["dkim_record"]
    assert body["dns"]["dkim"]["found"] == [body["dkim_record"]]
    assert api.get(f"{URL}/{domain.pk}").json() == body
    assert [key.algorithm for key in list(domain.dkim_keys.signing())] == ["ed25519", "rsa"]


def test_verify_takes_no_fields(api, domain):
    answer = api.post(f"/api/v1/domains/{domain.pk}/verify", {"name": "other.test"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "unknown_field"
    assert api.get(f"/api/v1/domains/{domain.pk}").json()["dns"] is None


def test_verify_says_in_english_what_to_publish_where_nothing_is(api, domain, dns_server):
    with_account(domain)
    dns_server.a("smtp.alitools.test", "198.51.100.7")

    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        dns = api.post(f"{URL}/{domain.pk}/verify", HTTP_ACCEPT_LANGUAGE="pt").json()["dns"]

    assert {dns[name]["verdict"] for name in ("spf", "dkim", "dmarc", "mx")} == {"missing"}
    assert dns["spf"]["wanted"] == "v=spf1 a:smtp.alitools.test ~all"
    assert dns["spf"]["advice"].startswith("Publish this TXT record at “alitools.test”.")
    assert dns["dkim"]["name"] == "sendcraft-rsa._domainkey.alitools.test"
    assert [key["selector"] for key in dns["dkim"]["keys"]] == [
        "sendcraft-rsa",
        "sendcraft-ed25519",
    ]


def test_a_withdrawn_key_signs_no_more_but_a_silent_dns_changes_nothing(api, domain, dns_server):
    publish_all(dns_server, domain)
    verify = f"{URL}/{domain.pk}/verify"
    rsa, ed25519 = (f"{s}._domainkey.alitools.test" for s in services.SELECTORS.values())

    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        api.post(verify)
        dns_server.remove(ed25519)
        dns_server.fail(rsa)
        dns = api.post(verify).json()["dns"]

    assert dns["dkim"]["verdict"] == "unknown"
    assert [key.algorithm for key in list(domain.dkim_keys.signing())] == ["rsa"]


def test_what_others_publish_comes_back_as_text_only(api, domain, dns_server):
    dns_server.txt("alitools.test", "v=spf1 <script>\x00\x1b[31m -all")

    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        answer = api.post(f"{URL}/{domain.pk}/verify")

    assert answer.status_code == 200
    assert answer.json()["dns"]["spf"]["verdict"] == "wrong"
    assert "\x1b" not in json.dumps(answer.json(), ensure_ascii=False)


def test_another_tenant_gets_404_and_an_empty_list(other_api, domain, dns_server):
    one = f"{URL}/{domain.pk}"

    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        answers = [
            other_api.get(one),
            other_api.put(one, {"name": "alitools.test"}),
            other_api.patch(one, {"is_active": False}),
            other_api.delete(one),
            other_api.post(f"{one}/verify"),
        ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert other_api.get(URL).json()["results"] == []
    domain.refresh_from_db()
    assert (domain.is_active, domain.dns, dns_server.queries) == (True, {}, [])


@pytest.mark.parametrize("path", ["0", "99999999999999999999999", "alitools.test", "-1"])
def test_an_id_that_is_none_is_404(api, domain, path):
    assert api.get(f"{URL}/{path}").status_code == 404
    assert api.post(f"{URL}/{path}/verify").status_code == 404


def test_a_key_needs_the_scope_of_domains(tenant, domain):
    allowed = client_of(tenant, scopes=["domains:write"])
    refused = client_of(tenant, scopes=["emails:send", "accounts:write"])

    assert allowed.get(URL).status_code == 200
    assert refused.get(URL).status_code == 403
    assert refused.post(f"{URL}/{domain.pk}/verify").status_code == 403


def test_a_list_is_filtered_searched_and_ordered(api, tenant):
    for name in ("b.test", "a.test", "c.test"):
        Domain.objects.create(
            tenant=tenant, name=name, description=f"Loja {name[0]}", is_active=name != "c.test"
        )

    def names(**query):
        return [row["name"] for row in api.get(URL, query).json()["results"]]

    assert names() == ["c.test", "a.test", "b.test"]
    assert names(ordering="name") == ["a.test", "b.test", "c.test"]
    assert names(ordering="-created_at") == ["c.test", "a.test", "b.test"]
    assert names(name="A.test") == ["a.test"]
    assert names(is_active="false") == ["c.test"]
    assert names(search="loja b") == ["b.test"]


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ({"is_active": "maybe"}, "is_active"),
        ({"name": "not a name"}, "name"),
        ({"ordering": "dns"}, "ordering"),
        ({"tenant": "1"}, "tenant"),
    ],
)
def test_a_bad_query_is_400_by_its_parameter(api, domain, query, attr):
    answer = api.get(URL, query)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr


def test_a_list_of_50_costs_as_many_queries_as_a_list_of_one(
    api, tenant, domain, django_assert_num_queries
):
    api.get(URL)  # the key's first use is written down
    with django_assert_num_queries(3):
        assert len(api.get(URL).json()["results"]) == 1
    for number in range(49):
        row = Domain.objects.create(tenant=tenant, name=f"d{number}.test")
        DKIMKey.objects.create(
            domain=row, selector="sendcraft-rsa", algorithm="rsa", public_record="v=DKIM1; p=x"
        )

    with django_assert_num_queries(3):
        results = api.get(URL).json()["results"]

    assert len(results) == 50
    assert all(row["dkim_record"] for row in results)


def test_no_answer_holds_a_private_key(api, domain, dns_server):
    with override_settings(DNS_RESOLVERS=[dns_server.address]):
        answers = [
            api.post(URL, {"name": "second.test"}),
            api.get(URL),
            api.get(f"{URL}/{domain.pk}"),
            api.patch(f"{URL}/{domain.pk}", {"description": "x"}),
            api.post(f"{URL}/{domain.pk}/verify"),
        ]

    for key in DKIMKey.objects.all():
        secrets = ("PRIVATE KEY", key.private_key_encrypted, key.private_key.splitlines()[1])
        for answer in answers:
            assert not [secret for secret in secrets if secret in answer.content.decode()]
