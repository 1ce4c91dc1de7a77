"""Each day of a tenant is counted from its messages and kept up with what becomes of them."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext

from logs import afterwards, figures, transitions
from logs.afterwards import Report
from logs.models import (
    TOTALS,
    ChangeMark,
    CountedDay,
    DailyFigures,
    DailyTagFigures,
    EmailLog,
    EmailStatus,
    EventType,
)
from logs.tests.builders import NOON, an_account, an_email, claimed
from logs.transitions import Outcome
from tests.factories import make_template

pytestmark = pytest.mark.django_db
MARCH_1 = date(2026, 3, 1)
SOON = NOON + timedelta(minutes=1)
LATER = NOON + timedelta(days=300)


def a_sent_email(tenant, *, tags=(), **fields) -> EmailLog:
    given = {"status": "sent", "sent_at": NOON, "next_attempt_at": None, "tags": list(tags)}
    return an_email(tenant, **{**given, **fields})


def totals(tenant, day=MARCH_1, mode="live") -> dict[str, int]:
    """The day's totals that are not 0."""
    rows = DailyFigures.objects.filter(tenant=tenant, day=day, mode=mode)
    sums = {name: sum(getattr(row, name) for row in rows) for name in TOTALS}
    return {name: count for name, count in sums.items() if count}


def everything() -> list[dict]:
    kept = []
    for model, names in (
        (DailyFigures, ["tenant", "day", "mode", "account", "template"]),
        (DailyTagFigures, ["tenant", "day", "mode", "tag"]),
    ):
        rows = model.objects.order_by(*names)
        kept += [model_to_dict(row, exclude=["id"]) for row in rows]
    return kept


def reported(kind, at=SOON, **fields) -> Report:
    return Report(kind=kind, recipient="ana@example.com", at=at, **fields)


def test_a_day_holds_what_became_of_its_messages(tenant):
    one = {"delivered_at": SOON, "status": "delivered", "opens_count": 3, "clicks_count": 2}
    a_sent_email(tenant, **one, unsubscribed_at=SOON, machine_opens_count=4)
    a_sent_email(tenant, machine_opens_count=1, machine_clicks_count=2)
    a_sent_email(tenant, status="bounced", failed_at=SOON)
    a_sent_email(tenant, status="spam")
    a_sent_email(tenant, status="bounced", sent_at=None)
    a_sent_email(tenant, status="failed", sent_at=None)
    a_sent_email(tenant, status="cancelled", sent_at=None)
    an_email(tenant)

    figures.keep_up(at=SOON)

    assert totals(tenant) == {
        "queued": 8,
        "settled": 6,
        "sent": 4,
        "delivered": 1,
        "failed": 1,
        "bounced": 2,
        "spam": 1,
        "opened": 1,
        "clicked": 1,
        "machine_opened": 2,
        "machine_clicked": 1,
        "unsubscribed": 1,
    }


def test_accounts_templates_tags_and_modes_are_told_apart(tenant):
    other, template = an_account(tenant, "news@shop.test"), make_template(tenant)
    a_sent_email(tenant, tags=["order", "vip"])
    a_sent_email(tenant, tags=["order"], template=template)
    a_sent_email(tenant, account=other, template=template)
    a_sent_email(tenant, mode="test", tags=["order"])

    figures.keep_up(at=SOON)

    kept = DailyFigures.objects.values_list("mode", "account__email_address", "template_id", "sent")
    assert set(kept) == {
        ("live", "news@shop.test", template.pk, 1),
        ("live", "orders@shop.test", None, 1),
        ("live", "orders@shop.test", template.pk, 1),
        ("test", "orders@shop.test", None, 1),
    }
    tags = DailyTagFigures.objects.values_list("mode", "tag", "queued", "sent")
    assert sorted(tags) == [("live", "order", 2, 2), ("live", "vip", 1, 1), ("test", "order", 1, 1)]


@pytest.mark.parametrize(
    ("on", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)]
)
def test_a_day_in_lisbon_holds_all_its_hours_and_no_other(tenant, on, hours):
    midnight = datetime(on.year, on.month, on.day, tzinfo=tenant.zone).astimezone(UTC)
    for hour in range(-1, hours + 1):
        an_email(tenant, queued_at=midnight + timedelta(hours=hour, minutes=30))

    figures.keep_up(at=LATER)

    around = [on + timedelta(days=step) for step in (-1, 0, 1)]
    assert [totals(tenant, day)["queued"] for day in around] == [1, hours, 1]


def test_tenants_have_days_of_their_own(tenant, other_tenant):
    tenant.timezone, other_tenant.timezone = "Asia/Kathmandu", "America/Sao_Paulo"
    tenant.save()
    other_tenant.save()
    for one in (tenant, other_tenant):
        an_email(one, queued_at=datetime(2026, 3, 1, 2, tzinfo=UTC))
        an_email(one, queued_at=datetime(2026, 3, 1, 18, 20, tzinfo=UTC))

    figures.keep_up(at=LATER)

    def days(one):
        return sorted(DailyFigures.objects.filter(tenant=one).values_list("day", flat=True))

    assert days(tenant) == [MARCH_1, date(2026, 3, 2)]
    assert days(other_tenant) == [date(2026, 2, 28), MARCH_1]


def test_a_late_event_counts_on_the_old_day_of_its_message(tenant):
    email = a_sent_email(tenant)
    a_sent_email(tenant, queued_at=NOON + timedelta(days=40))
    figures.keep_up(at=LATER)

    afterwards.note(email, reported(EventType.BOUNCED, at=LATER))

    assert figures.keep_up(at=LATER + timedelta(minutes=1)) == 1
    assert totals(tenant) == {"queued": 1, "settled": 1, "sent": 1, "bounced": 1}
    assert not ChangeMark.objects.exists()


def test_a_worker_marks_once_for_all_messages_of_a_quarter(tenant):
    for minute in (0, 3, 14, 15):
        an_email(tenant, queued_at=NOON - timedelta(hours=1) + timedelta(minutes=minute))
    email = EmailLog.objects.first()
    held = claimed(email)
    rows = [held, *EmailLog.objects.filter(status=EmailStatus.SENDING).exclude(pk=held.pk)]

    with CaptureQueriesContext(connection) as caught:
        transitions.record([Outcome(email=row, kind=EventType.SENT, at=NOON) for row in rows])

    assert len([one for one in caught if "logs_changemark" in one["sql"]]) == 1
    assert ChangeMark.objects.count() == 2


def test_a_failed_message_that_is_retried_has_not_failed_any_more(tenant):
    email = a_sent_email(tenant, status="failed", sent_at=None)
    figures.keep_up(at=SOON)

    transitions.retry(email, at=SOON)
    figures.keep_up(at=SOON + timedelta(minutes=1))

    assert totals(tenant) == {"queued": 1}


def test_what_was_only_accepted_is_counted_and_confirmed_once(tenant):
    an_email(tenant)

    assert figures.keep_up(at=SOON) == 1
    assert figures.keep_up(at=SOON + timedelta(seconds=30)) == 0
    an_email(tenant, queued_at=NOON - timedelta(seconds=5))  # accepted before, committed after
    assert figures.keep_up(at=NOON + timedelta(minutes=5)) == 1
    assert figures.keep_up(at=NOON + timedelta(minutes=30)) == 0
    assert totals(tenant) == {"queued": 2}


def test_days_that_nobody_ever_counted_are_found(tenant, other_tenant):
    for one in (tenant, other_tenant):
        for days in (0, 1, 70):
            an_email(one, queued_at=NOON + timedelta(days=days))

    assert figures.keep_up(at=LATER) == 6


def test_days_after_a_pause_of_the_counting_are_found(tenant):
    an_email(tenant)
    figures.keep_up(at=SOON)
    for days in (2, 3):
        an_email(tenant, queued_at=NOON + timedelta(days=days))

    figures.keep_up(at=LATER)

    assert [totals(tenant, date(2026, 3, day)) for day in (1, 3, 4)] == [{"queued": 1}] * 3


def test_a_day_that_changes_while_it_is_counted_is_counted_again(tenant, monkeypatch):
    email = a_sent_email(tenant)
    count = figures.count_day

    def changing(*args, **kwargs):
        counted = count(*args, **kwargs)
        afterwards.note(email, reported(EventType.COMPLAINED))
        return counted

    with monkeypatch.context() as patched:
        patched.setattr(figures, "count_day", changing)
        assert figures.recount(tenant, day=MARCH_1, at=SOON)
    assert "spam" not in totals(tenant)

    figures.keep_up(at=LATER)

    assert totals(tenant)["spam"] == 1


def test_an_older_count_never_replaces_a_newer_one(tenant, monkeypatch):
    email = a_sent_email(tenant)
    count = figures.count_day

    def overtaken(*args, **kwargs):
        counted = count(*args, **kwargs)
        monkeypatch.setattr(figures, "count_day", count)
        afterwards.note(email, reported(EventType.COMPLAINED))
        assert figures.recount(tenant, day=MARCH_1, at=SOON)
        return counted

    monkeypatch.setattr(figures, "count_day", overtaken)

    assert not figures.recount(tenant, day=MARCH_1, at=SOON)
    assert totals(tenant) == {"queued": 1, "settled": 1, "sent": 1, "spam": 1}


def test_two_jobs_at_once_count_a_day_once(tenant, monkeypatch):
    an_email(tenant)
    recount, second = figures.recount, []

    def meanwhile(*args, **kwargs):
        monkeypatch.setattr(figures, "recount", recount)
        second.append(figures.keep_up(at=SOON))
        return recount(*args, **kwargs)

    monkeypatch.setattr(figures, "recount", meanwhile)

    assert figures.keep_up(at=SOON) == 1
    assert second == [0]
    assert totals(tenant) == {"queued": 1}


def test_a_day_whose_worker_died_is_counted_by_another(tenant, monkeypatch):
    an_email(tenant)

    def dying(*args, **kwargs):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(figures, "count_day", dying)
        with pytest.raises(SystemExit):
            figures.keep_up(at=SOON)

    assert figures.keep_up(at=SOON + timedelta(minutes=1)) == 0
    assert figures.keep_up(at=SOON + figures.ABANDONED) == 1


def test_a_day_that_takes_long_is_counted_less_often(tenant, monkeypatch):
    email = a_sent_email(tenant)
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr(figures.time, "monotonic", lambda: next(clock))
    figures.keep_up(at=SOON)
    afterwards.note(email, reported(EventType.COMPLAINED))

    assert figures.keep_up(at=SOON + timedelta(seconds=139)) == 0
    assert figures.keep_up(at=SOON + timedelta(seconds=140)) == 1


def test_a_large_day_is_counted_in_slices(tenant, monkeypatch):
    for number in range(25):
        a_sent_email(tenant, queued_at=NOON + timedelta(seconds=number // 5), tags=["order"])
    monkeypatch.setattr(figures, "SLICE", 3)

    figures.keep_up(at=LATER)

    assert totals(tenant) == {"queued": 25, "settled": 25, "sent": 25}
    assert DailyTagFigures.objects.get().queued == 25


def test_only_the_most_frequent_tags_are_kept(tenant, monkeypatch):
    monkeypatch.setattr(figures, "TAGS_A_DAY", 2)
    for tags in (["a", "b"], ["a", "c"], ["a", "c"]):
        a_sent_email(tenant, tags=tags)

    figures.keep_up(at=LATER)

    assert sorted(DailyTagFigures.objects.values_list("tag", "queued")) == [("a", 3), ("c", 2)]


def test_another_time_zone_has_the_days_counted_anew(tenant):
    a_sent_email(tenant, queued_at=datetime(2026, 3, 1, 20, tzinfo=UTC))
    figures.keep_up(at=LATER)
    assert totals(tenant)["queued"] == 1

    tenant.timezone = "Asia/Tokyo"
    tenant.save()
    figures.keep_up(at=LATER + timedelta(minutes=1))

    assert totals(tenant) == {}
    assert totals(tenant, date(2026, 3, 2))["queued"] == 1


def test_a_tenant_that_is_saved_in_its_zone_marks_nothing(tenant):
    an_email(tenant)
    figures.keep_up(at=LATER)

    tenant.save()

    assert not ChangeMark.objects.exists()


def test_a_rebuild_equals_what_was_kept(tenant, other_tenant):
    dice = random.Random(5)
    now = NOON
    sent = []
    for _round in range(8):
        now += timedelta(hours=dice.randrange(1, 30))
        for _message in range(dice.randrange(1, 8)):
            email = a_sent_email(
                dice.choice([tenant, other_tenant]),
                mode=dice.choice(["live", "test"]),
                tags=dice.sample(["a", "b", "c"], dice.randrange(3)),
                queued_at=now - timedelta(seconds=dice.randrange(300)),
            )
            sent.append(email)
        for email in dice.sample(sent, min(3, len(sent))):
            kind = dice.choice([EventType.BOUNCED, EventType.COMPLAINED, EventType.DELIVERED])
            afterwards.note(email, reported(kind, at=now))
        figures.keep_up(at=now)
    figures.keep_up(at=LATER)
    kept = everything()
    DailyFigures.objects.update(sent=77)
    DailyTagFigures.objects.all().delete()

    call_command("rebuild_delivery_figures")

    assert len(kept) > 20
    assert everything() == kept


def test_a_rebuild_leaves_days_whose_messages_are_gone(tenant):
    an_email(tenant)
    figures.keep_up(at=LATER)
    EmailLog.objects.all().delete()
    an_email(tenant, queued_at=NOON + timedelta(days=2))

    call_command("rebuild_delivery_figures", tenant="shop")

    assert totals(tenant) == {"queued": 1}
    assert totals(tenant, date(2026, 3, 3)) == {"queued": 1}


def test_a_rebuild_of_no_tenant_says_so(db):
    with pytest.raises(CommandError, match="no tenant nobody"):
        call_command("rebuild_delivery_figures", tenant="nobody")


def test_a_count_costs_as_many_queries_for_many_messages_as_for_one(tenant):
    a_sent_email(tenant, tags=["a"])

    def queries(at) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert figures.recount(tenant, day=MARCH_1, at=at)
        return len(caught)

    queries(SOON)
    few = queries(SOON)
    for _message in range(30):
        a_sent_email(tenant, tags=["a", "b"])

    assert queries(SOON) == few


def test_figures_of_a_day_are_stored_once(tenant):
    a_sent_email(tenant, tags=["a"])
    for _time in range(3):
        figures.recount(tenant, day=MARCH_1, at=SOON)

    assert DailyFigures.objects.count() == DailyTagFigures.objects.count() == 1
    assert CountedDay.objects.get().version == 3


@pytest.mark.django_db(transaction=True)
def test_workers_and_jobs_at_once_leave_nothing_uncounted(tenant):
    emails = [a_sent_email(tenant, tags=["a"]) for _number in range(20)]

    def report(some):
        for email in some:
            afterwards.note(email, reported(EventType.BOUNCED))
        connection.close()

    def count():
        for _time in range(5):
            figures.recount(tenant, day=MARCH_1, at=SOON)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(report, emails[:10]), pool.submit(report, emails[10:])]
        jobs += [pool.submit(count), pool.submit(count)]
    for job in jobs:
        job.result()
    figures.keep_up(at=LATER)

    assert totals(tenant) == {"queued": 20, "settled": 20, "sent": 20, "bounced": 20}
    assert DailyFigures.objects.count() == DailyTagFigures.objects.count() == 1
    assert not ChangeMark.objects.exists()
