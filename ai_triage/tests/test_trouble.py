"""Those who can help are told when mail can't be judged."""

from __future__ import annotations

from decimal import Decimal

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.core import mail

from ai_triage import doorbell, jobs
from ai_triage.models import TriageResult, TriageSettings
from ai_triage.tasks import tell_of_refusal
from ai_triage.tests.mails import BATCH, PROCESS, questions
from tenants.models import Membership, Role
from tests.servers.google import BAD_KEY

pytestmark = pytest.mark.django_db(transaction=True)


def told_to_workers() -> list[dict]:
    """Run what was rung for about a refusal, as a worker would, and return what it was given."""
    found = []
    with current_app.connection_for_read() as connection:
        queue = connection.SimpleQueue(doorbell.QUEUE)
        while queue.qsize():
            message = queue.get_nowait()
            message.ack()
            if message.headers["task"] == doorbell.REFUSAL:
                args, *_ = message.decode()
                tell_of_refusal.apply(args=args)
                found.append(args)
        queue.close()
    return found


def test_a_refused_key_is_told_to_those_who_keep_it_and_on_the_start_page(
    client, tenant, api, google
):
    root = User.objects.create_superuser("root", email="root@staff.test")
    User.objects.create_superuser("gone", email="gone@staff.test", is_active=False)
    client.force_login(root)
    told_to_workers()  # what other tests have left there
    mail.outbox.clear()
    google.answers(BAD_KEY)

    answers = [api.post(PROCESS, one) for one in questions(2)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert [provider for provider, _reason in told_to_workers()] == ["gemini"]
    (letter,) = mail.outbox
    assert (letter.to, "gemini" in letter.subject) == (["root@staff.test"], True)
    assert "gemini is not asked until" in client.get("/admin/").content.decode()


def test_a_cost_limit_that_is_reached_is_shown_to_its_tenants_staff_alone(
    client, tenant, other_tenant, api, google
):
    TriageSettings.objects.create(tenant=tenant, daily_cost_limit=Decimal("0.01"))
    first, second = questions(2)
    api.post(BATCH, {"emails": [first]})
    jobs.drain()
    TriageResult.objects.update(cost=Decimal("0.01"))
    api.post(BATCH, {"emails": [second]})
    jobs.drain()
    pages = []
    for each in (tenant, other_tenant):
        user = User.objects.create_user(each.slug, is_staff=True)
        Membership.objects.create(tenant=each, user=user, role=Role.VIEWER)
        client.force_login(user)
        pages.append(client.get("/admin/").content.decode())

    assert ["cost limit" in page for page in pages] == [True, False]
