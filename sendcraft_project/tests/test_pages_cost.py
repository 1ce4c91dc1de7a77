"""What staff open all day asks as little of the database with many rows as with few."""

from __future__ import annotations

import itertools

import pytest
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import EmailAccount
from ai_triage.tests.counted import a_result
from delivery.models import SendBatch, Suppression
from inbox import services
from inbox.tests.mails import a_mail
from logs.models import EmailEvent
from logs.tests.builders import an_account, an_email
from tenants.models import Role
from tests.factories import make_template
from tests.staff import staff
from webhooks.tests.telling import endpoint_at, tell

pytestmark = pytest.mark.django_db
numbers = itertools.count(1)
EMAILS, TRIAGE = "/admin/logs/emaillog/", "/admin/ai_triage/triageresult/"
PAGES = [
    "/admin/",
    EMAILS,
    f"{EMAILS}?p=2",
    f"{EMAILS}?status__exact=sent",
    f"{EMAILS}?queued_at_from=2026-03-01&queued_at_to=2026-03-02",
    f"{EMAILS}?q=ana@example.com",
    f"{EMAILS}?q=hi",
    "/admin/delivery/sendbatch/",
    "/admin/delivery/sendingqueue/",
    "/admin/delivery/suppression/",
    "/admin/delivery/suppression/?q=ana",
    "/admin/logs/dailyfigures/",
    f"{TRIAGE}inbox/",
    TRIAGE,
    f"{TRIAGE}?state=all&q=ana",
    "/admin/inbox/inboundemail/",
    "/admin/webhooks/webhookdelivery/",
    "/admin/auditlog/logentry/",
    "/admin/tenants/backgroundjob/",
]
"""Those of messages are explained in ``logs/tests/test_searching.py``."""
GROWING = (
    *("logs_emaillog", "logs_emailevent", "logs_emailtag", "delivery_suppression"),
    *("delivery_sendbatch", "webhooks_webhookdelivery", "inbox_inboundemail"),
    *("ai_triage_triageresult", "auditlog_logentry"),
)


def grow(tenant, count: int) -> None:
    """Let so much happen in the tenant that every list gets longer."""
    account = an_account(tenant)
    for number in itertools.islice(numbers, count):
        status = "sent" if number % 2 else "queued"
        email = an_email(tenant, account=account, status=status, tags=["news"])
        EmailEvent.objects.create(tenant=tenant, email=email, type="sent", at=email.queued_at)
        Suppression.objects.create(
            tenant=tenant, address=f"ana{number}@example.com", reason="manual", source=email
        )
        template = make_template(tenant, f"news{number}")
        SendBatch.objects.create(tenant=tenant, template=template, accepted=1)
        services.receive(
            a_mail().replace(b"Subject: ", f"Subject: {number} ".encode()),
            tenant=tenant,
            at=timezone.now(),
        )
        a_result(tenant, needs_review=bool(number % 2))
        LogEntry.objects.create(
            content_type=ContentType.objects.get_for_model(EmailAccount),
            object_pk=account.pk,
            object_id=account.pk,
            object_repr=str(account),
            action=LogEntry.Action.UPDATE,
            changes={"limit_per_hour": ["1", "2"]},
            additional_data={"tenant": tenant.pk},
        )
    tell(tenant, count)


@pytest.fixture(params=["owner", "superuser"])
def person(request, tenant, client, django_user_model):
    if request.param == "owner":
        return staff(tenant, Role.OWNER)
    client.force_login(django_user_model.objects.create_superuser("root"))
    return client


def asked(person, page: str) -> list[str]:
    with CaptureQueriesContext(connection) as seen:
        assert person.get(page).status_code == 200
    return [query["sql"] for query in seen]


def test_no_page_asks_more_the_more_there_is(person, tenant, other_tenant):
    for one in (tenant, other_tenant):
        endpoint_at(f"https://hooks.{one.slug}.example/", tenant=one)
        grow(one, 2)
    few = {page: asked(person, page) and asked(person, page) for page in PAGES}

    for one in (tenant, other_tenant):
        grow(one, 8)
    many = {page: asked(person, page) and asked(person, page) for page in PAGES}

    assert {page: len(queries) for page, queries in many.items()} == {
        page: len(queries) for page, queries in few.items()
    }


def test_no_list_counts_a_table_that_only_grows(person, tenant):
    endpoint_at("https://hooks.shop.example/", tenant=tenant)
    grow(tenant, 2)

    counting = [
        (page, sql)
        for page in PAGES
        for sql in asked(person, page)
        if "COUNT(" in sql and "LIMIT" not in sql and any(table in sql for table in GROWING)
    ]

    # The figures of a day with few messages: bounded where they are counted.
    assert [found for found in counting if "GROUP BY" not in found[1]] == []
