"""The start page: one tenant's figures, what waits, and what needs somebody."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import EmailAccount
from ai_triage.errors import ProviderRefused
from ai_triage.models import TriageSettings
from ai_triage.providers.registry import breaker_of
from ai_triage.tests.counted import a_result
from delivery import backoff
from inbox.models import Mailbox
from logs import figures
from logs.models import EmailLog, EmailStatus
from logs.tests.builders import an_account, an_email
from sendcraft_project.dashboard import change
from tenants.models import Membership, Role
from tests.servers.smtp_sink import SmtpSink
from tests.staff import staff
from webhooks import services
from webhooks.models import WebhookEndpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(tenant):
    return staff(tenant, Role.VIEWER)


@pytest.fixture
def admin(tenant):
    return staff(tenant, Role.ADMIN)


def sent(tenant, count=1, *, days_ago=0, **fields):
    """Messages that were accepted and sent so many days ago, at this hour."""
    at = timezone.now() - timedelta(days=days_ago)
    given = {"status": EmailStatus.SENT, "queued_at": at, "sent_at": at} | fields
    for _ in range(count):
        an_email(tenant, **given)


def text_of(client, path="/admin/") -> str:
    response = client.get(path)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", strip_tags(response.content.decode()))


def card(client, title: str) -> str:
    """The text of one card."""
    text = text_of(client)
    start = text.index(f" {title} ", text.index("Accepted today")) + 1
    return text[start : text.index(" 7 days: ", start) + 30]


# Figures


def test_today_is_shown_against_the_same_day_and_the_week_before(viewer, tenant):
    sent(tenant, 3)
    sent(tenant, 1, delivered_at=timezone.now(), opens_count=2)
    sent(tenant, 1, status=EmailStatus.BOUNCED)
    sent(tenant, 2, days_ago=7)
    sent(tenant, 40, days_ago=40)
    figures.keep_up(at=timezone.now() + timedelta(seconds=1))  # as beat does

    assert card(viewer, "Sent").startswith("Sent 5 A week ago: 2 7 days: 5")
    assert "(+150 %)" in card(viewer, "Sent")
    assert card(viewer, "Delivered").startswith("Delivered 1 ")
    assert card(viewer, "Bounced").startswith("Bounced 1 ")
    assert card(viewer, "Opened").startswith("Opened 1 ")


@pytest.mark.parametrize(
    ("now", "before", "shown"),
    [(3, 2, "+50\u00a0%"), (1, 2, "−50\u00a0%"), (2, 2, "+0\u00a0%"), (5, 0, "")],
)
def test_a_change_is_told_in_percent_where_there_was_anything(now, before, shown):
    assert change(now, before) == shown


def test_neither_test_messages_nor_other_tenants_are_counted(viewer, tenant, other_tenant):
    sent(tenant)
    sent(tenant, 2, mode="test")
    sent(other_tenant, 4)

    assert card(viewer, "Sent").startswith("Sent 1 ")


def test_the_last_thirty_days_are_drawn_with_their_numbers(viewer, tenant):
    sent(tenant, 2, opens_count=1)

    page = viewer.get("/admin/").content.decode()

    titles = re.findall(r"<title>(\d{4}-\d\d-\d\d): (.*?)</title>", page)
    assert len(titles) == 30
    assert titles[-1][1] == "2 sent, 2 opened, 0 bounced"
    assert titles[0][1] == "0 sent, 0 opened, 0 bounced"


# Whose page


def test_who_has_several_tenants_chooses_one_and_finds_it_again(viewer, tenant, other_tenant):
    user = Membership.objects.get(tenant=tenant).user
    Membership.objects.create(tenant=other_tenant, user=user, role=Role.VIEWER)
    sent(tenant, 2)
    sent(other_tenant, 5)
    assert card(viewer, "Sent").startswith("Sent 5 ")

    viewer.get(f"/admin/?tenant={tenant.pk}")

    assert card(viewer, "Sent").startswith("Sent 2 ")


def test_every_tenant_has_its_figures_of_today(viewer, tenant, other_tenant):
    user = Membership.objects.get(tenant=tenant).user
    Membership.objects.create(tenant=other_tenant, user=user, role=Role.VIEWER)
    sent(tenant, 3)
    viewer.get(f"/admin/?tenant={tenant.pk}")

    text = text_of(viewer)

    assert "Shop 3 sent 0 delivered" in text[text.index("Today by tenant") :]


@pytest.mark.parametrize("wanted", ["other", "987654", "x"])
def test_a_foreign_tenants_page_is_as_unknown_as_none(viewer, other_tenant, wanted):
    pk = other_tenant.pk if wanted == "other" else wanted

    response = viewer.get(f"/admin/?tenant={pk}")

    assert response.status_code == 404
    assert "Other" not in response.content.decode()


# What waits


def test_the_queue_is_shown_by_account_with_why_it_waits(viewer, tenant, other_tenant):
    account = an_account(tenant, "orders@shop.test")
    EmailAccount.objects.filter(pk=account.pk).update(is_active=False)
    for _ in range(2):
        an_email(tenant, account=account)
    an_email(tenant, account=account, next_attempt_at=timezone.now() + timedelta(hours=1))
    an_email(other_tenant)

    text = text_of(viewer)

    assert "Waiting to be sent: 3" in text
    assert "orders@shop.test 2 due 1 scheduled" in text
    assert "It waits because: account inactive" in text
    assert "orders@other.test" not in text


def test_a_message_that_came_just_now_came_less_than_a_minute_ago(viewer, tenant):
    now = timezone.now()
    an_email(tenant, queued_at=now, next_attempt_at=now)

    assert "The oldest came less than a minute ago." in text_of(viewer)


def test_mail_for_a_person_is_counted_by_urgency(viewer, tenant, other_tenant):
    for urgency, count in (("high", 2), ("low", 1)):
        for _ in range(count):
            sender = f"{urgency}@example.com"
            a_result(tenant, needs_review=True, urgency=urgency, from_address=sender)
    a_result(tenant, needs_review=True, urgency="high", reviewed_at=timezone.now())
    a_result(other_tenant, needs_review=True, urgency="medium")

    text = text_of(viewer)
    page = viewer.get("/admin/").content.decode()

    assert "Urgency: high 2 Urgency: low 1" in text
    assert "Urgency: medium" not in text
    [address] = re.findall(r'href="(/admin/ai_triage/[^"]*urgency=high[^"]*)"', page)
    inbox = text_of(viewer, address.replace("&amp;", "&"))
    assert "high@example.com" in inbox
    assert "low@example.com" not in inbox


def test_nothing_is_said_of_trouble_where_there_is_none(viewer, tenant):
    text = text_of(viewer)

    assert "Needs attention" not in text
    assert "Nothing waits." in text
    assert "Nobody waits for an answer." in text


# What needs somebody


def paused(tenant, **fields) -> EmailAccount:
    account = an_account(tenant)
    given = {"paused_at": timezone.now(), "paused_reason": "535 wrong password"} | fields
    EmailAccount.objects.filter(pk=account.pk).update(**given)
    return account


def buttons(client) -> list[str]:
    """Where the buttons of the troubles post to."""
    page = client.get("/admin/").content.decode()
    return re.findall(r'<form method="post" action="(/admin/accounts/[^"]+)"', page)


def test_a_paused_account_says_why_and_goes_on_after_a_test(admin, tenant):
    account = paused(tenant)
    assert "Paused: its mail waits. 535 wrong password" in text_of(admin)
    [address] = buttons(admin)

    with SmtpSink() as sink:
        EmailAccount.objects.filter(pk=account.pk).update(
            smtp_server="127.0.0.1", smtp_port=sink.port, use_tls=False
        )
        admin.post(address)

    account.refresh_from_db()
    assert account.paused_at is None
    assert "Needs attention" not in text_of(admin)


def test_an_account_that_somebody_paused_is_resumed(admin, tenant):
    account = paused(tenant, paused_by_hand=True, paused_reason="Paused by ana.")
    [address] = buttons(admin)

    admin.post(address)

    account.refresh_from_db()
    assert account.paused_at is None


@pytest.mark.parametrize("what", ["inactive", "left alone"])
def test_an_account_whose_mail_waits_for_somebody_is_in_trouble(admin, tenant, what):
    account = an_email(tenant).account
    if what == "inactive":
        EmailAccount.objects.filter(pk=account.pk).update(is_active=False)
    else:
        backoff.begin(account.pk, reason="421 try later")

    text = text_of(admin)

    reason = {"inactive": "account inactive", "left alone": "server left alone: 421 try later"}
    assert f"Its mail waits: {reason[what]}" in text
    action = {"inactive": "activate", "left alone": "test_connection"}[what]
    assert buttons(admin) == [f"/admin/accounts/emailaccount/{account.pk}/switch/{action}"]


def test_the_button_of_a_server_that_is_left_alone_lets_its_mail_go_once_it_answers(admin, tenant):
    with SmtpSink() as sink:
        account = an_email(tenant).account
        EmailAccount.objects.filter(pk=account.pk).update(
            smtp_server="127.0.0.1", smtp_port=sink.port, use_tls=False
        )
        backoff.begin(account.pk, reason="connection refused")
        assert "server left alone" in text_of(admin)
        [address] = buttons(admin)

        admin.post(address)

    assert "Needs attention" not in text_of(admin)


def test_an_inactive_account_without_mail_is_no_trouble(admin, tenant):
    EmailAccount.objects.filter(pk=an_account(tenant).pk).update(is_active=False)

    assert "Needs attention" not in text_of(admin)


def test_a_mailbox_that_cannot_be_read_is_in_trouble(admin, tenant):
    account = an_account(tenant)
    EmailAccount.objects.filter(pk=account.pk).update(reads_mail=True)
    Mailbox.objects.update_or_create(
        account=account, defaults={"failures": 3, "error": "LOGIN failed"}
    )

    assert "Its mailbox can&#x27;t be read: LOGIN failed" in text_of(admin)


def test_why_a_mailbox_cannot_be_read_is_said_in_the_readers_language(admin, tenant):
    account = an_account(tenant)
    EmailAccount.objects.filter(pk=account.pk).update(reads_mail=True)
    trouble = {"failures": 3, "error": "The server did not answer in time."}
    Mailbox.objects.update_or_create(account=account, defaults=trouble)

    page = admin.get("/admin/", headers={"Accept-Language": "pt-pt"}).content.decode()

    assert "O servidor não respondeu a tempo." in page


def test_who_may_not_mend_it_gets_an_explanation_and_no_button(viewer, tenant):
    account = paused(tenant)

    page = viewer.get("/admin/").content.decode()

    assert buttons(viewer) == []
    assert "See why" in page
    assert f'href="/admin/accounts/emailaccount/{account.pk}/change/"' in page


def test_another_tenants_trouble_is_not_shown(viewer, other_tenant):
    paused(other_tenant)

    assert "535 wrong password" not in text_of(viewer)


def test_a_webhook_that_was_switched_off_is_told_to_its_tenants_staff(viewer, tenant, other_tenant):
    for one in (tenant, other_tenant):
        hook = services.create_endpoint(tenant=one, url=f"https://hooks.{one.slug}.example/")
        WebhookEndpoint.objects.filter(pk=hook.pk).update(
            is_active=False, off_reason="failing", off_at=timezone.now()
        )

    page = text_of(viewer)

    assert "hooks.shop.example" in page
    assert "it failed for three days" in page
    assert "hooks.other.example" not in page


def test_what_rests_triage_leads_to_where_it_is_mended_or_seen(tenant, settings):
    """A reached cost limit, and a provider that is left alone."""
    limit = TriageSettings.objects.create(tenant=tenant, daily_cost_limit=1)
    held = {"status": "queued", "error_code": "cost_limit", "processed_at": None}
    a_result(tenant, **held, next_attempt_at=timezone.now() + timedelta(hours=1))
    settings.TRIAGE_PROVIDER = "gemini"
    refusal = ProviderRefused("The key is refused.")
    asyncio.run(breaker_of("gemini").failed(refusal))
    address = f"/admin/ai_triage/triagesettings/{limit.pk}/change/"

    for role, verb in ((Role.VIEWER, "See why"), (Role.ADMIN, "Change the limit")):
        page = staff(tenant, role).get("/admin/").content.decode()
        assert re.search(rf'href="{address}">{verb}<', page)
        assert re.search(r'href="/admin/ai_triage/triageresult/\?state=open">See what waits<', page)


# While the page is open


def parts(client, tenant) -> str:
    response = client.get(f"/admin/start/?tenant={tenant.pk}")
    assert response.status_code == 200
    return response.content.decode()


def test_what_moves_is_sent_to_the_places_that_the_page_has_and_the_chart_is_not(viewer, tenant):
    an_email(tenant)
    page = viewer.get("/admin/").content.decode()
    places = re.findall(r'id="([a-z-]+)" hx-swap-oob="innerHTML"', parts(viewer, tenant))

    assert places == ["start-at", "start-needs", "start-cards", "start-waiting"]
    assert all(f'id="{place}"' in page for place in places)
    assert f'hx-get="/admin/start/?tenant={tenant.pk}" hx-swap="none"' in page
    assert "<svg" not in parts(viewer, tenant)
    assert "<html" not in parts(viewer, tenant)


def test_what_moves_is_as_new_as_the_page_would_be(admin, tenant):
    assert "Nothing waits." in parts(admin, tenant)

    paused(tenant)
    sent(tenant, 2)
    an_email(tenant)
    a_result(tenant, needs_review=True, urgency="high")
    figures.keep_up(at=timezone.now() + timedelta(seconds=1))  # as beat does

    text = re.sub(r"\s+", " ", strip_tags(parts(admin, tenant)))
    assert "Paused: its mail waits. 535 wrong password" in text
    assert "Sent 2 " in text
    assert "Waiting to be sent: 1" in text
    assert "Urgency: high 1" in text


def test_every_link_and_button_that_is_replaced_has_a_name_of_its_own(admin, tenant, other_tenant):
    user = Membership.objects.get(tenant=tenant).user
    Membership.objects.create(tenant=other_tenant, user=user, role=Role.VIEWER)
    account = paused(tenant)
    EmailAccount.objects.filter(pk=account.pk).update(reads_mail=True)
    Mailbox.objects.update_or_create(account=account, defaults={"failures": 3, "error": "LOGIN"})
    paused(other_tenant)
    an_email(tenant)
    a_result(tenant, needs_review=True, urgency="high")

    moved = parts(admin, tenant)

    controls = re.findall(r"<(?:a|button)\s[^>]*>", moved)
    names = re.findall(r'<(?:a|button)\s[^>]*\bid="([^"]+)"', moved)
    assert len(names) == len(controls) > 10
    assert len(set(names)) == len(names)


def test_who_is_signed_out_or_no_staff_gets_no_part_and_no_form_to_sign_in(client, viewer, tenant):
    address = f"/admin/start/?tenant={tenant.pk}"
    customer = User.objects.create_user("customer")

    viewer.logout()
    answers = [viewer.get(address), client.get(address)]
    client.force_login(customer)
    answers.append(client.get(address))

    assert [(answer.status_code, answer.content) for answer in answers] == [(401, b"")] * 3
    assert viewer.post(address).status_code == 405


@pytest.mark.parametrize("wanted", ["other", "987654", "x", ""])
def test_a_foreign_tenants_parts_are_as_unknown_as_none(viewer, tenant, other_tenant, wanted):
    pk = other_tenant.pk if wanted == "other" else wanted

    assert viewer.get(f"/admin/start/?tenant={pk}").status_code == 404


def test_a_page_that_refreshes_itself_does_not_choose_the_tenant(viewer, tenant, other_tenant):
    user = Membership.objects.get(tenant=tenant).user
    Membership.objects.create(tenant=other_tenant, user=user, role=Role.VIEWER)
    sent(other_tenant, 5)
    viewer.get(f"/admin/?tenant={other_tenant.pk}")

    parts(viewer, tenant)

    assert card(viewer, "Sent").startswith("Sent 5 ")


# What it costs


def test_a_refresh_costs_few_queries_and_writes_nothing(viewer, tenant):
    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as asked:
            parts(viewer, tenant)
        return [one["sql"] for one in asked]

    sent(tenant)
    an_email(tenant)
    paused(tenant)
    few = queries()
    for number in range(5):
        an_email(tenant, account=an_account(tenant, f"a{number}@shop.test"))
        sent(tenant, 5, days_ago=number)
        a_result(tenant, needs_review=True)

    many = queries()

    assert len(many) == len(few) <= 25
    assert [sql for sql in many if sql.startswith(("INSERT", "UPDATE", "DELETE"))] == []


def test_it_costs_as_many_queries_however_many_tenants_and_messages(
    client, tenant, other_tenant, django_user_model
):
    client.force_login(django_user_model.objects.create_superuser("root"))
    for one in (tenant, other_tenant):
        sent(one)
        an_email(one, next_attempt_at=timezone.now() + timedelta(hours=1))
    text_of(client)
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/")

    for number in range(5):
        more = type(tenant).objects.create(slug=f"more{number}", name=f"More {number}")
        sent(more, 3)
        paused(more)
    for one in (tenant, other_tenant):
        for number in range(4):
            an_email(one, account=an_account(one, f"a{number}@{one.slug}.test"))
            sent(one, 5, days_ago=number)
            a_result(one, needs_review=True)
    for one in type(tenant).objects.all():
        client.get(f"/admin/?tenant={one.pk}")
    client.get(f"/admin/?tenant={other_tenant.pk}")
    with CaptureQueriesContext(connection) as many:
        client.get("/admin/")

    assert len(many) == len(few)
    assert EmailLog.objects.count() > 60


def test_to_look_again_at_the_chosen_tenant_writes_nothing(client, tenant, django_user_model):
    client.force_login(django_user_model.objects.create_superuser("root"))
    client.get(f"/admin/?tenant={tenant.pk}")

    with CaptureQueriesContext(connection) as asked:
        client.get(f"/admin/?tenant={tenant.pk}")

    assert [one["sql"] for one in asked if not one["sql"].startswith("SELECT")] == []


def test_no_query_of_it_counts_a_whole_table(admin, tenant):
    sent(tenant)

    with CaptureQueriesContext(connection) as asked:
        admin.get("/admin/")

    counts = [one["sql"] for one in asked if "COUNT(" in one["sql"]]
    assert [sql for sql in counts if "WHERE" not in sql] == []
