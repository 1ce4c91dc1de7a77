"""Caught mail is shown to superusers only, and its HTML can do nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from catcher.models import CaughtMail

RAW = (
    b"Subject: Oi\r\nX-Note: <script>alert(1)</script>\r\nContent-Type: text/html\r\n\r\n"
    b"<script>alert(2)</script><b>corpo</b>"
)


@pytest.fixture
def superuser(db, client):
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.fixture
def mail(db):
    return make_mail()


def make_mail() -> CaughtMail:
    return CaughtMail.objects.create(
        received_at=datetime(2026, 1, 15, 12, tzinfo=UTC),
        mail_from="a@a.test",
        recipients=["<img src=x onerror=alert(3)>@b.test"],
        subject="<script>alert(4)</script>",
        raw=RAW,
    )


def pages(mail: CaughtMail) -> list[str]:
    return [
        reverse("admin:catcher_caughtmail_changelist"),
        reverse("admin:catcher_caughtmail_change", args=[mail.pk]),
        reverse("admin:caught_html", args=[mail.pk]),
        reverse("admin:caught_raw", args=[mail.pk]),
    ]


def test_a_superuser_sees_the_list_and_the_mail_with_nothing_of_it_as_markup(superuser, mail):
    shown, detail = (superuser.get(url) for url in pages(mail)[:2])

    for page in (shown, detail):
        html = page.content.decode()
        assert page.status_code == 200
        assert "&lt;script&gt;alert(4)" in html
        assert "alert(3)" in html
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    assert 'sandbox=""' in detail.content.decode()


def test_the_html_is_an_answer_of_its_own_that_may_do_nothing(superuser, mail):
    answer = superuser.get(pages(mail)[2])

    policy = answer["Content-Security-Policy"]
    assert answer.content.decode().endswith("<b>corpo</b>")
    assert policy.startswith("sandbox; default-src 'none';")
    assert "allow-" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_the_raw_mail_is_downloaded_never_shown(superuser, mail):
    answer = superuser.get(pages(mail)[3])

    assert answer.content == RAW
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_staff_with_every_permission_but_not_superuser_sees_nothing(client, mail):
    user = User.objects.create_user("staff", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="catcher"))
    client.force_login(user)

    answers = [client.get(url).status_code for url in pages(mail)]

    assert set(answers) <= {302, 403, 404}


def test_strangers_are_sent_to_the_login(client, mail):
    assert {client.get(url).status_code for url in pages(mail)} == {302}


def test_mail_cannot_be_added_or_changed_but_deleted(superuser, mail):
    added = superuser.get(reverse("admin:catcher_caughtmail_add"))
    changed = superuser.post(pages(mail)[1], {"subject": "x"})
    superuser.post(reverse("admin:catcher_caughtmail_delete", args=[mail.pk]), {"post": "yes"})

    assert (added.status_code, changed.status_code) == (403, 403)
    assert not CaughtMail.objects.exists()


def test_a_list_of_50_costs_as_many_queries_as_a_list_of_one(
    superuser, mail, django_assert_max_num_queries
):
    for _ in range(49):
        make_mail()

    with django_assert_max_num_queries(8) as counted:
        superuser.get(pages(mail)[0])

    assert not any('"raw"' in query["sql"] for query in counted.captured_queries)
