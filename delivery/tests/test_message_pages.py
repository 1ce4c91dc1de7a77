"""What delivery adds to a message's page: its source, and whether its recipient may be mailed."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery.models import Suppression
from domains.models import DKIMKey
from logs.models import Attachment
from logs.models.content import attachment_storage
from logs.tests.builders import an_email
from tenants.models import Role
from tests.staff import staff

URL = "/admin/delivery/sendbatch/messages/{}/{}/"
PAGES = ["raw", "source", "recipient"]


@pytest.fixture
def viewer(tenant):
    return staff(tenant, Role.VIEWER)


@pytest.fixture
def email(tenant):
    return an_email(
        tenant,
        subject="Order 1042",
        bcc_addresses=["secret@example.com"],
        content={"subject": "Order 1042", "html": "<p>Thank you</p>", "text": "Thank you"},
    )


def get(client, email, name):
    return client.get(URL.format(email.pk, name))


def a_file(email, **fields) -> Attachment:
    path = attachment_storage().save(f"test/{email.pk}", ContentFile(b"hello"))
    own = {"filename": "a.pdf", "content_type": "application/pdf", "size_bytes": 5}
    return Attachment.objects.create(
        part_of=email.content, path=path, sha256="0" * 64, **{**own, **fields}
    )


# The source


def test_the_source_is_a_file_with_all_that_the_recipient_gets(viewer, email):
    a_file(email)

    response = get(viewer, email, "raw")

    mail = message_from_bytes(response.content, policy=policy.default)
    assert mail["Subject"] == "Order 1042"
    assert mail["Message-ID"] == email.smtp_message_id
    assert mail.get_body(("html",)).get_content().strip() == "<p>Thank you</p>"
    assert [part.get_content() for part in mail.iter_attachments()] == [b"hello"]
    assert response["Content-Type"] == "message/rfc822"
    assert response["Content-Disposition"] == f'attachment; filename="{email.tracking_id}.eml"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["Cache-Control"].startswith("private, no-store")


@pytest.mark.parametrize("name", ["raw", "source"])
def test_the_source_holds_no_hidden_recipient_and_asks_for_no_key(viewer, email, name):
    with CaptureQueriesContext(connection) as captured:
        response = get(viewer, email, name)

    assert not any(DKIMKey._meta.db_table in query["sql"] for query in captured)
    assert b"secret@example.com" not in response.content
    assert b"DKIM-Signature" not in response.content


@pytest.mark.parametrize("name", ["raw", "source"])
def test_a_removed_content_says_so(viewer, email, name):
    email.content.removed_at = timezone.now()
    email.content.save()

    response = viewer.get(URL.format(email.pk, name), follow=True)

    assert "What this message said was removed." in response.content.decode()
    assert "Content-Disposition" not in response


def test_an_attachment_whose_file_is_gone_makes_no_half_a_message(viewer, email):
    attachment_storage().delete(a_file(email).path)

    response = viewer.get(URL.format(email.pk, "raw"), follow=True)

    assert "What this message said was removed." in response.content.decode()


def test_the_source_on_the_page_is_text(viewer, tenant):
    email = an_email(tenant, content={"text": "<script>alert(1)</script>"})

    shown = get(viewer, email, "source").content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>" not in shown
    assert "The rest is in the file." not in shown


def test_of_a_long_source_the_page_shows_the_beginning(viewer, tenant):
    email = an_email(tenant, content={"text": "Many lines like this.\n" * 20_000})

    shown = get(viewer, email, "source").content.decode()

    assert "Message-ID" in shown
    assert len(shown) < 300_000
    assert "The rest is in the file." in shown


# The recipient


def test_somebody_who_may_be_mailed_is_said_to_be(viewer, email):
    assert "This address may be mailed" in get(viewer, email, "recipient").content.decode()


def test_a_suppression_is_told_with_its_reason_and_a_link(viewer, tenant, email):
    entry, _is_new = Suppression.objects.enter(
        "ana@example.com", tenant=tenant, topic="", reason="complaint"
    )

    shown = get(viewer, email, "recipient").content.decode()

    assert "mail like this message is not sent" in shown
    assert "Complaint" in shown
    assert f'href="/admin/delivery/suppression/{entry.pk}/change/"' in shown


def test_a_suppression_of_another_topic_is_told_apart(viewer, tenant, email):
    Suppression.objects.enter(
        "ana@example.com", tenant=tenant, topic="winter", reason="unsubscribed"
    )

    shown = get(viewer, email, "recipient").content.decode()

    assert "suppressed for other topics" in shown
    assert "winter" in shown


def test_suppressions_that_ended_and_those_of_other_tenants_are_left_out(
    viewer, tenant, other_tenant, email
):
    ended = timezone.now() - timedelta(days=1)
    Suppression.objects.create(
        tenant=tenant, address="ana@example.com", reason="manual", expires_at=ended
    )
    Suppression.objects.create(tenant=other_tenant, address="ana@example.com", reason="manual")

    assert "This address may be mailed" in get(viewer, email, "recipient").content.decode()


# Walls


@pytest.mark.parametrize("name", PAGES)
def test_another_tenant_gets_the_same_as_for_no_message(other_tenant, email, name):
    stranger = staff(other_tenant, Role.OWNER)

    theirs = stranger.get(URL.format(email.pk, name))
    nobodys = stranger.get(URL.format(email.pk + 1000, name))

    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.content == nobodys.content


@pytest.mark.parametrize("name", PAGES)
def test_somebody_without_a_membership_or_a_session_sees_nothing(email, client, name):
    assert get(client, email, name).status_code == 302
    client.force_login(User.objects.create_user("nobody", is_staff=True))

    assert get(client, email, name).status_code == 404
