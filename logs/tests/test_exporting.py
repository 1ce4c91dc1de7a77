"""Messages written to a file as a job."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from logs import exporting
from logs.exporting import start_export
from logs.models import EmailLog
from logs.tests.builders import NOON, an_account, an_email
from logs.tests.test_admin import LIST
from tenants import background
from tenants.background import job_storage, output_paths
from tenants.models import BackgroundJob, JobStatus
from tests.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)
EXPORT = f"{LIST}export/"


def exported(tenant, **filters) -> list[dict[str, str]]:
    job = start_export(tenant=tenant, created_by=None, filters=filters)
    background.work_off()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE, job.error
    return rows_of(job)


def rows_of(job) -> list[dict[str, str]]:
    data = b"".join(job_storage().open(path).read() for path in output_paths(job))
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def test_each_message_is_a_row_with_what_became_of_it(tenant):
    email = an_email(
        tenant, status="bounced", error_message="550 no such user", subject="=1+1", opens_count=2
    )

    (row,) = exported(tenant)

    assert row["tracking_id"] == str(email.tracking_id)
    assert (row["status"], row["to_address"]) == ("bounced", "ana@example.com")
    assert row["account"] == "orders@shop.test"
    assert row["subject"] == "'=1+1"
    assert row["queued_at"] == "2026-03-01T12:00:00+00:00"
    assert row["sent_at"] == ""
    assert row["opens_count"] == "2"


def test_the_filters_narrow_it_down(tenant):
    other = an_account(tenant, "news@shop.test")
    an_email(tenant, subject="plain")
    an_email(tenant, subject="bounced", status="bounced")
    an_email(tenant, subject="test", mode="test")
    an_email(tenant, subject="news", account=other)
    an_email(tenant, subject="tagged", tags=["spring", "sale"])
    late = an_email(tenant, subject="late one", queued_at=NOON + timedelta(days=1))

    def subjects(**filters) -> list[str]:
        return [row["subject"] for row in exported(tenant, **filters)]

    assert subjects(status="bounced") == ["bounced"]
    assert subjects(mode="test") == ["test"]
    assert subjects(tag="spring") == ["tagged"]
    assert subjects(account=other.pk) == ["news"]
    assert subjects(queued_after=(NOON + timedelta(hours=1)).isoformat()) == ["late one"]
    assert subjects(search="one late") == ["late one"]
    assert subjects(search=str(late.tracking_id)) == ["late one"]
    assert len(subjects(queued_before=(NOON + timedelta(hours=1)).isoformat())) == 5


def test_another_tenants_messages_are_never_in_it(tenant, other_tenant):
    an_email(tenant, subject="Ours")
    an_email(other_tenant, subject="Theirs")

    assert [row["subject"] for row in exported(tenant)] == ["Ours"]


def test_a_file_of_many_parts_has_each_message_once(tenant, monkeypatch):
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 2)
    for number in range(4):
        an_email(tenant, subject=f"number {number}")

    rows = exported(tenant)

    assert [row["subject"] for row in rows] == [f"number {number}" for number in range(4)]
    job = BackgroundJob.objects.get()
    assert (job.total, job.done, job.output_parts) == (4, 4, 3)


def test_what_is_accepted_meanwhile_is_for_the_next_one(tenant, monkeypatch):
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 1)
    an_email(tenant, subject="before")
    count = exporting._count

    def and_one_comes(run) -> None:
        count(run)
        an_email(tenant, subject="meanwhile")

    monkeypatch.setattr(exporting, "_count", and_one_comes)

    assert [row["subject"] for row in exported(tenant)] == ["before"]


# The page that asks


def asked(client, tenant, **fields):
    return client.post(EXPORT, {"tenant": tenant.pk, **fields})


def test_an_editor_exports_what_the_list_shows(tenant):
    client = staff(tenant, "editor")
    an_email(tenant, subject="wanted", status="bounced")
    an_email(tenant, subject="other")
    shown = client.get(LIST, {"status__exact": "bounced"}).content.decode()
    assert f'href="{EXPORT}?status__exact=bounced"' in shown
    form = client.get(EXPORT, {"status__exact": "bounced"}).content.decode()
    assert '<option value="bounced" selected>' in form

    response = asked(client, tenant, status="bounced", first_day="2026-03-01")

    job = BackgroundJob.objects.get()
    assert response["Location"] == f"/admin/tenants/backgroundjob/{job.pk}/change/"
    background.work_off()
    job.refresh_from_db()
    assert [row["subject"] for row in rows_of(job)] == ["wanted"]
    assert job.created_by.username == "editor-shop"


def test_asking_for_the_page_starts_nothing(tenant):
    staff(tenant, "editor").get(EXPORT, {"status__exact": "bounced"})

    assert not BackgroundJob.objects.exists()


def test_a_viewer_is_offered_no_export_and_gets_none(tenant):
    client = staff(tenant, "viewer")

    assert EXPORT not in client.get(LIST).content.decode()
    assert client.get(EXPORT).status_code == 403
    assert asked(client, tenant).status_code == 403
    assert not BackgroundJob.objects.exists()


def test_nobody_exports_from_a_tenant_that_is_not_theirs(tenant, other_tenant):
    stranger = staff(other_tenant, "owner")
    ours = an_account(tenant)

    theirs = asked(stranger, tenant).content.decode()
    asked(stranger, other_tenant, account=ours.pk)

    assert not BackgroundJob.objects.exists()
    assert ours.email_address not in theirs
    assert EmailLog.objects.count() == 0


def test_days_the_wrong_way_round_are_refused_on_the_page(tenant):
    client = staff(tenant, "editor")

    response = asked(client, tenant, first_day="2026-03-02", last_day="2026-03-01")

    assert "The first day is after the last." in response.content.decode()
    assert not BackgroundJob.objects.exists()
