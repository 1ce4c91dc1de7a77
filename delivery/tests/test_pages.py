"""The unsubscribe page: GET asks, POST acts, both only with a genuine link."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from common.addresses import Address
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


def test_the_page_speaks_the_tenants_language_and_runs_no_script(path):
    page = Client().get(path, headers={"Accept-Language": "en"})

    assert page.headers["Content-Language"] == "pt"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert b"<script" not in page.content


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
