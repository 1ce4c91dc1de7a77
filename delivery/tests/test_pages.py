"""The unsubscribe page: GET asks, POST acts, both only with a genuine link."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from common.addresses import Address
from common.errors import RefusedTogether
from delivery import topics
from delivery.models import Suppression
from delivery.services import submit, suppress
from delivery.submission import Message
from logs.links import unsubscribe_url
from logs.models import EmailEvent
from tests.factories import make_template

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def email(tenant, account):
    make_template(
        tenant,
        "news",
        html="<a href='{{ unsubscribe_url }}'>x</a>",
        subject="News",
        text="x",
        template_type="newsletter",
    )
    message = Message(to=Address("ana@example.com"), template="news", from_account=account.pk)
    return submit(message, tenant=tenant, mode="live")


@pytest.fixture
def path(email):
    return "/u/" + unsubscribe_url(email.tracking_id).rpartition("/")[2]


def test_looking_at_the_page_unsubscribes_nobody(path):
    page = Client(enforce_csrf_checks=True).get(path)
    Client().head(path)

    assert page.status_code == 200
    assert "ana@example.com" in page.content.decode()
    assert '<form method="post">' in page.content.decode()
    assert not Suppression.objects.exists()


def test_one_click_unsubscribes_from_the_topic_and_again_changes_nothing(tenant, email, path):
    browser = Client(enforce_csrf_checks=True)

    first = browser.post(path, ONE_CLICK)
    again = browser.post(path, ONE_CLICK)

    entry = Suppression.objects.get()
    assert (first.status_code, again.status_code) == (200, 200)
    assert (entry.address, entry.topic, entry.reason) == (
        "ana@example.com",
        "newsletter",
        "unsubscribed",
    )
    assert entry.source == email
    assert EmailEvent.objects.get(email=email).type == "unsubscribed"
    assert not first.cookies


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "yes"}, {"token": "x"}])
def test_a_post_that_is_not_one_click_unsubscribes_nobody(path, body):
    answer = Client().post(path, body)

    assert answer.status_code == 400
    assert not Suppression.objects.exists()


def test_unsubscribing_outlasts_a_pause(tenant, email, path):
    tomorrow = timezone.now() + timedelta(days=1)
    suppress("ana@example.com", tenant=tenant, topic="newsletter", expires_at=tomorrow)

    page = Client().post(path, ONE_CLICK)

    entry = Suppression.objects.get()
    assert (entry.reason, entry.expires_at) == ("unsubscribed", None)
    assert b'name="action"' in page.content


def test_the_same_page_takes_an_unsubscription_back(path):
    browser = Client()
    browser.post(path, ONE_CLICK)

    browser.post(path, {"action": "subscribe"})

    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "pt"),
        ("fr", "pt"),
        ("en-GB,en;q=0.9", "en"),
        ("pt-BR,pt;q=0.8", "pt-br"),
        ("fr;q=0.9, en;q=0.2", "en"),
        ("en;q=0.2, pt-PT;q=0.9", "pt"),
        ("*", "pt"),
        ("\xff;;;q=x", "pt"),
    ],
)
def test_the_page_speaks_the_readers_language_else_the_tenants(path, accepted, language):
    page = Client().get(path, headers={"Accept-Language": accepted})

    assert page.headers["Content-Language"] == language
    assert f'<html lang="{language}">' in page.content.decode()
    assert "Accept-Language" in page.headers["Vary"]


def test_the_page_runs_no_script_and_sends_nothing_elsewhere(path):
    page = Client().get(path)

    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert b"<script" not in page.content
    assert page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("change", [lambda t: t[:-2] + "AA", lambda t: "x", lambda t: t + "A"])
def test_a_forged_link_is_not_found(path, change):
    token = path.rpartition("/")[2]

    forged = f"/u/{change(token)}"

    assert Client().get(forged).status_code == 404
    assert Client().post(forged, ONE_CLICK).status_code == 404
    assert not Suppression.objects.exists()


def test_somebody_whom_staff_suppressed_is_told_so_and_can_not_come_back_by_himself(tenant, path):
    suppress("ana@example.com", tenant=tenant)

    page = Client().post(path, {"action": "subscribe"}).content.decode()

    assert 'value="subscribe"' not in page
    assert 'value="One-Click"' not in page
    assert Suppression.objects.count() == 1


def test_a_post_as_gmail_sends_it_unsubscribes(path):
    """Gmail posts multipart/form-data; RFC 8058 section 3.2 allows both."""
    lines = ["--b", 'Content-Disposition: form-data; name="List-Unsubscribe"', "", "One-Click"]
    body = "\r\n".join([*lines, "--b--", ""])

    answer = Client(enforce_csrf_checks=True).post(
        path, body, content_type="multipart/form-data; boundary=b"
    )

    assert answer.status_code == 200
    assert Suppression.objects.get().reason == "unsubscribed"


def test_a_form_post_without_any_cookie_or_language_unsubscribes(path):
    answer = Client(enforce_csrf_checks=True).post(
        path,
        "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
        headers={"User-Agent": "Google-Mail-Unsubscribe"},
    )

    assert answer.status_code == 200
    assert Suppression.objects.get().topic == "newsletter"


def test_the_page_names_the_topic_in_words(path):
    english = Client().get(path, headers={"Accept-Language": "en"}).content.decode()

    assert '<p class="topic">Newsletter</p>' in english


def test_an_unknown_topic_is_named_as_its_author_wrote_it():
    assert topics.in_words("stock_alerts-daily") == "Stock alerts daily"


def test_an_unsubscriber_still_gets_order_confirmations(tenant, account, path):
    make_template(tenant, "order", subject="Order", html="x", template_type="transactional")
    Client().post(path, ONE_CLICK)
    to = Address("ana@example.com")

    email = submit(
        Message(to=to, template="order", from_account=account.pk), tenant=tenant, mode="live"
    )
    with pytest.raises(RefusedTogether):
        submit(Message(to=to, template="news", from_account=account.pk), tenant=tenant, mode="live")

    assert email.status == "queued"


def test_a_message_without_a_type_that_asks_leaves_bulk_mail_alone(tenant, account):
    make_template(tenant, "invite", subject="x", html="<a href='{{ unsubscribe_url }}'>x</a>")
    to = Address("ana@example.com")
    message = Message(to=to, template="invite", from_account=account.pk)
    email = submit(message, tenant=tenant, mode="live")
    path = "/u/" + unsubscribe_url(email.tracking_id).rpartition("/")[2]

    Client().post(path, ONE_CLICK)
    plain = Message(to=to, subject="Order", text="x", from_account=account.pk)

    assert Suppression.objects.get().topic == "bulk"
    assert submit(plain, tenant=tenant, mode="live").status == "queued"


def test_an_entry_for_all_mail_refuses_all(tenant, account):
    suppress("ana@example.com", tenant=tenant)
    make_template(tenant, "order", subject="Order", html="x", template_type="transactional")
    to = Address("ana@example.com")

    for message in (
        Message(to=to, template="order", from_account=account.pk),
        Message(to=to, subject="Order", text="x", from_account=account.pk),
    ):
        with pytest.raises(RefusedTogether):
            submit(message, tenant=tenant, mode="live")


def test_a_scanner_that_tries_everything_but_post_changes_nothing(path):
    scanner = Client()

    statuses = [
        scanner.generic(method, f"{path}?List-Unsubscribe=One-Click").status_code
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH")
    ]

    assert statuses == [200, 200, 405, 405, 405, 405]
    assert not Suppression.objects.exists()


def test_who_gets_no_mail_at_all_is_not_offered_a_way_back_from_one_topic(tenant, path):
    browser = Client(headers={"Accept-Language": "en"})
    browser.post(path, ONE_CLICK)
    suppress("ana@example.com", tenant=tenant)

    page = browser.get(path).content.decode()

    assert "You get no mail" in page
    assert "<button" not in page
