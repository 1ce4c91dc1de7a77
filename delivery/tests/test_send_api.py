"""``POST /emails/send``: what is accepted, and what is refused before anything is stored."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import EmailAccount
from delivery.models import Suppression
from delivery.services import suppress
from domains.models import Domain
from logs.models import Attachment, EmailContent, EmailLog, EmailTag
from templates_app.models import EmailTemplate
from tenants.models import APIKey, Tenant
from tests.factories import make_account, make_domain, make_template

URL = "/api/v1/emails/send"
pytestmark = pytest.mark.django_db


def plain(account, **changes) -> dict:
    return {
        "from_account": account.email_address,
        "to_address": "ana@example.com",
        "subject": "Hello",
        "text": "Hello Ana",
    } | changes


def refusal(response) -> tuple:
    assert response.status_code == 422, response.content
    assert response.json()["type"] == "validation_error"
    error = response.json()["errors"][0]
    assert error["detail"]
    return error["code"], error["attr"]


def test_a_template_message_is_stored_and_answered_as_queued(api, account, template):
    request = {
        "template_id": "order",
        "from_account": "orders@shop.test",
        "to_address": "Ana Silva <ana@example.com>",
        "variables": {"number": "A-1", "name": "Ana"},
    }

    response = api.post(URL, request)

    answer = response.json()
    email = EmailLog.objects.get(tracking_id=answer["tracking_id"])
    assert response.status_code == 202
    assert answer == {
        "tracking_id": str(email.tracking_id),
        "status": "queued",
        "from_address": "orders@shop.test",
        "to_address": "ana@example.com",
        "template_id": "order",
        "queued_at": answer["queued_at"],
        "send_at": None,
    }
    assert email.subject == "Order A-1"
    assert email.to_name == "Ana Silva"
    assert email.smtp_message_id == f"<{email.tracking_id}@shop.test>"
    assert email.content.variables == request["variables"]


def test_a_message_without_a_template_keeps_all_its_options(api, account):
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    request = plain(
        account,
        html="<p>Hi <img src='cid:logo'></p>",
        to_name="Ana",
        cc=["Rui <rui@example.com>"],
        bcc=["audit@shop.test"],
        reply_to="help@shop.test",
        headers={"X-Order": "A-1"},
        attachments=[
            {
                "filename": "logo.png",
                "content": base64.b64encode(b"png").decode(),
                "content_type": "image/png",
                "content_id": "logo",
            }
        ],
        tags=["orders", "pt"],
        metadata={"order": {"id": 7}},
        send_at=later,
        track_opens=False,
        priority="high",
    )

    email = EmailLog.objects.get(tracking_id=api.post(URL, request).json()["tracking_id"])

    assert (email.cc_addresses, email.bcc_addresses) == (["rui@example.com"], ["audit@shop.test"])
    assert email.content.reply_to == [{"address": "help@shop.test", "name": ""}]
    assert email.content.headers == [["X-Order", "A-1"]]
    assert email.tags == ["orders", "pt"]
    assert email.metadata == {"order": {"id": 7}}
    assert email.next_attempt_at == email.send_at
    assert (email.track_opens, email.track_clicks) == (False, True)
    assert email.get_priority_display() == "high"
    assert Attachment.objects.get(part_of=email.content).read() == b"png"


def test_a_default_account_is_used_where_none_is_named(api, tenant, domain, template):
    of_tenant = make_account(domain, "tenant", default_for=tenant)
    of_template = make_account(domain, "template")
    no_account = plain(of_tenant)
    del no_account["from_account"]

    literal = api.post(URL, no_account).json()
    template.default_account = of_template
    template.save()
    named = {"template_id": template.pk, "to_address": "a@example.com"}
    rendered = api.post(URL, named | {"variables": {"number": 1, "name": "Ana"}}).json()

    assert literal["from_address"] == of_tenant.email_address
    assert rendered["from_address"] == of_template.email_address


def test_a_test_key_makes_test_messages(tenant, account):
    from conftest import client_of

    client = client_of(tenant, mode="test")

    email = EmailLog.objects.get(tracking_id=client.post(URL, plain(account)).json()["tracking_id"])

    assert email.mode == "test"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"from_account": "nobody@shop.test"}, ("not_found", "from_account")),
        ({"from_account": "not an address"}, ("not_found", "from_account")),
        ({"from_account": 999999}, ("not_found", "from_account")),
        ({"from_account": "1" * 5000}, ("invalid", "from_account")),
        ({"template_id": "nothing", "subject": "", "text": ""}, ("not_found", "template_id")),
        ({"template_id": 0, "subject": "", "text": ""}, ("invalid", "template_id")),
        ({"template_id": "0", "subject": "", "text": ""}, ("invalid", "template_id")),
        ({"to_address": "a@b.test@evil.test"}, ("invalid", "to_address")),
        ({"to_address": "a@example.com, b@example.com"}, ("invalid", "to_address")),
        ({"to_address": ""}, ("blank", "to_address")),
        ({"to_address": 7}, ("invalid", "to_address")),
        ({"to_address": None}, ("null", "to_address")),
        ({"cc": ["ok@example.com", "bad"]}, ("invalid", "cc.1")),
        ({"cc": ["ana@example.com"]}, ("duplicate", "cc.0")),
        ({"subject": "Hi\r\nBcc: evil@x.test"}, ("invalid", "subject")),
        ({"subject": "Hi\u2028there"}, ("invalid", "subject")),
        ({"to_name": "Ana\nBcc: evil@x.test"}, ("invalid", "to_name")),
        ({"headers": {"X-A\r\nBcc": "evil@x.test"}}, ("invalid", "headers")),
        ({"headers": {"X-A": "1\nBcc: evil@x.test"}}, ("invalid", "headers.X-A")),
        ({"headers": {"Bcc": "evil@x.test"}}, ("invalid", "headers")),
        ({"reply_to": ["bad"]}, ("invalid", "reply_to.0")),
        ({"subject": ""}, ("required", "subject")),
        ({"text": ""}, ("required", "html")),
        ({"priority": "urgent"}, ("invalid_choice", "priority")),
        ({"tags": "orders"}, ("not_a_list", "tags")),
        ({"metadata": []}, ("not_a_dict", "metadata")),
        ({"send_at": "tomorrow"}, ("invalid", "send_at")),
        ({"send_at": "2100-01-01T00:00:00Z"}, ("invalid", "send_at")),
        ({"track_opens": "yes"}, ("invalid", "track_opens")),
        ({"status": "sent"}, ("unknown_field", "status")),
        ({"text": "a\u0000b"}, ("null_characters_not_allowed", "text")),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_field(api, account, changes, expected):
    response = api.post(URL, plain(account, **changes))

    assert refusal(response) == expected
    assert not EmailLog.objects.exists()


@pytest.mark.parametrize(
    ("changes", "attr"),
    [
        ({"content": "not base64!"}, "attachments.0.content"),
        ({"filename": "a\r\nb.txt"}, "attachments.0.filename"),
        ({"filename": "../"}, "attachments.0.filename"),
        ({"content_type": "text"}, "attachments.0.content_type"),
        ({"content_id": "a\nb"}, "attachments.0.content_id"),
    ],
)
def test_a_bad_attachment_is_refused_with_its_field(api, account, changes, attr):
    file = {"filename": "a.txt", "content": "YQ==", "content_type": "text/plain"} | changes

    response = api.post(URL, plain(account, attachments=[file]))

    assert refusal(response) == ("invalid", attr)
    assert not EmailLog.objects.exists()


def test_a_message_over_25_mb_is_refused(api, account):
    file = {"filename": "a.bin", "content": base64.b64encode(b"x" * 19_500_000).decode()}

    response = api.post(URL, plain(account, attachments=[file]))

    assert refusal(response) == ("too_large", "attachments")


def test_a_missing_variable_is_named(api, account, template):
    request = {"template_id": "order", "from_account": account.pk, "to_address": "a@example.com"}

    response = api.post(URL, request | {"variables": {"name": "Ana"}})

    assert refusal(response) == ("missing_variable", "variables.number")


def test_a_line_break_in_a_rendered_subject_is_refused(api, account, template):
    request = {"template_id": "order", "from_account": account.pk, "to_address": "a@example.com"}
    variables = {"name": "Ana", "number": "1\r\nBcc: evil@x.test"}

    response = api.post(URL, request | {"variables": variables})

    assert refusal(response)[0] == "invalid"
    assert not EmailLog.objects.exists()


def test_inactive_templates_accounts_and_domains_send_nothing(api, account, template):
    request = {
        "template_id": "order",
        "from_account": account.email_address,
        "to_address": "a@example.com",
        "variables": {"number": 1, "name": "Ana"},
    }
    template.is_active = False
    template.save()
    by_template = refusal(api.post(URL, request))
    account.domain.is_active = False
    account.domain.save()
    by_domain = refusal(api.post(URL, plain(account)))
    account.domain.is_active = True
    account.domain.save()
    account.is_active = False
    account.save()
    by_account = refusal(api.post(URL, plain(account)))

    assert by_template == ("inactive", "template_id")
    assert by_domain == by_account == ("inactive", "from_account")


def test_a_suppressed_recipient_is_refused_by_field(api, tenant, account):
    suppress("Ana@Example.com", tenant=tenant)
    suppress("rui@example.com", tenant=tenant)

    response = api.post(URL, plain(account, cc=["x@example.com", "rui@example.com"]))

    assert refusal(response) == ("suppressed", "to_address")
    assert [error["attr"] for error in response.json()["errors"]] == ["to_address", "cc.1"]


def test_a_topic_refuses_only_its_own_mail(api, tenant, account):
    make_template(tenant, "news", template_type="newsletter")
    make_template(tenant, "order", template_type="orders")
    suppress("ana@example.com", tenant=tenant, topic="newsletter")
    request = {
        "from_account": account.pk,
        "to_address": "ana@example.com",
        "variables": {"number": 1, "name": "Ana"},
    }

    news = api.post(URL, request | {"template_id": "news"})
    order = api.post(URL, request | {"template_id": "order"})

    assert refusal(news) == ("suppressed", "to_address")
    assert order.status_code == 202


def test_an_expired_suppression_lets_mail_through(api, tenant, account):
    past = timezone.now() - timedelta(minutes=1)
    Suppression.objects.create(
        tenant=tenant, address="ana@example.com", reason="soft_bounces", expires_at=past
    )

    assert api.post(URL, plain(account)).status_code == 202


def test_another_tenants_account_and_template_do_not_exist(other_api, account, template):
    by_account = refusal(other_api.post(URL, plain(account)))
    request = {"template_id": template.pk, "to_address": "a@example.com", "variables": {}}
    by_template = refusal(other_api.post(URL, request))

    assert by_account == ("not_found", "from_account")
    assert by_template == ("not_found", "template_id")


def test_another_tenants_suppression_refuses_nothing_here(api, other_tenant, account):
    suppress("ana@example.com", tenant=other_tenant)

    assert api.post(URL, plain(account)).status_code == 202


def test_the_same_key_and_body_send_once(api, account):
    first = api.post(URL, plain(account), headers={"Idempotency-Key": "order-1"})
    again = api.post(URL, plain(account), headers={"Idempotency-Key": "order-1"})
    other = api.post(URL, plain(account, text="x"), headers={"Idempotency-Key": "order-1"})

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert EmailLog.objects.count() == 1


def test_a_message_takes_few_statements(api, account, template, django_assert_num_queries):
    body = {"template_id": template.slug, "from_account": account.email_address}
    body |= {"to_address": "ana@example.com", "variables": {"number": "A-1", "name": "Ana"}}
    assert api.post(URL, body).status_code == 202  # notes the key's use and reads the version

    with django_assert_num_queries(8 + 2):  # and where the transaction begins and ends
        response = api.post(URL, body, headers={"Idempotency-Key": "k"})

    assert response.status_code == 202


@pytest.mark.django_db(transaction=True)
def test_50_requests_at_once_with_one_key_make_one_message(tenant, account):
    from conftest import client_of

    client, together = client_of(tenant), Barrier(10)

    def ask(number: int) -> tuple[int, bytes]:
        try:
            if number < 10:
                together.wait(timeout=30)
            answer = client.post(URL, plain(account, tags=["a"]), headers={"Idempotency-Key": "k"})
            return answer.status_code, answer.content
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(ask, range(50)))

    assert {status for status, _ in answers} <= {202, 409}
    assert len({content for status, content in answers if status == 202}) == 1
    assert [EmailLog.objects.count(), EmailContent.objects.count(), EmailTag.objects.count()] == [
        1,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        (lambda: APIKey.objects.update(revoked_at=timezone.now()), 401),
        (lambda: APIKey.objects.update(expires_at=timezone.now()), 401),
        (lambda: Tenant.objects.update(is_active=False), 401),
        (lambda: EmailAccount.objects.update(is_active=False), 422),
        (lambda: Domain.objects.update(is_active=False), 422),
        (lambda: EmailTemplate.objects.update(is_active=False), 422),
    ],
)
def test_what_another_process_stops_is_stopped_at_the_next_request(
    api, account, template, stop, status
):
    body = {"template_id": template.slug, "from_account": account.email_address}
    body |= {"to_address": "ana@example.com", "variables": {"number": "A-1", "name": "Ana"}}
    assert api.post(URL, body).status_code == 202

    stop()

    assert api.post(URL, body).status_code == status


def test_a_key_of_another_tenants_domain_reaches_nothing(other_tenant, other_api, account):
    mine = make_account(make_domain(other_tenant))

    answer = other_api.post(URL, plain(mine)).json()

    assert answer["from_address"] == mine.email_address


def test_reading_keys_may_not_send(tenant, account):
    from conftest import client_of

    client = client_of(tenant, scopes=["emails:read"])

    assert client.post(URL, plain(account)).status_code == 403
