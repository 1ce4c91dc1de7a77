"""The queues as staff and Prometheus see them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.tests.smtp_server import ScriptedServer
from delivery.tests.sending import account_at, drained, queue
from tenants.models import Membership, Role

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/admin/delivery/sendingqueue/"


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def viewer(client, tenant):
    user = User.objects.create_user("viewer", is_staff=True)
    Membership.objects.create(tenant=tenant, user=user, role=Role.VIEWER)
    client.force_login(user)
    return client


def value(client, line: str) -> float:
    lines = client.get("/metrics").content.decode().splitlines()
    return float(next((one.split()[1] for one in lines if one.startswith(line + " ")), 0))


def test_the_metrics_say_what_waits_by_account_without_its_address(client, tenant, server):
    account = account_at(server, tenant=tenant)
    queue(account)
    account.pause("535 wrong password", at=timezone.now())

    assert value(client, f'sendcraft_queue_due{{account="{account.pk}"}}') == 1
    assert value(client, f'sendcraft_queue_held{{account="{account.pk}"}}') == 1
    assert "shop.test" not in client.get("/metrics").content.decode()


def test_each_live_message_that_a_server_took_is_timed_by_priority(client, tenant, server):
    account = account_at(server, tenant=tenant)
    line = 'sendcraft_acceptance_to_sent_seconds_count{priority="high"}'
    before = value(client, line)

    drained(queue(account, priority="high"))
    drained(queue(account, priority="high", mode="test"))

    assert value(client, line) == before + 1


def test_staff_see_the_queues_of_their_own_accounts_and_why_they_wait(
    viewer, tenant, other_tenant, server
):
    account = account_at(server, tenant=tenant)
    queue(account)
    account.pause("535 <b>wrong", at=timezone.now())
    account_at(server, tenant=other_tenant, name="secret")

    page = viewer.get(PAGE).content.decode()

    assert f"/admin/accounts/emailaccount/{account.pk}/change/" in page
    assert "535 &lt;b&gt;wrong" in page
    assert "secret@" not in page


def test_the_queues_cost_as_many_queries_for_fifty_accounts_as_for_one(viewer, tenant, server):
    queue(account_at(server, tenant=tenant))
    viewer.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        viewer.get(PAGE)
    for number in range(50):
        queue(account_at(server, tenant=tenant, name=f"a{number}"))

    with CaptureQueriesContext(connection) as many:
        viewer.get(PAGE)

    assert len(many) == len(few)
