"""What a tenant keeps no longer goes, in time and in small steps; figures stay."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

import inbox.retention
import logs.retention
from ai_triage.models import TriageResult
from ai_triage.tests.counted import a_result
from conftest import client_of
from inbox.models import InboundEmail
from inbox.services import receive
from inbox.tests.mails import a_mail
from logs import afterwards, transitions
from logs.afterwards import Report
from logs.models import Attachment, EmailContent, EmailEvent, EmailLog, EventType
from logs.models.content import attachment_storage
from logs.tests.builders import an_email
from sendcraft_project import retention
from tenants.models import Membership

pytestmark = pytest.mark.django_db
PERIOD = f"start_date=2026-01-01&end_date={date.today() + timedelta(days=1)}"
DELIVERY = f"/api/v1/analytics/delivery?{PERIOD}&group_by=day"
SUMMARY = f"/api/v1/analytics/summary?{PERIOD}"


@pytest.fixture
def keeps_30_days(tenant):
    tenant.content_days, tenant.event_days = 30, 60
    tenant.save()
    return tenant


def old(email: EmailLog, *, days: int = 31) -> EmailLog:
    EmailContent.objects.filter(pk=email.content_id).update(created_at=ago(days))
    return email


def ago(days: int):
    return timezone.now() - timedelta(days=days)


def a_sent_email(tenant, *, days: int = 31, **fields) -> EmailLog:
    given = {
        "status": "sent",
        "queued_at": ago(days),
        "sent_at": ago(days),
        "next_attempt_at": None,
    }
    return old(an_email(tenant, **{**given, **fields}), days=days)


def attached(email: EmailLog, data: bytes = b"bill") -> Path:
    """The path of a file that goes with the message, as if it lay there for long."""
    name = attachment_storage().keep(f"{email.tenant_id}/ab/{data.hex()}", data)
    Attachment.objects.create(
        part_of=email.content, filename="bill.pdf", content_type="application/pdf",
        size_bytes=len(data), sha256="ab", path=name,
    )  # fmt: skip
    return aged(attachment_storage().path(name))


def aged(path) -> Path:
    then = time.time() - 3600
    os.utime(path, (then, then))
    return Path(path)


def removed(**expected) -> None:
    found = retention.remove_expired(at=timezone.now())
    assert {name: count for name, count in found.items() if count} == expected


def test_an_old_content_goes_with_its_files_and_the_message_stays(keeps_30_days, api):
    content = {"variables": {"a": 1}, "headers": [["X-A", "1"]], "html": "<p>Ana</p>"}
    email = a_sent_email(keeps_30_days, content=content, own_variables={"name": "Ana"})
    file = attached(email)
    young = a_sent_email(keeps_30_days, days=29)

    removed(contents=1)

    gone = EmailContent.objects.get(pk=email.content_id)
    assert (gone.subject, gone.html, gone.text) == ("", "", "")
    assert (gone.variables, gone.headers, gone.removed_at is not None) == ({}, [], True)
    assert not file.exists()
    email.refresh_from_db()
    assert (email.own_variables, email.subject, email.to_address) == ({}, "Hi", "ana@example.com")
    assert api.get(f"/api/v1/logs/{email.tracking_id}").status_code == 200
    assert api.get(f"/api/v1/logs/{young.tracking_id}/content").status_code == 200
    removed()


def test_what_was_removed_is_410_and_the_admin_says_so(keeps_30_days, api, other_api):
    email = a_sent_email(keeps_30_days)
    removed(contents=1)

    answer = api.get(f"/api/v1/logs/{email.tracking_id}/content")

    assert answer.status_code == 410
    assert answer.json() == {
        "type": "client_error",
        "errors": [
            {"code": "gone", "detail": "The content of this message was removed.", "attr": None}
        ],
    }
    assert other_api.get(f"/api/v1/logs/{email.tracking_id}/content").status_code == 404
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    page = client.get(f"/admin/logs/emaillog/{email.pk}/change/").content.decode()
    assert "What this message said was removed." in page
    assert client.get(f"/admin/logs/emaillog/{email.pk}/html/").status_code == 404


def test_a_message_without_content_is_not_sent_again(keeps_30_days, api):
    email = a_sent_email(keeps_30_days, status="failed", sent_at=None)
    removed(contents=1)

    refused = api.post(f"/api/v1/logs/{email.tracking_id}/retry")

    assert refused.status_code == 409
    assert refused.json()["errors"][0]["code"] == "gone"
    email.refresh_from_db()
    assert email.status == "failed"


@pytest.mark.parametrize("is_bulk", [True, False])
@pytest.mark.parametrize("status", ["queued", "sending"])
def test_what_may_still_go_out_stays_whole(keeps_30_days, status, is_bulk):
    content = EmailContent.objects.create(tenant=keeps_30_days, is_bulk=is_bulk, text="Hello")
    done = a_sent_email(keeps_30_days, own_variables={"name": "Ana"})
    waiting = an_email(keeps_30_days, status=status, own_variables={"name": "Rui"})
    EmailLog.objects.filter(pk__in=[done.pk, waiting.pk]).update(content=content)
    old(EmailLog.objects.get(pk=done.pk), days=90)
    EmailContent.objects.exclude(pk=content.pk).delete()
    EmailEvent.objects.create(tenant=keeps_30_days, email=waiting, type="deferred", at=ago(70))
    EmailEvent.objects.create(tenant=keeps_30_days, email=done, type="sent", at=ago(70))

    removed(events=1)

    assert EmailEvent.objects.get().email == waiting
    done.refresh_from_db()
    assert done.own_variables == {"name": "Ana"}
    EmailLog.objects.filter(pk=waiting.pk).update(status="sent")
    removed(contents=1, events=1)
    assert list(EmailLog.objects.values_list("own_variables", flat=True)) == [{}, {}]


def test_a_file_that_several_messages_share_goes_with_the_last_of_them(keeps_30_days):
    first, second = a_sent_email(keeps_30_days), a_sent_email(keeps_30_days, days=1)
    file = attached(first)
    attached(second)

    removed(contents=1)
    assert file.read_bytes() == b"bill"
    old(second)
    removed(contents=1)

    assert not file.exists()


def test_old_events_go_and_younger_ones_stay(keeps_30_days, other_tenant):
    for tenant in (keeps_30_days, other_tenant):
        email = a_sent_email(tenant, days=1)
        for days in (61, 200, 59):
            EmailEvent.objects.create(tenant=tenant, email=email, type="opened", at=ago(days))

    removed(events=2)

    assert EmailEvent.objects.filter(tenant=keeps_30_days).count() == 1
    assert EmailEvent.objects.filter(tenant=other_tenant).count() == 3


def test_more_than_a_batch_goes_in_one_run(keeps_30_days, monkeypatch):
    for module in (logs.retention, inbox.retention):
        monkeypatch.setattr(module, "BATCH", 3)
    for _number in range(8):
        email = a_sent_email(keeps_30_days)
        EmailEvent.objects.create(tenant=keeps_30_days, email=email, type="sent", at=ago(90))

    removed(contents=8, events=8)


def test_a_run_stops_when_its_time_is_over_and_the_next_goes_on(keeps_30_days, monkeypatch):
    monkeypatch.setattr(logs.retention, "BATCH", 3)
    for _number in range(8):
        a_sent_email(keeps_30_days)

    with monkeypatch.context() as patched:
        patched.setattr(retention, "SECONDS", 0)
        removed(contents=3)
    removed(contents=5)


def test_a_run_that_was_cut_off_is_finished_by_the_next(keeps_30_days, monkeypatch):
    email = a_sent_email(keeps_30_days, own_variables={"name": "Ana"})
    file = attached(email)

    def dying(contents):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(logs.retention, "_empty_messages", dying)
        with pytest.raises(SystemExit):
            retention.remove_expired(at=timezone.now())
    assert EmailContent.objects.get().removed_at is not None

    removed(contents=1)

    email.refresh_from_db()
    assert email.own_variables == {}
    assert not file.exists()


def test_old_inbound_mail_is_emptied_with_its_raw_file_and_its_triage(keeps_30_days):
    mail = receive(a_mail("My number is 912345678"), tenant=keeps_30_days, at=ago(31))
    young = receive(a_mail("Hello", Message_ID="<q2@example.com>"), tenant=keeps_30_days, at=ago(2))
    raw = aged(attachment_storage().path(mail.raw_path))
    TriageResult.objects.all().delete()
    done = a_result(keeps_30_days, body="912345678", raw_answer="{}", suggested_body="Hi",
                    cache_key="x", inbound=mail)  # fmt: skip
    waiting = a_result(keeps_30_days, body="912345678", status="queued")
    TriageResult.objects.update(created_at=ago(31))

    removed(inbound=1, triage=1)

    mail.refresh_from_db()
    assert (mail.text, mail.reply_text, mail.html_text) == ("", "", "")
    assert (mail.subject, mail.kind, mail.removed_at is not None) == ("My order", "human", True)
    assert not raw.exists()
    done.refresh_from_db()
    assert (done.body, done.reason, done.suggested_body, done.raw_answer) == ("", "", "", "")
    assert (done.cache_key, done.decision) == ("", "respond")
    waiting.refresh_from_db()
    assert waiting.body == "912345678"
    young.refresh_from_db()
    assert young.text == "Hello"
    assert young.read_raw()
    removed()


def test_a_removed_mail_that_comes_again_stays_removed(keeps_30_days, admin_client):
    mail = receive(a_mail(), tenant=keeps_30_days, at=ago(31))
    raw = aged(attachment_storage().path(mail.raw_path))
    TriageResult.objects.all().delete()
    removed(inbound=1)

    again = receive(a_mail(), tenant=keeps_30_days, at=ago(0))
    page = admin_client.get(f"/admin/inbox/inboundemail/{mail.pk}/change/").content.decode()

    assert (again.pk, again.text) == (mail.pk, "")
    assert not raw.exists()
    assert f"/admin/inbox/inboundemail/{mail.pk}/raw/" not in page
    assert admin_client.get(f"/admin/inbox/inboundemail/{mail.pk}/raw/").status_code == 404


def test_a_mail_that_comes_by_another_way_leaves_no_second_file(tenant):
    first = receive(a_mail(), tenant=tenant, at=ago(1))
    other = b"Received: from elsewhere\r\n" + a_mail()
    digest = sha256(other).hexdigest()

    second = receive(other, tenant=tenant, at=ago(0))

    assert second.pk == first.pk
    assert not attachment_storage().exists(f"{tenant.pk}/inbound/{digest[:2]}/{digest}")


def test_the_raw_mail_of_live_and_test_goes_with_the_last(keeps_30_days):
    live = receive(a_mail(), tenant=keeps_30_days, at=ago(31))
    receive(a_mail(), tenant=keeps_30_days, at=ago(2), mode="test")
    raw = aged(attachment_storage().path(live.raw_path))
    TriageResult.objects.all().delete()

    removed(inbound=1)
    assert raw.exists()
    InboundEmail.objects.update(received_at=ago(40))
    removed(inbound=1)

    assert not raw.exists()


def test_figures_stay_whatever_is_removed(keeps_30_days, api):
    email = a_sent_email(keeps_30_days, days=90, opens_count=1)
    report = Report(EventType.BOUNCED, "ana@example.com", at=ago(89))
    afterwards.note(email, report)
    a_result(keeps_30_days, processed_at=ago(90))
    TriageResult.objects.update(created_at=ago(90))
    before = api.get(DELIVERY).json(), api.get(SUMMARY).json()
    assert before[0]["totals"]["bounced"] == before[0]["totals"]["opened"] == 1

    removed(contents=1, events=1, triage=1)

    assert (api.get(DELIVERY).json(), api.get(SUMMARY).json()) == before


@pytest.mark.parametrize("path", ["process", "process?async=true", "process?force=true", "batch"])
def test_a_failed_mail_whose_text_went_is_judged_by_what_is_handed_in_again(
    keeps_30_days, api, path
):
    mail = {
        "email_id": "m1", "from": "ana@example.com", "to": "support@shop.test",
        "subject": "Delivery", "body": "Where is my order? Could you please check the delivery?",
        "received_at": "2026-01-15T10:30:00Z",
    }  # fmt: skip
    assert api.post("/api/v1/emails/process", mail, format="json").status_code == 200
    TriageResult.objects.update(status="failed", created_at=ago(31))
    removed(triage=1)

    if path == "batch":
        api.post("/api/v1/emails/process-batch", {"emails": [mail]}, format="json")
    else:
        api.post(f"/api/v1/emails/{path}", mail, format="json")

    row = TriageResult.objects.get()
    assert (row.body, row.removed_at) == (mail["body"], None)
    assert row.status in ("completed", "queued")


@pytest.mark.django_db(transaction=True)
def test_a_removal_waits_for_a_retry_and_then_leaves_the_content(keeps_30_days):
    email = a_sent_email(keeps_30_days, status="failed", sent_at=None)

    def remove() -> dict[str, int]:
        try:
            return retention.remove_expired(at=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            transitions.retry(email, at=timezone.now())
            removal = pool.submit(remove)
            with pytest.raises(TimeoutError):
                removal.result(timeout=1)
        assert removal.result()["contents"] == 0

    email.refresh_from_db()
    assert (email.status, email.content.text) == ("queued", "Hello")


def test_a_tenant_that_keeps_all_keeps_all(tenant):
    email = a_sent_email(tenant, days=900)
    EmailEvent.objects.create(tenant=tenant, email=email, type="sent", at=ago(900))

    removed()


def test_an_owner_sets_what_is_kept_and_an_admin_does_not(tenant):
    def save(role):
        user = User.objects.create_user(role, is_staff=True)
        Membership.objects.create(tenant=tenant, user=user, role=role)
        client = Client()
        client.force_login(user)
        given = {"name": "Shop", "language": "pt", "timezone": "Europe/Lisbon",
                 "private_tracking": "on", "content_days": "90", "event_days": "400"}  # fmt: skip
        return client.post(f"/admin/tenants/tenant/{tenant.pk}/change/", given).status_code

    assert save("admin") == 403
    assert save("owner") == 302
    tenant.refresh_from_db()
    assert (tenant.content_days, tenant.event_days, tenant.private_tracking) == (90, 400, True)


@pytest.mark.parametrize("field", ["content_days", "event_days"])
def test_more_days_than_the_calendar_has_are_refused(tenant, admin_client, field):
    given = {"name": "Shop", "slug": "shop", "language": "pt", "timezone": "Europe/Lisbon",
             "content_days": "", "event_days": "", field: "4000000"}  # fmt: skip

    page = admin_client.post(f"/admin/tenants/tenant/{tenant.pk}/change/", given)

    assert page.context["adminform"].form.errors == {
        field: ["Ensure this value is less than or equal to 36500."]
    }
    assert (removed(), tenant.content_days, tenant.event_days) == (None, None, None)


def test_another_tenants_key_learns_nothing(keeps_30_days, other_tenant):
    email = a_sent_email(keeps_30_days)
    removed(contents=1)

    foreign = client_of(other_tenant).get(f"/api/v1/logs/{email.tracking_id}/content")
    nobody = client_of(other_tenant).get(
        "/api/v1/logs/00000000-0000-0000-0000-000000000000/content"
    )
    assert foreign.json() == nobody.json()
