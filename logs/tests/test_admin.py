"""Staff follow messages in the admin; what a mail holds stays harmless there."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from logs.models import Attachment, EmailEvent, EmailStatus
from logs.models.content import attachment_storage
from logs.tests.builders import NOON, an_email
from tenants import background
from tests.staff import JOB, staff, worked_off

LIST = "/admin/logs/emaillog/"
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg/onload=alert(1)>",
    "<div x-data x-init=alert(1)>",
    "</pre></textarea><iframe src=javascript:alert(1)>",
]


@pytest.fixture
def editor(tenant):
    return staff(tenant, "editor")


@pytest.fixture
def viewer(tenant):
    return staff(tenant, "viewer")


@pytest.fixture
def stranger(other_tenant):
    return staff(other_tenant, "owner")


def page(email, *more):
    return "/".join([f"{LIST}{email.pk}", *(more or ["change"]), ""])


def act(client, verb, *emails, **more):
    data = {"action": verb, "_selected_action": [email.pk for email in emails], "index": "0"}
    return client.post(LIST, data | more, follow=True)


def an_attachment(email, **fields):
    path = attachment_storage().save(f"test/{email.pk}", ContentFile(b"<script>hello</script>"))
    return Attachment.objects.create(
        part_of=email.content,
        path=path,
        **{
            "filename": "invoice.html",
            "content_type": "text/html",
            "size_bytes": 22,
            "sha256": "0" * 64,
            **fields,
        },
    )


# Seeing


def test_staff_see_their_tenants_messages_and_no_others(viewer, tenant, other_tenant):
    an_email(tenant, subject="Ours")
    an_email(other_tenant, subject="Theirs")

    shown = viewer.get(LIST).content.decode()

    assert "Ours" in shown
    assert "Theirs" not in shown
    assert "orders@other.test" not in shown


@pytest.mark.parametrize("more", [("change",), ("html",), ("attachments", "1")])
def test_another_tenants_message_can_not_be_opened(stranger, tenant, more):
    email = an_email(tenant, subject="Private", content={"html": "<p>Private</p>"})
    part = an_attachment(email)
    more = ("attachments", str(part.pk)) if more[0] == "attachments" else more

    response = stranger.get(page(email, *more))

    assert response.status_code in (302, 404)
    assert b"Private" not in response.content


def test_somebody_who_is_not_signed_in_sees_nothing(tenant, client):
    email = an_email(tenant, content={"html": "<p>Private</p>"})

    for more in (("change",), ("html",)):
        response = client.get(page(email, *more))
        assert response.status_code == 302
        assert "/login/" in response["Location"]


@pytest.mark.parametrize("word", ["bea@example", "Blue moon"])
def test_messages_are_found_by_what_people_know_of_them(viewer, tenant, word):
    an_email(tenant, subject="Red sun")
    an_email(tenant, subject="Blue moon", to_address="bea@example.com")

    shown = viewer.get(LIST, {"q": word}).content.decode()

    assert "Blue moon" in shown
    assert "Red sun" not in shown


def test_a_message_is_found_by_its_tracking_id(viewer, tenant):
    wanted, _other = an_email(tenant, subject="Blue"), an_email(tenant, subject="Red")

    shown = viewer.get(LIST, {"q": str(wanted.tracking_id)}).content.decode()

    assert "Blue" in shown
    assert "Red" not in shown


@pytest.mark.parametrize(
    "query", ["status__exact=queued", "mode__exact=live", "account__id__exact=1"]
)
def test_the_list_can_be_filtered(viewer, tenant, query):
    an_email(tenant)

    assert viewer.get(f"{LIST}?{query}").status_code == 200


def test_fifty_rows_cost_as_many_queries_as_one(viewer, tenant):
    an_email(tenant)
    viewer.get(LIST)
    with CaptureQueriesContext(connection) as few:
        viewer.get(LIST)
    for _ in range(49):
        an_email(tenant)

    with CaptureQueriesContext(connection) as many:
        shown = viewer.get(LIST).content.decode()

    assert shown.count("ana@example.com") >= 50
    assert len(many) == len(few)
    assert not any("own_variables" in query["sql"] for query in many.captured_queries)
    counts = [query["sql"] for query in many.captured_queries if "COUNT" in query["sql"]]
    assert not any("logs_emaillog" in sql for sql in counts)


def test_nothing_can_be_added_changed_or_deleted(editor, tenant):
    email = an_email(tenant, subject="As sent")

    editor.post(page(email), {"subject": "Changed"})
    responses = [editor.get(f"{LIST}add/"), editor.post(page(email, "delete"), {"post": "yes"})]

    email.refresh_from_db()
    assert [response.status_code for response in responses] == [403, 403]
    assert email.subject == "As sent"
    assert b'name="subject"' not in editor.get(page(email)).content


def test_the_page_tells_the_history_with_the_servers_words(viewer, tenant):
    email = an_email(tenant, status="sent")
    EmailEvent.objects.create(
        tenant=tenant,
        email=email,
        type="deferred",
        at=NOON,
        data={"smtp_code": 450, "transcript": ["< 450 4.2.0 Greylisted <b>you</b>"]},
    )

    shown = viewer.get(page(email)).content.decode()

    assert "deferred" in shown
    assert "450 4.2.0 Greylisted &lt;b&gt;you&lt;/b&gt;" in shown


def test_the_page_writes_lists_as_people_do_and_a_dash_for_none(viewer, tenant):
    full = an_email(
        tenant, to_name="Ana", tags=["order", "new"], metadata={"order": "A-1", "lines": [1]}
    )
    empty = an_email(tenant, tags=[], metadata={})

    shown = viewer.get(page(full)).content.decode()
    nothing = re.sub(r"<[^>]*>", " ", viewer.get(page(empty)).content.decode())

    assert f"Ana &lt;{full.to_address}&gt;" in shown
    assert f'<a href="{LIST}?tag=order">order</a>, <a href="{LIST}?tag=new">new</a>' in shown
    assert "order: A-1" in shown
    assert "lines: [1]" in shown
    assert "[]" not in nothing
    assert "{}" not in nothing


# Hostile mail


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_mail_holds_is_text_on_our_pages(viewer, tenant, payload):
    email = an_email(
        tenant,
        subject=payload,
        from_name=payload,
        to_name=payload,
        error_message=payload,
        smtp_response=payload,
        user_agent=payload,
        tags=[payload],
        metadata={payload: payload},
        content={
            "subject": payload,
            "html": payload,
            "text": payload,
            "headers": [["X-A", payload]],
        },
    )
    EmailEvent.objects.create(
        tenant=tenant,
        email=email,
        type="bounced",
        at=NOON,
        data={"reason": payload, payload: payload, "transcript": [payload]},
    )
    an_attachment(email, filename=payload, content_type=payload)

    for address in (LIST, page(email)):
        shown = viewer.get(address).content.decode()
        assert escape(payload)[:40] in shown
        assert payload not in shown


def test_the_html_is_an_answer_of_its_own_that_can_do_nothing(viewer, tenant):
    email = an_email(tenant, content={"html": "<script>alert(1)</script><p>Hi</p>"})

    shown = viewer.get(page(email)).content.decode()
    response = viewer.get(page(email, "html"))

    frame = re.search(r"<iframe[^>]*>", shown)[0]
    assert 'sandbox=""' in frame
    assert f'src="{page(email, "html")}"' in frame
    assert response.content.decode() == "<script>alert(1)</script><p>Hi</p>"
    assert response["Content-Security-Policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Content-Type"] == "text/html; charset=utf-8"


def test_remote_images_are_loaded_only_when_somebody_asks(viewer, tenant):
    email = an_email(tenant, content={"html": "<img src=https://x.test/a.png>"})

    asked = viewer.get(page(email, "html"), {"images": "1"})
    not_asked = viewer.get(page(email, "html"), {"images": "yes"})

    assert asked["Content-Security-Policy"].endswith("img-src data: https:")
    assert "sandbox; default-src 'none';" in asked["Content-Security-Policy"]
    assert "https:" not in not_asked["Content-Security-Policy"]


def test_an_attachment_is_only_ever_a_file_to_keep(viewer, tenant):
    email = an_email(tenant)
    part = an_attachment(email, filename='we"ird ü.html')

    response = viewer.get(page(email, "attachments", str(part.pk)))

    assert b"".join(response.streaming_content) == b"<script>hello</script>"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment; filename")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


def test_an_attachment_is_reached_through_its_own_message_alone(viewer, tenant):
    part = an_attachment(an_email(tenant))
    other = an_email(tenant)

    assert viewer.get(page(other, "attachments", str(part.pk))).status_code == 404


def test_an_attachment_whose_file_is_gone_is_404(viewer, tenant):
    email = an_email(tenant)
    part = an_attachment(email)
    attachment_storage().delete(part.path)

    assert viewer.get(page(email, "attachments", str(part.pk))).status_code == 404


# Acting


def test_an_editor_tries_failed_messages_again_and_sees_how_many(editor, tenant):
    failed = [an_email(tenant, status="failed") for _ in range(2)]
    sent = an_email(tenant, status="sent")

    job = worked_off(act(editor, "retry", *failed, sent))

    for email in failed:
        email.refresh_from_db()
        assert email.status == EmailStatus.QUEUED
    sent.refresh_from_db()
    assert sent.status == EmailStatus.SENT
    shown = editor.get(JOB.format(job.pk)).content.decode()
    assert re.search(r"On their way</dt><dd>2<.*Left alone</dt><dd>1<", shown, re.DOTALL)
    assert str(sent.tracking_id) in shown
    assert "Its status does not allow this." in shown


def test_an_editor_cancels_from_the_messages_page_and_stays_there(editor, tenant):
    email = an_email(tenant)
    assert f'action="{page(email, "cancel")}"' in editor.get(page(email)).content.decode()

    response = editor.post(page(email, "cancel"), follow=True)

    email.refresh_from_db()
    assert email.status == EmailStatus.CANCELLED
    assert response.redirect_chain[-1][0] == page(email)
    assert "The message is cancelled." in response.content.decode()
    assert page(email, "cancel") not in response.content.decode()


def test_an_editor_sends_a_failed_message_again_from_its_page_and_a_sent_one_never(editor, tenant):
    failed, sent = an_email(tenant, status="failed"), an_email(tenant, status="sent")

    again = editor.post(page(failed, "retry"), follow=True).content.decode()
    refused = editor.post(page(sent, "retry"), follow=True).content.decode()

    for email, status in ((failed, "queued"), (sent, "sent")):
        email.refresh_from_db()
        assert email.status == status
    assert "The message goes out now." in again
    assert "Its status does not allow this." in refused


def test_a_viewer_is_offered_nothing_and_can_do_nothing(viewer, tenant):
    email = an_email(tenant)

    assert 'value="cancel"' not in viewer.get(LIST).content.decode()
    assert page(email, "cancel") not in viewer.get(page(email)).content.decode()
    act(viewer, "cancel", email)
    assert viewer.post(page(email, "cancel")).status_code == 403
    background.work_off()

    email.refresh_from_db()
    assert email.status == EmailStatus.QUEUED


def test_an_owner_elsewhere_can_not_touch_our_messages(stranger, tenant):
    email = an_email(tenant)

    act(stranger, "cancel", email)
    assert stranger.post(page(email, "cancel")).status_code == 404
    background.work_off()

    email.refresh_from_db()
    assert email.status == EmailStatus.QUEUED


def test_an_action_without_a_csrf_token_is_refused(tenant):
    email = an_email(tenant)
    user = User.objects.create_superuser("root")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)

    response = act(client, "cancel", email)

    email.refresh_from_db()
    assert response.status_code == 403
    assert email.status == EmailStatus.QUEUED


def test_opens_of_people_and_machines_stand_side_by_side(tenant, viewer):
    email = an_email(tenant, status="sent", opens_count=3, machine_opens_count=71)
    for payload, reason in zip(PAYLOADS, [None, "scanner", None, None, None], strict=True):
        data = {"user_agent": payload, "machine": bool(reason), "machine_reason": reason}
        EmailEvent.objects.create(tenant=tenant, email=email, type="opened", at=NOON, data=data)

    shown = viewer.get(page(email)).content.decode()

    assert "71" in shown
    assert shown.count("scanner") == 1
    for payload in PAYLOADS:
        assert payload not in shown
        assert escape(payload) in shown
