"""What a page of a long list reads to show a few rows: MariaDB and MySQL count that."""

from __future__ import annotations

from uuid import UUID

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.db.models import CharField, OneToOneField, UUIDField
from django.utils import timezone

from ai_triage.models import TriageResult
from common.ids import uuid7
from delivery.models import SendBatch, Suppression
from sendcraft_project.tests.test_pages_cost import TRIAGE, grow
from tenants.models import Role
from tests.staff import staff
from webhooks.models import WebhookDelivery
from webhooks.tests.telling import endpoint_at

MANY = (Suppression, WebhookDelivery, TriageResult, LogEntry, SendBatch)
LISTS = [
    "/admin/delivery/sendbatch/",
    "/admin/delivery/suppression/",
    "/admin/webhooks/webhookdelivery/",
    f"/admin/webhooks/webhookdelivery/?q={UUID(int=7)}",
    f"{TRIAGE}?state=all",
    "/admin/auditlog/logentry/",
]


@pytest.mark.django_db(transaction=True)
def test_no_list_reads_many_rows_to_show_few(tenant, other_tenant, admin_client):
    for one in (tenant, other_tenant):
        endpoint_at(f"https://hooks.{one.slug}.example/", tenant=one)
        grow(one, 1)
    for model in MANY:
        multiply(model, 3_000)
    TriageResult.objects.update(reviewed_at=timezone.now())  # what waits has a count of its own
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE TABLE {', '.join(model._meta.db_table for model in MANY)}")
        cursor.fetchall()

    people = {"owner": staff(tenant, Role.OWNER), "superuser": admin_client}
    for page in LISTS:
        for name, person in people.items():
            person.get(page)
            assert rows_read(person, page) < 2_000, (page, name)


def multiply(model, count: int) -> None:
    """Store copies of the table's rows, each tenant's in its turn."""
    patterns = list(model.objects.order_by("pk"))
    unique = {name for fields in model._meta.unique_together for name in fields}
    unique |= {name for one in model._meta.total_unique_constraints for name in one.fields}
    copies = []
    for number in range(count):
        pattern = patterns[number % len(patterns)]
        copy = model(**{f.attname: getattr(pattern, f.attname) for f in model._meta.fields})
        copy.pk = None
        for field in model._meta.fields:
            if field.unique and isinstance(field, UUIDField):
                setattr(copy, field.attname, uuid7())
            elif field.name in unique and isinstance(field, CharField) and not field.choices:
                setattr(copy, field.attname, f"{number}-{getattr(copy, field.attname)}"[:64])
            elif isinstance(field, OneToOneField):
                setattr(copy, field.attname, None)
        copies.append(copy)
    model.objects.bulk_create(copies, batch_size=500)


def rows_read(person, page: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("FLUSH STATUS")
        assert person.get(page).status_code == 200
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(number) for _name, number in cursor.fetchall())
