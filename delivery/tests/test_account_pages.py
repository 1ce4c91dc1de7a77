"""What delivery adds to an account's page: what waits, why, what limits leave, what failed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import EmailAccount
from common.tests.smtp_server import ScriptedServer
from delivery import failures, limits
from delivery.models import AccountUsage, ConnectionSlot
from delivery.tests.sending import account_at, drained, queue
from logs.models import EmailEvent, EmailLog, EmailStatus
from logs.tests.builders import an_account, an_email
from tenants.models import Role
from tests.staff import staff

pytestmark = pytest.mark.django_db

PART = "/admin/delivery/sendbatch/accounts/{}/sending/"
DIALOGUE = ["> MAIL FROM:<orders@shop.test>", "< 550 5.7.1 <b>not you</b>"]


@pytest.fixture
def viewer(tenant):
    return staff(tenant, Role.VIEWER)


@pytest.fixture
def account(tenant) -> EmailAccount:
    return an_account(tenant)


def part(client, account, query="") -> str:
    response = client.get(PART.format(account.pk) + query)
    assert response.status_code == 200
    return response.content.decode()


def text_of(client, account) -> str:
    return " ".join(strip_tags(part(client, account)).split())


def limited(account, **fields) -> EmailAccount:
    EmailAccount.objects.filter(pk=account.pk).update(**fields)
    return EmailAccount.objects.get(pk=account.pk)


def refused(account, *, subject="Order 7", at=None, transcript=DIALOGUE, **fields) -> EmailLog:
    """A message that the server would not take, with the event that says so."""
    given = {"status": EmailStatus.BOUNCED, "subject": subject} | fields
    email = an_email(account.tenant, account=account, **given)
    data = {"smtp_code": 550, "reason": "refused_at_mail", "transcript": transcript}
    own = {"tenant": account.tenant, "email": email, "type": "bounced"}
    EmailEvent.objects.create(**own, at=at or timezone.now(), data=data)
    return email


# Limits


def test_each_limit_is_a_meter_of_what_is_used_and_left(viewer, account):
    account = limited(account, limit_per_hour=10, limit_per_day=50, max_connections=3)
    limits.take(account, most=4, at=timezone.now())
    until = timezone.now() + timedelta(minutes=1)
    ConnectionSlot.objects.create(account=account, number=1, token="a", leased_until=until)

    text = text_of(viewer, account)

    assert "This hour 4 of 10, 6 left" in text
    assert "Today 4 of 50, 46 left" in text
    assert "Connections 1 of 3 in use" in text
    assert "Nothing holds its mail back." in text
    assert '<progress value="4" max="10" aria-label="This hour">' in part(viewer, account)


def test_the_warm_up_and_what_the_server_taught_have_their_own_meters(viewer, account):
    account = limited(
        account, limit_per_day=500, warmup_start=20, warmup_growth=2, warmup_ceiling=900
    )
    limits.take(account, most=5, at=timezone.now())
    AccountUsage.objects.update(slow_per_minute=30)

    text = text_of(viewer, account)

    assert "Today 5 of 500, 495 left" in text
    assert "Warm-up, today 5 of 20, 15 left" in text
    assert re.search(r"This minute, as its server was found to take it \d of 30, \d\d left", text)


def test_a_limit_that_holds_the_queue_is_named_with_its_end(viewer, account):
    account = limited(account, limit_per_day=2)
    limits.take(account, most=2, at=timezone.now())
    for _ in range(3):
        an_email(account.tenant, account=account)

    text = text_of(viewer, account)

    assert "Its mail waits: 2 a day reached until" in text
    assert "3 due" in text
    assert "Today 2 of 2, 0 left" in text


def test_an_account_without_limits_says_so(viewer, account):
    text = text_of(viewer, account)

    assert "No limit on messages is set" in text
    assert "Nothing waits." in text
    assert not AccountUsage.objects.exists()


# The last failure


def test_the_last_failure_is_shown_with_its_dialogue_and_a_link(viewer, account):
    refused(account, subject="Older", at=timezone.now() - timedelta(hours=1))
    email = refused(account, subject="Newer")
    refused(an_account(account.tenant, "b@shop.test"), subject="Another account's")
    an_email(account.tenant, account=account, status=EmailStatus.FAILED, error_code="suppressed")

    found = part(viewer, account)

    assert f'href="/admin/logs/emaillog/{email.pk}/change/">Newer</a>' in found
    assert "&gt; MAIL FROM:&lt;orders@shop.test&gt;" in found
    assert "&lt; 550 5.7.1 &lt;b&gt;not you&lt;/b&gt;" in found
    assert "The server refused the sender." in found
    assert "Older" not in found
    assert "Another" not in found


@pytest.mark.django_db(transaction=True)
def test_a_message_that_is_tried_again_is_a_failure_too(viewer, tenant):
    with ScriptedServer() as server:
        server.on("RCPT", "451 4.3.0 try later")
        account = account_at(server, tenant=tenant)
        email = drained(queue(account, subject="Waiting"))

    text = text_of(viewer, account)

    assert email.status == EmailStatus.QUEUED
    assert "1 to be tried again" in text
    assert "Waiting</a>" in part(viewer, account)
    assert "< 451 4.3.0 try later" in text.replace("&lt;", "<")


def deferred(account, **fields) -> EmailLog:
    """A message that was tried a minute ago and waits for the next try."""
    now = timezone.now()
    given = {"retry_count": 1, "next_attempt_at": now + timedelta(minutes=5)} | fields
    tried = {"status": EmailStatus.QUEUED, "at": now - timedelta(minutes=1)}
    return refused(account, subject="Deferred", **tried, **given)


def test_scheduled_mail_does_not_hide_what_is_tried_again(viewer, account, monkeypatch):
    monkeypatch.setattr(failures, "LOOKED_AT", 2)
    deferred(account)
    for _ in range(3):
        tomorrow = timezone.now() + timedelta(days=1)
        an_email(account.tenant, account=account, next_attempt_at=tomorrow)

    assert "Deferred</a>" in part(viewer, account)


def test_a_deferred_message_that_is_due_again_but_held_is_still_a_failure(viewer, account):
    deferred(account, next_attempt_at=timezone.now() - timedelta(hours=1))
    account.pause("holidays", at=timezone.now(), by_hand=True)

    assert "Deferred</a>" in part(viewer, account)


@pytest.mark.django_db(transaction=True)
def test_a_failure_before_any_word_is_the_last_one_and_says_what_is_known(viewer, tenant):
    with ScriptedServer() as server:
        account = account_at(server, tenant=tenant)
    refused(account, subject="Older", at=timezone.now() - timedelta(days=1))
    drained(queue(account, subject="Nobody there"))

    found = part(viewer, account)

    assert "Nobody there</a>" in found
    assert "The server refused the connection." in found
    assert "SMTP dialogue" not in found
    assert "Older" not in found


def test_what_a_server_on_the_way_reported_later_is_no_failed_delivery(viewer, account):
    email = an_email(account.tenant, account=account, status=EmailStatus.BOUNCED)
    own = {"tenant": account.tenant, "email": email, "type": "bounced", "at": timezone.now()}
    EmailEvent.objects.create(**own, data={"recipient": email.to_address, "reason": "gone"})

    assert "None that is remembered." in text_of(viewer, account)


@pytest.mark.django_db(transaction=True)
def test_what_a_private_host_said_before_it_took_us_is_read_nowhere(viewer, api, tenant):
    with ScriptedServer().always("BANNER", "421 4.7.0 db-7 of the intranet") as server:
        account = account_at(server, tenant=tenant)
        email = drained(queue(account))

    history = f"/api/v1/logs/{email.tracking_id}/events"
    answers = [
        part(viewer, account),
        viewer.get(f"/admin/logs/emaillog/{email.pk}/change/").content.decode(),
        api.get(history).content.decode(),
        api.get(f"/api/v1/logs/{email.tracking_id}").content.decode(),
    ]

    assert "&lt; 421 4.7.0\n" in answers[0]
    assert "< 421 4.7.0" in api.get(history).json()["results"][-1]["data"]["transcript"]
    assert not any("intranet" in answer for answer in answers)


def test_where_nothing_failed_it_says_so(viewer, account):
    an_email(account.tenant, account=account, status=EmailStatus.SENT)

    assert "Last failed delivery None that is remembered." in text_of(viewer, account)


# While the page is open, walls and cost


def test_the_part_that_moves_takes_its_place_and_leaves_the_dialogue_alone(viewer, account):
    refused(account)
    assert f'hx-get="{PART.format(account.pk)}?again"' in part(viewer, account)

    again = part(viewer, account, "?again")

    assert 'id="account-now" hx-swap-oob="true"' in again
    assert "Order 7" not in again
    assert 'hx-swap-oob="true"' not in part(viewer, account)


def test_another_tenants_account_is_not_there(viewer, other_tenant):
    foreign = an_account(other_tenant)

    assert viewer.get(PART.format(foreign.pk)).status_code == 404
    assert viewer.get(PART.format(987654)).status_code == 404


def test_it_costs_as_many_queries_however_much_is_sent(viewer, account):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            part(viewer, account)
        return len(captured)

    account = limited(account, limit_per_hour=10, warmup_start=5, warmup_growth=2, warmup_ceiling=9)
    limits.take(account, most=1, at=timezone.now())
    refused(account)
    an_email(account.tenant, account=account)
    few = queries()
    for number in range(20):
        refused(account)
        later = timezone.now() + timedelta(hours=1)
        an_email(account.tenant, account=account, next_attempt_at=later, retry_count=number % 2)

    assert queries() == few


@pytest.mark.django_db(transaction=True)
def test_what_was_said_when_a_refusal_paused_the_account_is_on_its_page(viewer, tenant):
    with ScriptedServer(users={"orders": "another"}) as server:
        account = account_at(server, tenant=tenant, smtp_username="orders")
        account.smtp_password = "canary-1"
        account.save()
        drained(queue(account))

    page = viewer.get(f"/admin/accounts/emailaccount/{account.pk}/change/").content.decode()

    assert "when mail was to go out" in page
    assert "&gt; AUTH PLAIN ***" in page
    assert "&lt; 535 5.7.8\n" in page
    assert "canary-1" not in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("event", "said"),
    [("MAIL", "553 5.7.1 not your address"), ("RCPT", "530 5.7.0 sign in first")],
)
def test_so_is_what_was_said_when_the_server_took_nothing_from_the_sender(
    viewer, tenant, event, said
):
    with ScriptedServer().always(event, said) as server:
        account = account_at(server, tenant=tenant)
        drained(queue(account))

    page = viewer.get(f"/admin/accounts/emailaccount/{account.pk}/change/").content.decode()

    assert "when mail was to go out" in page
    assert f"&gt; MAIL FROM:&lt;{account.email_address}&gt;" in page
    assert f"&lt; {said}\n" in page
