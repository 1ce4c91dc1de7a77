"""Suppressions in the admin: found, added, removed, taken over and given away, by role."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from delivery import suppression_lists
from delivery.models import Suppression
from delivery.services import suppress
from logs.tests.builders import an_email
from tenants import background
from tenants.models import BackgroundJob, Membership, Tenant
from tests.staff import staff, worked_off

pytestmark = pytest.mark.django_db
LIST = "/admin/delivery/suppression/"
JOBS = "/admin/tenants/backgroundjob/"


@pytest.fixture
def editor(tenant):
    return staff(tenant, "editor")


@pytest.fixture
def viewer(tenant):
    return staff(tenant, "viewer")


@pytest.fixture
def stranger(other_tenant):
    return staff(other_tenant, "owner")


def upload(text: str, **fields) -> dict[str, object]:
    tenant = Tenant.objects.get(slug="shop")
    file = SimpleUploadedFile("list.csv", text.encode())
    return {"tenant": tenant.pk, "reason": "manual", "topic": "", "file": file, **fields}


def addresses(page) -> set[str]:
    return {entry.address for entry in page.context["cl"].result_list}


# The list


def test_the_list_is_narrowed_by_reason_topic_force_and_address(viewer, tenant):
    past = timezone.now() - timedelta(days=1)
    suppress("ended@example.com", tenant=tenant, expires_at=past)
    suppress("news@example.com", tenant=tenant, topic="newsletter", reason="unsubscribed")
    suppress("ana@example.com", tenant=tenant, reason="complaint", source=an_email(tenant))

    assert addresses(viewer.get(f"{LIST}?in_force=yes")) == {"news@example.com", "ana@example.com"}
    assert addresses(viewer.get(f"{LIST}?in_force=no")) == {"ended@example.com"}
    assert addresses(viewer.get(f"{LIST}?topic__icontains=newsl")) == {"news@example.com"}
    assert addresses(viewer.get(f"{LIST}?reason__exact=complaint")) == {"ana@example.com"}
    assert addresses(viewer.get(f"{LIST}?q=ana")) == {"ana@example.com"}


def test_sixty_rows_cost_as_many_queries_as_one(viewer, tenant, django_assert_max_num_queries):
    for number in range(60):
        email = an_email(tenant, to_address=f"r{number}@example.com")
        suppress(email.to_address, tenant=tenant, source=email)

    with django_assert_max_num_queries(14):
        viewer.get(LIST)


def test_an_editor_adds_an_entry_and_removes_it(editor, tenant):
    form = {"tenant": tenant.pk, "address": "ANA@example.com", "topic": "", "reason": "manual"}
    ends = {"expires_at_0": "", "expires_at_1": ""}

    editor.post(f"{LIST}add/", form | ends)
    entry = Suppression.objects.get()
    again = editor.post(f"{LIST}add/", form | ends)
    editor.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"})

    assert entry.address == "ana@example.com"
    assert again.status_code == 200
    assert again.context["adminform"].form.non_field_errors()
    assert not Suppression.objects.exists()


def test_an_entry_that_has_ended_makes_room_for_a_new_one(editor, tenant):
    suppress("ana@example.com", tenant=tenant, expires_at=timezone.now() - timedelta(days=1))
    form = {"tenant": tenant.pk, "address": "ana@example.com", "topic": "", "reason": "manual"}

    editor.post(f"{LIST}add/", form | {"expires_at_0": "", "expires_at_1": ""})

    assert Suppression.objects.get().expires_at is None


def test_a_viewer_changes_nothing_and_sees_no_button_for_it(viewer, tenant):
    entry = suppress("ana@example.com", tenant=tenant)
    page = viewer.get(LIST).content.decode()

    assert "/import" not in page
    assert "/export" not in page
    assert viewer.get(f"{LIST}add/").status_code == 403
    assert viewer.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    for path in ("import", "export"):
        assert viewer.post(f"{LIST}{path}/", upload("b@example.com")).status_code == 403
    assert not BackgroundJob.objects.exists()
    assert Suppression.objects.count() == 1


# Taken over and given away


def test_an_editor_takes_a_list_over_and_downloads_what_was_refused(editor, tenant):
    answer = editor.post(f"{LIST}import/", upload("ana@example.com\n=cmd()\n"))
    background.work_off()

    job = BackgroundJob.objects.get()
    page = editor.get(answer["Location"])
    report = editor.get(f"{JOBS}{job.pk}/problems/")
    content = b"".join(report.streaming_content).decode()
    assert answer["Location"] == f"{JOBS}{job.pk}/change/"
    assert (job.status, job.created_by.username) == ("done", "editor-shop")
    assert "=cmd()" in page.content.decode()
    assert content.splitlines()[1].startswith('"2","\'=cmd()"')
    assert report["Content-Disposition"] == f'attachment; filename="refused-{job.pk}.csv"'
    assert report["X-Content-Type-Options"] == "nosniff"
    assert Suppression.objects.get().address == "ana@example.com"


def test_looking_at_the_forms_starts_nothing(editor, tenant):
    pages = [editor.get(f"{LIST}{path}/?tenant={tenant.pk}") for path in ("import", "export")]

    assert [page.status_code for page in pages] == [200, 200]
    assert not BackgroundJob.objects.exists()


def test_a_list_that_is_too_large_is_refused_at_once(editor, tenant, monkeypatch):
    monkeypatch.setattr("delivery.suppression_forms.FILE_LIMIT_BYTES", 5)

    answer = editor.post(f"{LIST}import/", upload("ana@example.com"))

    assert answer.status_code == 200
    assert answer.context["form"].errors["file"]
    assert not BackgroundJob.objects.exists()


def test_an_editor_gives_the_list_away_as_a_file_to_keep(editor, tenant):
    suppress("ana@example.com", tenant=tenant)

    editor.post(f"{LIST}export/", {"tenant": tenant.pk, "reason": "", "topic": ""})
    background.work_off()

    job = BackgroundJob.objects.get()
    answer = editor.get(f"{JOBS}{job.pk}/output/")
    assert b"ana@example.com" in b"".join(answer.streaming_content)
    assert answer["Content-Disposition"].startswith('attachment; filename="suppressions-shop-')
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]


def test_a_viewer_sees_that_it_was_made_and_does_not_get_the_file(tenant):
    viewer, job = staff(tenant, "viewer"), a_job(tenant)

    page = viewer.get(f"{JOBS}{job.pk}/change/")

    assert page.status_code == 200
    assert f"{job.pk}/output/" not in page.content.decode()
    assert viewer.get(f"{JOBS}{job.pk}/output/").status_code == 404


def test_nobody_takes_a_list_over_into_a_tenant_where_he_is_no_editor(other_tenant, tenant):
    client = staff(other_tenant, "editor")
    user = User.objects.get(username="editor-other")
    Membership.objects.create(tenant=tenant, user=user, role="viewer")

    for path in ("import", "export"):
        assert client.post(f"{LIST}{path}/", upload("ana@example.com")).status_code == 200

    assert not BackgroundJob.objects.exists()


# The job's own pages


def a_job(tenant) -> BackgroundJob:
    suppress("secret@example.com", tenant=tenant)
    job = suppression_lists.start_export(tenant=tenant, created_by=None, filters={})
    background.work_off()
    return job


def test_another_tenants_job_is_as_unknown_as_any(stranger, editor, tenant):
    job = a_job(tenant)
    waiting = suppression_lists.start_export(tenant=tenant, created_by=None, filters={})

    for pk in (job.pk, 987654):
        for page in ("change", "progress", "output", "problems"):
            assert stranger.get(f"{JOBS}{pk}/{page}/").status_code == 404, page
    assert stranger.post(f"{JOBS}{waiting.pk}/cancel/").status_code == 404
    assert b"Export" not in stranger.get(JOBS).content.partition(b"result_list")[2]
    waiting.refresh_from_db()
    assert waiting.status == "queued"
    assert editor.get(f"{JOBS}{job.pk}/change/").status_code == 200


def test_nobody_gets_a_file_without_signing_in(tenant):
    answer = Client().get(f"{JOBS}{a_job(tenant).pk}/output/")

    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def test_an_editor_stops_a_job_and_a_viewer_can_not(editor, viewer, tenant):
    job = suppression_lists.start_export(tenant=tenant, created_by=None, filters={})
    path = f"{JOBS}{job.pk}/cancel/"

    assert b"/cancel/" not in viewer.get(f"{JOBS}{job.pk}/change/").content
    assert viewer.post(path).status_code == 404
    assert editor.get(path).status_code == 405
    assert b"/cancel/" in editor.get(f"{JOBS}{job.pk}/change/").content
    editor.post(path)

    job.refresh_from_db()
    assert job.status == "cancelled"


def test_the_page_asks_again_while_the_job_runs_and_no_longer_when_it_is_over(viewer, tenant):
    suppress("ana@example.com", tenant=tenant)
    job = suppression_lists.start_export(tenant=tenant, created_by=None, filters={})

    waiting = viewer.get(f"{JOBS}{job.pk}/progress/").content
    background.work_off()
    over = viewer.get(f"{JOBS}{job.pk}/progress/").content

    assert b'hx-trigger="every 1s"' in waiting
    assert b"hx-trigger" not in over
    assert b'value="100"' in over


def test_nothing_in_a_refused_line_acts_on_the_page(editor, tenant):
    hostile = "<script>alert(1)</script>\n<img src=x onerror=alert(1)>"

    answer = editor.post(f"{LIST}import/", upload(hostile))
    background.work_off()

    page = editor.get(answer["Location"]).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_nobody_adds_changes_or_deletes_a_job_by_hand(editor, tenant):
    job = a_job(tenant)

    assert editor.get(f"{JOBS}add/").status_code == 403
    assert editor.post(f"{JOBS}{job.pk}/change/", {"status": "done"}).status_code == 403
    assert editor.post(f"{JOBS}{job.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_list_is_searched_in_any_letter_case(tenant, viewer):
    suppress("joão@example.com", tenant=tenant)
    suppress("rui@example.com", tenant=tenant)

    page = viewer.get(LIST, {"q": "JOÃO"})

    assert addresses(page) == {"joão@example.com"}


# Removing many


def removal(client, *entries, **more):
    keys = [entry.pk for entry in entries]
    return client.post(LIST, {"action": "delete_selected", "_selected_action": keys} | more)


def test_chosen_entries_are_removed_as_a_job_after_one_more_question(editor, tenant, other_tenant):
    gone = [suppress(f"{name}@example.com", tenant=tenant) for name in ("ana", "rui")]
    suppress("left@example.com", tenant=tenant)
    theirs = suppress("theirs@example.com", tenant=other_tenant)

    question = removal(editor, *gone, theirs)

    shown = question.content.decode()
    assert "2 entries are removed in the background." in shown
    assert "ana@example.com" in shown
    assert "theirs@example.com" not in shown
    assert Suppression.objects.count() == 4
    job = worked_off(removal(editor, *gone, theirs, post="yes"))
    assert job.result == {"done": 2, "refused": 0}
    left = Suppression.objects.order_by("address").values_list("address", flat=True)
    assert list(left) == ["left@example.com", "theirs@example.com"]
    history = LogEntry.objects.filter(action_flag=3).order_by("object_repr")
    told = [(entry.object_repr, entry.user.username) for entry in history]
    assert told == [("ana@example.com", "editor-shop"), ("rui@example.com", "editor-shop")]


def test_all_that_a_filter_finds_are_removed_beyond_the_page(editor, tenant):
    entries = [suppress(f"{n}@example.com", tenant=tenant, topic="news") for n in range(103)]
    suppress("left@example.com", tenant=tenant)
    across = {"select_across": "1"}
    filtered = f"{LIST}?topic__icontains=news"
    data = {"action": "delete_selected", "_selected_action": [entries[0].pk]} | across

    shown = editor.get(filtered).content.decode()
    assert "Choose all that the list finds" in shown
    assert "9999999999" not in shown
    question = editor.post(filtered, data).content.decode()
    assert '<input type="hidden" name="select_across" value="1">' in question
    assert "103 entries" in question
    job = worked_off(editor.post(filtered, data | {"post": "yes"}))

    assert job.result == {"done": 103, "refused": 0}
    assert Suppression.objects.get().address == "left@example.com"


@pytest.mark.parametrize("answered", [{}, {"post": "yes"}])
def test_more_than_may_be_chosen_at_once_are_refused_before_and_after_the_question(
    editor, tenant, monkeypatch, answered
):
    monkeypatch.setattr("tenants.admin_each.MOST_CHOSEN", 1)
    entries = [suppress(f"{n}@example.com", tenant=tenant) for n in range(2)]

    answer = removal(editor, *entries, **answered)

    assert answer.status_code == 302
    assert "Choose 1 rows at the most." in editor.get(answer["Location"]).content.decode()
    assert not BackgroundJob.objects.exists()


def test_a_viewer_removes_nothing(viewer, tenant):
    entry = suppress("ana@example.com", tenant=tenant)

    assert "delete_selected" not in viewer.get(LIST).content.decode()
    removal(viewer, entry, post="yes")

    assert not BackgroundJob.objects.exists()
    assert Suppression.objects.exists()
