"""Many messages are sent again or cancelled as a job."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection

from logs import changing
from logs.models import EmailEvent, EmailLog, EmailStatus
from logs.tests.builders import NOON, an_account, an_email
from tenants import background
from tenants.models import BackgroundJob, Membership
from tests.staff import staff, worked_off

pytestmark = pytest.mark.django_db
LIST = "/admin/logs/emaillog/"
MANY = f"{LIST}many/"


def asked(client, tenant, change, **fields):
    """Start the job: what the page's second step sends."""
    return client.post(MANY, {"tenant": tenant.pk, "change": change, "sure": "yes", **fields})


def chosen(client, verb, *emails):
    keys = [email.pk for email in emails]
    return client.post(LIST, {"action": verb, "_selected_action": keys, "index": "0"})


def statuses(*emails) -> list[str]:
    found = EmailLog.objects.in_bulk()
    return [found[email.pk].status for email in emails]


@pytest.mark.parametrize(("verb", "kind"), [("retry", "queued"), ("cancel", "cancelled")])
def test_whoever_starts_the_job_is_named_in_each_messages_history(tenant, verb, kind):
    emails = [an_email(tenant) for _ in range(2)]

    worked_off(chosen(staff(tenant, "editor"), verb, *emails))

    events = EmailEvent.objects.order_by("email").values_list("email", "type", "data")
    assert list(events) == [(email.pk, kind, {"by": "editor-shop"}) for email in emails]


def test_of_a_user_who_is_gone_the_job_names_nobody(tenant):
    email = an_email(tenant)
    answer = chosen(staff(tenant, "editor"), "cancel", email)
    User.objects.all().delete()

    worked_off(answer)

    assert list(email.events.values_list("type", "data")) == [("cancelled", {})]


# All that match


def test_all_waiting_messages_of_an_account_are_cancelled_and_no_others(tenant):
    editor, other = staff(tenant, "editor"), an_account(tenant, "news@shop.test")
    waiting = [an_email(tenant, account=other) for _ in range(3)]
    left = [an_email(tenant), an_email(tenant, account=other, status="sent")]

    job = worked_off(asked(editor, tenant, "cancel", account=other.pk))

    assert (job.total, job.result) == (3, {"done": 3, "refused": 0})
    assert set(statuses(*waiting)) == {"cancelled"}
    assert statuses(*left) == ["queued", "sent"]
    assert EmailEvent.objects.filter(type="cancelled").count() == 3
    assert job.created_by.username == "editor-shop"


@pytest.mark.parametrize(("change", "touched"), [("again", ["queued", 0]), ("now", ["failed", 1])])
def test_failed_and_waiting_ones_are_sent_apart(tenant, change, touched):
    editor = staff(tenant, "editor")
    later = NOON + timedelta(days=99999)
    failed = an_email(tenant, status="failed", next_attempt_at=None)
    waiting = an_email(tenant, next_attempt_at=later, send_at=later)

    worked_off(asked(editor, tenant, change))

    failed.refresh_from_db()
    waiting.refresh_from_db()
    assert [failed.status, int(waiting.next_attempt_at < later)] == touched


def test_what_may_have_arrived_is_sent_again_only_where_that_is_asked_for(tenant):
    editor = staff(tenant, "editor")
    refused = an_email(tenant, status="failed", error_code="expired")
    unknown = an_email(tenant, status="failed", error_code="outcome_unknown")
    page = editor.get(MANY, {"status__exact": "failed"}).content.decode()
    assert "Also failed ones that may have arrived" in page
    assert not re.search(r'<input[^>]*name="unknown"[^>]* checked[ >]', page)

    job = worked_off(asked(editor, tenant, "again"))

    assert job.result == {"done": 1, "refused": 0}
    assert statuses(refused, unknown) == ["queued", "failed"]
    worked_off(asked(editor, tenant, "again", unknown="on"))
    assert statuses(unknown) == ["queued"]


def test_a_message_that_may_have_arrived_and_waits_is_cancelled_like_others(tenant):
    email = an_email(tenant, error_code="outcome_unknown", retry_count=1)

    worked_off(asked(staff(tenant, "editor"), tenant, "cancel"))

    assert statuses(email) == ["cancelled"]


def test_the_page_is_filled_in_with_what_the_list_shows_and_starts_nothing_by_itself(tenant):
    editor = staff(tenant, "editor")
    shown = editor.get(LIST, {"status__exact": "failed", "q": "drill"}).content.decode()
    assert f'href="{MANY}?status__exact=failed&amp;q=drill"' in shown

    form = editor.get(MANY, {"status__exact": "failed", "q": "drill"}).content.decode()

    assert '<option value="again" selected>' in form
    assert 'value="drill"' in form
    assert not BackgroundJob.objects.exists()


def test_before_it_begins_one_is_told_how_many_it_is_about(tenant, other_tenant):
    editor = staff(tenant, "editor")
    waiting = [an_email(tenant, tags=["news"], queued_at=NOON) for _ in range(2)]
    left = [an_email(tenant), an_email(other_tenant, tags=["news"])]
    given = {"tenant": tenant.pk, "change": "cancel", "tag": "news", "first_day": "2026-03-01"}

    asks = editor.post(MANY, given).content.decode()

    assert "2 messages fit what was chosen." in asks
    assert "news" in asks
    assert "1 Mar 2026" in asks
    assert not BackgroundJob.objects.exists()
    fields = dict(re.findall(r'<input type="hidden" name="(?!csrf)(\w+)" value="([^"]*)">', asks))
    worked_off(editor.post(MANY, fields))
    assert statuses(*waiting, *left) == ["cancelled", "cancelled", "queued", "queued"]


def test_more_than_is_counted_is_told_so_and_none_starts_nothing(tenant, monkeypatch):
    monkeypatch.setattr(changing, "COUNTED", 2)
    editor = staff(tenant, "editor")
    for _ in range(3):
        an_email(tenant)

    many = editor.post(MANY, {"tenant": tenant.pk, "change": "now"}).content.decode()
    none = editor.post(MANY, {"tenant": tenant.pk, "change": "again"}).content.decode()

    assert "More than 2 messages fit what was chosen." in many
    assert "Start" in many
    assert "No message fits what was chosen." in none
    assert "Start" not in none


def test_what_to_do_must_be_chosen(tenant):
    answer = asked(staff(tenant, "editor"), tenant, "")

    assert answer.status_code == 200
    assert not BackgroundJob.objects.exists()


def test_a_viewer_is_offered_nothing_and_refused(tenant):
    viewer, email = staff(tenant, "viewer"), an_email(tenant)

    assert MANY not in viewer.get(LIST).content.decode()
    assert viewer.get(MANY).status_code == 403
    assert asked(viewer, tenant, "cancel").status_code == 403
    assert not BackgroundJob.objects.exists()
    assert statuses(email) == ["queued"]


def test_nobody_changes_the_messages_of_a_tenant_that_is_not_theirs(tenant, other_tenant):
    stranger, ours = staff(other_tenant, "owner"), an_email(tenant)

    answer = asked(stranger, tenant, "cancel")
    asked(stranger, other_tenant, "cancel", account=ours.account_id)

    assert answer.status_code == 200
    assert not BackgroundJob.objects.exists()


def test_those_with_the_lists_tag_are_changed_alone(tenant, other_tenant):
    editor = staff(tenant, "editor")
    tagged, left = an_email(tenant, tags=["spring sale"]), an_email(tenant, tags=["spring"])
    theirs = an_email(other_tenant, tags=["spring sale"])
    query = "tag=spring+sale"
    assert f'href="{MANY}?{query}"' in editor.get(f"{LIST}?{query}").content.decode()
    assert 'value="spring sale"' in editor.get(f"{MANY}?{query}").content.decode()

    worked_off(asked(editor, tenant, "cancel", tag="spring sale"))

    assert statuses(tagged, left, theirs) == ["cancelled", "queued", "queued"]


# Chosen ones


def test_messages_of_several_tenants_become_a_job_for_each(tenant, other_tenant, admin_client):
    emails = [an_email(tenant), an_email(other_tenant), an_email(tenant)]

    answer = chosen(admin_client, "cancel", *emails)

    assert answer["Location"] == "/admin/tenants/backgroundjob/"
    assert {job.tenant for job in BackgroundJob.objects.all()} == {tenant, other_tenant}
    for _ in range(2):
        background.work_off()
    assert set(statuses(*emails)) == {"cancelled"}


def test_what_counts_is_the_role_when_the_job_is_started(tenant):
    editor, email = staff(tenant, "editor"), an_email(tenant)
    chosen(editor, "cancel", email)
    Membership.objects.update(role="viewer")

    background.work_off()

    assert statuses(email) == ["cancelled"]
    chosen(editor, "cancel", an_email(tenant))
    assert BackgroundJob.objects.count() == 1


def test_a_stopped_job_leaves_the_rest_alone(tenant):
    editor, email = staff(tenant, "editor"), an_email(tenant)
    chosen(editor, "cancel", email)
    job = BackgroundJob.objects.get()

    editor.post(f"/admin/tenants/backgroundjob/{job.pk}/cancel/")
    background.work_off()

    assert statuses(email) == ["queued"]


@pytest.mark.django_db(transaction=True)
def test_a_message_is_sent_again_once_though_its_worker_is_killed(tenant):
    email = an_email(tenant, status="failed")
    root = User.objects.create_superuser("root")
    job = changing.start_change(
        changing.RETRY, tenant=tenant, created_by=root, filters={"status": EmailStatus.FAILED}
    )

    def die(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and "logs_emaillog" in sql:
            raise KeyboardInterrupt
        return result

    with connection.execute_wrapper(die), pytest.raises(KeyboardInterrupt):
        background.work_off()
    assert statuses(email) == ["failed"]
    BackgroundJob.objects.update(leased_until=NOON)

    background.work_off()

    job.refresh_from_db()
    assert (job.status, job.result) == ("done", {"done": 1, "refused": 0})
    assert statuses(email) == ["queued"]
